#!/usr/bin/env bash
# Runs each fuzz target of what comes from outside for FUZZTIME, two at a time. What one finds is written into testdata/fuzz beside
# the parser: check it in, and mend the parser.
set -euo pipefail
cd "$(dirname "$0")/.."
export FUZZTIME=${FUZZTIME:-60s}

run() {
  local out
  if out=$(GOMAXPROCS=1 go test "./internal/instance/$1" -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 100x -parallel 1 2>&1); then
    echo "$1 $2: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1)"
  else
    echo "$1 $2 failed:"
    echo "$out"
    return 1
  fi
}
export -f run

xargs -P 2 -L 1 bash -c 'run "$0" "$1"' <<'TARGETS'
twilio FuzzWebhook
whatsapp FuzzPayload
messenger FuzzPayload
telegram FuzzUpdate
smpp FuzzFrame
smpp FuzzDeliver
webchat FuzzParse
api FuzzEvent
TARGETS
