#!/bin/sh
# Process of a machine of the fleet: sshd, with a host key of its own, made at the first start and told to the operator.
set -eu
ssh-keygen -A >/dev/null
mkdir -p /run/sshd /keys/hosts
name=$(hostname)
echo "$name $(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)" > "/keys/hosts/$name"
exec /usr/sbin/sshd -D -e
