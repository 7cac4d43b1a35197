#!/bin/sh
# base-image.sh SUITE…: makes sure that the images debian:SUITE-slim are there; of Ubuntu's jammy and noble, ubuntu:22.04 and ubuntu:24.04.
# From the registry where one can be reached; else from a base that debootstrap makes here (root, a minute each), with the
# package sources of this machine. Images built on either are the same but for the files that -slim leaves out.
# With --name it says only which image that is.
set -eu

[ $# -gt 0 ] || { echo "usage: $0 [--name] SUITE…   (bullseye 13, jammy 14, bookworm 15, noble 16, trixie 17, forky 18)" >&2; exit 2; }

image_of() {
  case $1 in
    jammy) echo ubuntu:22.04 ;;
    noble) echo ubuntu:24.04 ;;
    *) echo "debian:$1-slim" ;;
  esac
}

if [ "$1" = --name ]; then
  shift
  for suite; do image_of "$suite"; done
  exit
fi

# The first Debian archive (not its security archive) among the package sources of this machine; empty when there is none.
mirror() {
  case $1 in jammy | noble) echo http://archive.ubuntu.com/ubuntu; return ;; esac
  {
    sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | grep '/debian/\{0,1\}$' | head -n 1
}

# bullseye and older name the suite of the security archive like this one too; forky and sid may have none.
sources() {
  printf 'deb %s %s main\n' "$1" "$2"
  case $2 in sid | forky | jammy | noble) return ;; esac
  printf 'deb %s %s-updates main\n' "$1" "$2"
  printf 'deb %s-security %s-security main\n' "${1%/}" "$2"
}

make_base() (
  suite=$1
  from=$(mirror "$suite")
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  # A debootstrap that is older than the suite does not know its name; they are all made like sid.
  script=/usr/share/debootstrap/scripts/$suite
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  # As debootstrap itself does where the keys of a distribution are not at hand; the image is for tests alone.
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  case $suite in jammy | noble) keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;; esac
  check=--keyring=$keyring
  [ -e "$keyring" ] || { check=--no-check-gpg; echo "$keyring is missing: nothing says that the packages of $suite are genuine" >&2; }
  debootstrap --variant=minbase "$check" "$suite" "$dir/root" "${from:-https://deb.debian.org/debian}" "$script" >"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; exit 1; }
  [ -z "$from" ] || sources "$from" "$suite" >"$dir/root/etc/apt/sources.list"
  # What the official images set likewise: no service starts while packages are installed, nothing is kept of the downloads.
  printf '#!/bin/sh\nexit 101\n' >"$dir/root/usr/sbin/policy-rc.d"
  chmod 755 "$dir/root/usr/sbin/policy-rc.d"
  # The archive of this machine may be a snapshot, whose lists are out of date some day.
  echo 'Acquire::Check-Valid-Until "false";' >"$dir/root/etc/apt/apt.conf.d/snapshot"
  rm -rf "$dir"/root/var/cache/apt/archives/*.deb "$dir"/root/var/lib/apt/lists/*
  tar -C "$dir/root" -c . | docker import --change 'CMD ["bash"]' - "$(image_of "$suite")" >/dev/null
)

for suite; do
  image=$(image_of "$suite")
  if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image is here"
  elif docker pull -q "$image" >/dev/null 2>&1; then
    echo "$image: from the registry"
  else
    echo "$image: no registry answers; making it with debootstrap" >&2
    make_base "$suite"
    echo "$image: made here"
  fi
done
