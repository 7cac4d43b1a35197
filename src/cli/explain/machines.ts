import type { Explanations } from './explanation.ts';

/** Machines, ssh and docker. */
export const MACHINES: Explanations = {
  'connect-failed': {
    means: 'No connection to the address could be made.',
    why: 'A port that does not answer proves nothing about the server behind it.',
    remedy: 'The detail says how: refused (nobody listens), timed out (a firewall, or the machine is down), unknown name. Try pg_isready from the same machine.',
  },
  'container-missing': {
    means: 'Docker knows no container of this name.',
    why: 'A container that was removed took its node with it, or it has another name now.',
    remedy: 'docker ps --all, then correct via: in the cluster file.',
  },
  'container-paused': {
    means: 'The container is paused.',
    why: 'Its server is frozen, not stopped: it may take writes when it goes on.',
    remedy: 'docker unpause NAME.',
  },
  'container-stopped': {
    means: 'The container does not run.',
    why: 'Nothing can be looked at inside.',
    remedy: 'docker start NAME.',
  },
  'container-unusable': {
    means: 'No shell can be run in the container.',
    why: 'pgrepl works with the programs of the machine.',
    remedy: 'The image needs /bin/sh and the PostgreSQL programs.',
  },
  'directory-not-writable': {
    means: 'The owner of the server may not write the data directory.',
    why: 'A server starts only as the owner of its directory.',
    remedy: 'Give it to that user (install -d -m 0700 -o USER DIR), or correct --os-user.',
  },
  'docker-unreachable': {
    means: 'The docker daemon does not answer.',
    why: 'Without it nothing is known about the container.',
    remedy: 'Is it running, and may this user use it? Members of the group docker may.',
  },
  'host-key-changed': {
    means: 'The ssh host key is another one than the known one.',
    why: 'Somebody may stand in between, or the machine was made anew.',
    remedy: 'Compare the key on the machine itself before you remove the old one with ssh-keygen -R.',
  },
  'host-key-unknown': {
    means: 'The ssh host key is not known.',
    why: 'pgrepl never accepts a key by itself.',
    remedy: 'Log in once by hand and compare the fingerprint, or put the key into known_hosts.',
  },
  'host-unknown': {
    means: 'ssh finds no such host.',
    why: 'The name is resolved by your own ssh and its configuration.',
    remedy: 'Write the name as ssh knows it, or the address.',
  },
  'host-unreachable': {
    means: 'The address of the node is not on its own machine.',
    why: 'A server there could not be reached by the others.',
    remedy: 'Correct host: in the cluster file; ip addr shows the addresses.',
  },
  'host-unresolved': {
    means: 'A name in the cluster file does not resolve on a machine that needs it.',
    why: 'A standby resolves it at every reconnect.',
    remedy: 'Use the address, or make the name known there (getent hosts NAME).',
  },
  'io-failed': {
    means: 'A file could not be read or written.',
    why: 'What is not read cannot be judged, and nothing is done on a guess.',
    remedy: 'The detail names the error of the operating system.',
  },
  'lock-lost': {
    means: 'A lock of this run was lost, most often with the connection.',
    why: 'Another run may have begun, so this one does not pass its point of no return.',
    remedy: 'Run the same command again when the machine answers.',
  },
  'lock-timeout': {
    means: 'The lock of a node did not answer in time.',
    why: 'Without it another run may be at work.',
    remedy: 'Look at the machine; then run the same command again.',
  },
  locked: {
    means: 'Another run of pgrepl works on this node; its holder is named.',
    why: 'Two changes at the same time would each undo what the other relies on.',
    remedy: 'Wait until it has ended. The lock ends with its process, also after a crash.',
  },
  'no-bridge': {
    means: 'The machine has none of perl, python3 and socat.',
    why: 'One of them carries the connection to the Unix socket of the server, where only its owner gets in.',
    remedy: 'Install any of them there.',
  },
  'no-permission': {
    means: 'The user of pgrepl may not act as the owner of the server, or may not see what is asked for.',
    why: 'A half-seen server would be judged wrongly, and half a change is worse than none.',
    remedy: 'Run as that user or root, give the sudo line that the hint shows, or GRANT pg_monitor to the role that looks.',
  },
  'no-runtime-directory': {
    means: 'No directory for the socket of ssh could be made.',
    why: 'One connection per machine is shared through it.',
    remedy: 'Set TMPDIR to a directory that you may write.',
  },
  'no-space': {
    means: 'A file system has too little room for what is about to be written.',
    why: 'A disk that fills up in the middle stops the server that lives on it.',
    remedy: 'Free some, or choose another place. df -h shows it; the message says how much is needed and why.',
  },
  'no-such-user': {
    means: 'The machine has no such user.',
    why: 'A server is owned by exactly one user, and started as that one.',
    remedy: 'Correct --os-user or os-user: in the cluster file.',
  },
  'not-empty': {
    means: 'A directory that is not empty stands where another one must go.',
    why: 'Nothing is ever written over what is there.',
    remedy: 'Look into it, and move it away.',
  },
  'parent-not-writable': {
    means: 'The owner of the server may not make the directory at its place.',
    why: 'The server must own it.',
    remedy: 'Make an empty directory of its own there, by the line under next.',
  },
  'postgres-not-found': {
    means: 'The PostgreSQL server programs were not found.',
    why: 'initdb, pg_ctl, pg_basebackup and others are used from the installation that fits the data directory.',
    remedy: 'Install the server package of that major, or name its directory with --bin-dir.',
  },
  'program-not-executable': {
    means: 'A program is there and may not be run.',
    why: 'Mode, a mount with noexec, or a missing interpreter.',
    remedy: 'Look at it with ls -l, and run it by hand as the same user.',
  },
  'program-not-found': {
    means: 'A program is not there.',
    why: 'pgrepl does not install anything.',
    remedy: 'Install it, or put its directory on the PATH.',
  },
  'program-timeout': {
    means: 'A program did not end in its time and was stopped.',
    why: 'Every wait has an end. Of a change it is not known how far it came, so the exit code is 6.',
    remedy: 'Look at the machine: load, disk, network. Then run the same command again.',
  },
  'read-only': {
    means: 'A file system is mounted read-only.',
    why: 'Nothing can be written there; after an error of the disk Linux does that by itself.',
    remedy: 'findmnt -T PATH, and the log of the system.',
  },
  'ssh-configuration': {
    means: 'Your ssh configuration cannot be used.',
    why: 'pgrepl uses your own ssh, with everything that is in it.',
    remedy: 'Correct the line or the mode that ssh names.',
  },
  'ssh-denied': {
    means: 'The machine does not let you in.',
    why: 'pgrepl asks for no password and opens no other way.',
    remedy: 'ssh-copy-id, ssh-add, or IdentityFile in your ssh configuration. The same must work by hand without a question.',
  },
  'ssh-failed': {
    means: 'ssh could not connect, for a reason that is not known better.',
    why: 'What ssh said is in the details.',
    remedy: 'Try ssh HOST true by hand; it must work without a question.',
  },
  'ssh-lost': {
    means: 'The ssh connection broke while a program ran there.',
    why: 'What it started is stopped within half a minute; of a change it is not known how far it came (exit 6).',
    remedy: 'Wait for the network, then run the same command again.',
  },
  'ssh-no-route': {
    means: 'There is no route to the machine.',
    why: 'It is down, or its network is. That proves nothing about its server.',
    remedy: 'Reach it, or for a failover shut it off and say how with --fenced.',
  },
  'ssh-no-shell': {
    means: 'The machine lets you in and runs no command.',
    why: 'A forced command, a shell that is none, or a start-up file that prints or ends.',
    remedy: 'ssh HOST true must work and print nothing.',
  },
  'ssh-refused': {
    means: 'Nothing listens at the ssh port.',
    why: 'The ssh server is down or elsewhere.',
    remedy: 'Look at the port in via:, and at the ssh server of the machine.',
  },
  'ssh-sessions': {
    means: 'The ssh server allows one session per connection only.',
    why: 'Several programs run over one connection.',
    remedy: 'MaxSessions 10 in sshd_config is its default; 2 is the least.',
  },
  'ssh-timeout': {
    means: 'ssh got no answer in time.',
    why: 'The machine is down, or something drops the packets. That proves nothing about its server.',
    remedy: 'Reach it, or for a failover shut it off and say how with --fenced.',
  },
};
