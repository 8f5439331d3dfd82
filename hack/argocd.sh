#!/usr/bin/env bash
# Makes config/argocd/argocd-cm.yaml: the health script for each kind that has conditions.
set -euo pipefail
cd "$(dirname "$0")/.."
out=config/argocd/argocd-cm.yaml
{
  echo "# Made by 'make generate' of health.lua. Apply it with server-side apply: it says nothing of the other keys of the ConfigMap."
  echo "apiVersion: v1"
  echo "kind: ConfigMap"
  echo "metadata:"
  echo "  name: argocd-cm"
  echo "  namespace: argocd"
  echo "  labels:"
  echo "    app.kubernetes.io/name: argocd-cm"
  echo "    app.kubernetes.io/part-of: argocd"
  echo "data:"
  for crd in config/crd/bases/*.yaml; do
    grep -q '^ *observedGeneration:' "$crd" || continue # a record without conditions
    kind=$(sed -n 's/^    kind: //p' "$crd")
    echo "  resource.customizations.health.messaging.switchboard.dev_$kind: |"
    sed 's/^/    /; s/ *$//' config/argocd/health.lua
  done
} > "$out"
