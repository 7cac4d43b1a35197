import type { Explanations } from './explanation.ts';

/** Encryption and certificates. */
export const TLS: Explanations = {
  'client-key-missing': {
    means: 'There is a client certificate, and not its key.',
    why: 'libpq refuses the connection, and so does pgrepl.',
    remedy: 'Name the key with sslkey=FILE, or move the certificate out of ~/.postgresql.',
  },
  'client-key-open': {
    means: 'The key of the client certificate may be read by others, or belongs to somebody else.',
    why: 'libpq refuses such a key, and so does pgrepl.',
    remedy: 'chmod 0600 KEY; one that root owns may have 0640.',
  },
  'plain-login': {
    means: 'A server that is to take only encrypted logins let one in without TLS.',
    why: 'What the block of pgrepl says was proved by a login, and a line above it says otherwise.',
    remedy: 'Look at the lines above the block in pg_hba.conf.',
  },
  'ssl-file-unreadable': {
    means: 'A certificate, key or revocation list of the connection string is there and cannot be read.',
    why: 'libpq would refuse the connection.',
    remedy: 'Look at path, owner and mode.',
  },
  'tls-expired': {
    means: 'The certificate of a node, or one of its authorities, has expired.',
    why: 'No standby would accept it at its next reconnect.',
    remedy: 'Put a new one into the same file, and run init-primary or add-standby for that node again.',
  },
  'tls-file-missing': {
    means: 'A file that a connection needs for TLS is not on the machine that connects.',
    why: 'The server of that node would not get through either.',
    remedy: 'Put it there, or correct tls: of the node in the cluster file.',
  },
  'tls-file-unreadable': {
    means: "The owner of the server cannot read the certificate, the key or the authorities of the node.",
    why: 'A reload would leave the server without TLS, and its next start would fail.',
    remedy: "The paths are of the node's own machine. Look at owner and mode of the file and of the folders above it.",
  },
  'tls-incomplete': {
    means: 'Certificate, key and authorities were not all named.',
    why: 'They go together: the server shows the first, proves it with the second, and trusts by the third.',
    remedy: 'Give --tls-cert, --tls-key and --tls-ca, or put them into the cluster file.',
  },
  'tls-key-encrypted': {
    means: 'The key of the node is protected by a passphrase.',
    why: 'Nobody gives it to the server when it starts.',
    remedy: 'Take it off: openssl pkey -in KEY -out NEW.',
  },
  'tls-key-mismatch': {
    means: 'The key does not belong to the certificate.',
    why: 'The server would refuse the pair.',
    remedy: 'Name the right one. In a file with several certificates that of the node comes first.',
  },
  'tls-key-rights': {
    means: 'The server would refuse the key for its owner or its mode.',
    why: "PostgreSQL takes a key of the server's owner with 0600 or less, or one of root with 0640 or less.",
    remedy: 'chown and chmod as the text says.',
  },
  'tls-missing': {
    means: 'A node has no certificate, and the primary has one, or standbys prove themselves by theirs.',
    why: 'After a change of roles nobody could reach it encrypted.',
    remedy: 'Give --tls-cert, --tls-key and --tls-ca, or name them under defaults: in the cluster file.',
  },
  'tls-not-pem': {
    means: 'The file is no certificate, or no key, in PEM form.',
    why: 'PostgreSQL reads no other.',
    remedy: 'It begins with -----BEGIN. openssl x509 and openssl pkey convert from DER.',
  },
  'tls-not-yet-valid': {
    means: 'The certificate is valid only from a later time on.',
    why: 'No standby would accept it before.',
    remedy: 'Wait, issue it anew, or set the clock right.',
  },
  'tls-untrusted': {
    means: 'The certificate does not lead to an authority in the file of authorities.',
    why: 'Every standby would refuse it.',
    remedy: 'Put intermediate authorities after the certificate in its file, and the root into that of the authorities.',
  },
  'tls-wrong-host': {
    means: 'The certificate is not for the address that the cluster file has for the node.',
    why: 'sslmode=verify-full compares the two. libpq before 15 compares an address with the DNS names alone.',
    remedy: 'Issue it with that name or address in subjectAltName, or correct host: of the node.',
  },
  'tls-wrong-purpose': {
    means: 'The extended key usage of the certificate leaves out what it is used for.',
    why: 'OpenSSL refuses it: a server needs serverAuth, a node that logs in by certificate clientAuth as well.',
    remedy: 'Issue it with both, or without the extension.',
  },
};
