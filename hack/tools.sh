#!/usr/bin/env bash
# Installs the Debian packages that the tests and the local cluster need, or says which are missing.
set -euo pipefail

missing=()
need() { # package, then a command that shows it is there
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
postgres_server() { compgen -G '/usr/lib/postgresql/*/bin/postgres' || command -v postgres; }

need postgresql postgres_server
need gcc command -v gcc # the race detector needs cgo
need libnet-smpp-perl perl -MNet::SMPP -e 1 # the message centre in the tests of SMPP
need git command -v git
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt

if [ "${1:-}" = browser ]; then
  need nodejs command -v node
  need npm command -v npm
  need chromium command -v chromium
  need iproute2 command -v ip # loopback.sh
fi
if [ "${1:-}" = clock ]; then
  need libfaketime compgen -G '/usr/lib/*/faketime/libfaketime.so.1' # a database with another time
fi

[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]}. Install them (on Debian or Ubuntu: sudo apt-get install ${missing[*]}) and try again." >&2
  exit 1
fi
echo "installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
