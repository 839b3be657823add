#!/usr/bin/env bash
# Installs moto (a second, foreign implementation of the AWS protocols, for one smoke test) into a
# virtual environment of its own, and prints the path of its server:
#
#   moto.sh      → …/bin/moto_server
#
# The environment is cached outside the checkout and made again only when the version changes.
set -euo pipefail

version=5.2.1
home=${XDG_CACHE_HOME:-$HOME/.cache}/bowline/moto-$version
server=$home/bin/moto_server

say() { printf 'moto: %s\n' "$*" >&2; }

if [ ! -e "$home/complete" ]; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    as=()
    [ "$(id -u)" -eq 0 ] || as=(sudo)
    say "installing with apt-get: python3-venv"
    "${as[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists at hand"
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >&2
  fi
  say "installing with pip into $home: moto[server]==$version"
  rm -rf -- "$home"
  mkdir -p -- "$(dirname -- "$home")"
  python3 -m venv "$home" >&2
  "$home/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$version" >&2
  touch "$home/complete"
fi
printf '%s\n' "$server"
