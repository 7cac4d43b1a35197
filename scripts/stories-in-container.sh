#!/bin/bash
# stories-in-container.sh MAJOR[,MAJOR…] [ARGUMENTS OF VITEST…]: the stories of test/integration, inside a container of the system that has
# this PostgreSQL (Debian bullseye 13, bookworm 15, trixie 17, forky 18; Ubuntu jammy 14, noble 16). First on the machine itself, then all
# again over ssh as an admin who may only become the servers' owner; PGREPL_STORIES_VIA ('' for none, sudo, root, owner) takes one way alone.
# Without arguments for vitest (the whole) the layout of Debian comes last, where a Debian has that major: its clusters under pg_ctlcluster and
# under systemd, through docker and over ssh, and machines that vanish. PGREPL_LAYOUT=debian takes these alone.
# The checkout and this machine's Node are mounted read-only; nothing of the machine is changed. Needs docker and a built checkout (npm ci).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || { sed -n '2,7s/^# //p' "$0" >&2; exit 2; }
majors=$1
shift
whole=
[ $# -gt 0 ] || { whole=yes; set -- --exclude '**/random-kill*'; }

suite_of() {
  case $1 in
    13) echo bullseye ;;
    14) echo jammy ;;
    15) echo bookworm ;;
    16) echo noble ;;
    17) echo trixie ;;
    18) echo forky ;;
    *) echo "no system is known that has PostgreSQL $1: 13 to 18 are to be had" >&2; return 1 ;;
  esac
}

# tell SUITE MAJOR WAY ARGUMENTS…: namespaces for the ssh servers of the stories need SYS_ADMIN and NET_ADMIN.
tell() {
  local suite=$1 major=$2 way=$3 name="pgrepl-stories-$$-$2-${3:-none}"
  shift 3
  trap 'docker rm --force --volumes "$name" >/dev/null 2>&1; exit 130' INT TERM
  docker run --rm --init --name "$name" --shm-size 1g --volume /tmp \
    --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --volume "$PWD:/from:ro" --volume "$(readlink -f "$(command -v node)"):/usr/local/bin/node:ro" \
    --env PGREPL_MAJORS="$major" --env PGREPL_STORIES="${PGREPL_STORIES:-wide}" --env PGREPL_STORIES_VIA="$way" \
    --env PGREPL_KILLS --env PGREPL_KILL_SEED --env CI --env NO_COLOR \
    "pgrepl-story:$suite" sh -c 'mkdir /pgrepl && cd /from && tar -c --exclude ./.git . | tar -x -C /pgrepl && cd /pgrepl && exec node scripts/with-postgres.js --no-wait vitest run --project integration "$@"' sh "$@"
}

# layout MAJOR: told from this machine, which needs a PostgreSQL of any major for the harness.
layout() {
  env -u PGREPL_MAJORS PGREPL_STORIES=all node scripts/with-postgres.js --no-wait vitest run --project integration \
    test/integration/docker.test.ts test/integration/debian-ssh.test.ts test/integration/vanish.test.ts -t "PostgreSQL $1[ ,]"
}

ways=${PGREPL_STORIES_VIA-none sudo}
# No way at all: an empty word would be none, the machine itself.
[ "${PGREPL_LAYOUT:-}" != debian ] || { whole=yes; ways=' '; }
failed=()
for major in ${majors//,/ }; do
  suite=$(suite_of "$major") || exit 2
  scripts/base-image.sh "$suite" || exit 1
  base=$(scripts/base-image.sh --name "$suite")
  docker build --quiet --target story --build-arg "SUITE=$suite" --build-arg "BASE=$base" --tag "pgrepl-story:$suite" docker >/dev/null || exit 1
  for way in ${ways:-none}; do
    [ "$way" != none ] || way=
    printf '\n=== PostgreSQL %s in %s%s\n' "$major" "$base" "${way:+, over ssh as $way}"
    tell "$suite" "$major" "$way" "$@" || failed+=("PostgreSQL $major${way:+ over ssh as $way}")
  done
  case $whole:$suite in
    :* | *:jammy | *:noble) ;;
    *)
      printf '\n=== PostgreSQL %s in the layout of Debian\n' "$major"
      layout "$major" || failed+=("PostgreSQL $major in the layout of Debian")
      ;;
  esac
done
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}"
  exit 1
fi
