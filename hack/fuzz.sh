#!/usr/bin/env bash
# Runs each fuzz target of what comes from outside for FUZZTIME, four at a time. What one finds is written into testdata/fuzz beside
# the parser: check it in, and mend the parser.
set -euo pipefail
cd "$(dirname "$0")/.."
export FUZZTIME=${FUZZTIME:-60s}

run() {
  local out
  if out=$(fuzz "$1" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$FUZZTIME" -test.fuzzminimizetime 100x -test.parallel 1 2>&1) && ! grep -q 'no fuzz tests' <<<"$out"; then
    echo "$1 $2: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1)"
  else
    echo "$1 $2 failed:"
    echo "$out"
    return 1
  fi
}

# The tests of the API bring a validator of OpenAPI along, which takes ten minutes to be built for guidance by coverage: its target goes
# without.
fuzz() {
  local package=./internal/instance/$1
  if [ "$1" = api ]; then
    go test -c -o "$BUILT/api.test" "$package"
    (cd "$package" && "$BUILT/api.test" "${@:2}" -test.fuzzcachedir "$BUILT/cache")
  else
    go test "$package" "${@:2}"
  fi
}
BUILT=$(mktemp -d)
trap 'rm -rf "$BUILT"' EXIT
export BUILT
export -f run fuzz

xargs -P 4 -L 1 bash -c 'run "$0" "$1"' <<'TARGETS'
twilio FuzzWebhook
whatsapp FuzzPayload
messenger FuzzPayload
telegram FuzzUpdate
smpp FuzzFrame
smpp FuzzDeliver
webchat FuzzParse
webchat FuzzUpload
api FuzzEvent
provider FuzzJSON
TARGETS
