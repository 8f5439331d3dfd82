#!/usr/bin/env bash
# Makes what the chart has in common with config/: the resource definitions, RBAC, admission policies and alerts. The
# other templates are written by hand; test/chart holds all of them to what kustomize installs.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=charts/switchboard

rm -f "$chart"/definitions/*.yaml # of kinds that are no more
cp config/crd/bases/*.yaml "$chart/definitions/"
cp config/monitoring/alerts.yaml "$chart/alerts.yaml"

# Labels of metadata stand four deep; those of selectors and pods deeper.
rbac() {
  for f in "$@"; do
    echo "---"
    sed -e '1{/^---$/d}' -e 's/namespace: switchboard-system/namespace: {{ .Release.Namespace }}/' \
        -e '/^    app.kubernetes.io\/name: switchboard$/d' \
        -e 's/^    app.kubernetes.io\/component: operator$/    {{- include "switchboard.labels" $ | nindent 4 }}/' "config/rbac/$f.yaml"
  done
}
rbac role role_binding operator_namespace tenant_manager break_glass > "$chart/templates/rbac.yaml"
{
  echo "{{- if .Values.rbac.people }}"
  rbac people
  echo "{{- end }}"
} > "$chart/templates/people.yaml"

for f in config/admission/*_*.yaml; do
  echo "---"
  sed 's/system:serviceaccount:switchboard-system:/system:serviceaccount:{{ .Release.Namespace }}:/' "$f"
done > "$chart/templates/admission.yaml"
