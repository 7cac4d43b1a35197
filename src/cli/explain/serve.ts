import type { Explanations } from './explanation.ts';

/** Where `serve` listens and who may ask it. */
export const SERVE: Explanations = {
  'certificate-invalid': {
    means: 'The files of --tls-cert and --tls-key are not a certificate and its key.',
    why: 'No client could connect.',
    remedy: 'PEM, the certificate first and then its chain; the key of exactly that certificate, without a passphrase.',
  },
  'certificate-unreadable': {
    means: 'The file of --tls-cert cannot be read.',
    why: 'Without it nothing can be served by TLS.',
    remedy: 'Give serve\'s user the right to read it.',
  },
  'listen-failed': {
    means: 'serve cannot listen at that address.',
    why: 'Somebody listens there already, the address is none of this machine, or the port is for root.',
    remedy: 'Another --listen; or end the other serve.',
  },
  'listen-invalid': {
    means: '--listen is not an address with a port.',
    why: 'A name could mean another address tomorrow, and who may ask depends on the address.',
    remedy: 'Write 127.0.0.1:8008, [::1]:8008, or 0.0.0.0:8008 for every address of this machine.',
  },
  'password-stdin': {
    means: 'serve was to read the password of its sessions from standard input.',
    why: 'It logs in again after an interruption, and standard input gives the password only once.',
    remedy: '--admin-password-file FILE, or a line in the passfile.',
  },
  'private-file-open': {
    means: 'A token or a key may be read by everybody on this machine.',
    why: 'Then everybody has it.',
    remedy: 'chmod 600, or 640 with a group of its own.',
  },
  'private-file-unreadable': {
    means: 'The file of a token or of a key cannot be read.',
    why: 'Without it nobody could be let in.',
    remedy: 'Give serve\'s user the right to read it; with systemd LoadCredential= does.',
  },
  'serve-open': {
    means: 'serve was to listen where others can reach it, without a token or without TLS.',
    why: 'Addresses, versions and positions of all nodes would be readable by everybody on that network.',
    remedy: '--token-file, --tls-cert and --tls-key; or 127.0.0.1, where nothing is asked.',
  },
  'tls-half': {
    means: 'Only one of --tls-cert and --tls-key was given.',
    why: 'Neither is of use without the other.',
    remedy: 'Give both.',
  },
  'token-invalid': {
    means: 'The file of --token-file holds no token.',
    why: 'A short one can be guessed, and one with blanks cannot be sent.',
    remedy: '(umask 077 && openssl rand -hex 24 > FILE)',
  },
};
