#!/usr/bin/env bash
# Fails when the pages that are checked in are not what their sources make. Vite needs a newer Node.js than some Debians have: there
# the check is left to others, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=internal/instance/web/dist

version=$(node --version 2>/dev/null || echo none)
major=${version#v}
if ! [ "${major%%.*}" -ge 20 ] 2>/dev/null; then
  echo "the pages in $dist were not checked: that needs Node.js 20, and this machine has $version"
  exit 0
fi
make -s web
[ -z "$(git status --porcelain -- "$dist")" ] && exit 0
git status --porcelain -- "$dist"
echo "the pages are stale: run 'make web' and commit"
exit 1
