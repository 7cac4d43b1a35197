#!/bin/sh
# Makes the operator's key once; the machines of the fleet read its public half from the shared volume.
set -eu
key=/home/operator/.ssh/id_ed25519
if [ ! -e "$key" ]; then
  install -d -o operator -g operator -m 0700 /home/operator/.ssh
  ssh-keygen -q -t ed25519 -N '' -C operator -f "$key"
  chown operator:operator "$key" "$key.pub"
fi
cp "$key.pub" /keys/operator.pub
chmod 644 /keys/operator.pub
exec sleep infinity
