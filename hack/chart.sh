#!/usr/bin/env bash
# Makes the chart's templates from config/, so that Helm and kustomize install the same.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=charts/switchboard

rm -f "$chart"/crds/*.yaml # of kinds that are no more
cp config/crd/bases/*.yaml "$chart/crds/"
for f in service_account role role_binding operator_namespace tenant_manager break_glass people; do
  echo "---"
  sed 's/namespace: switchboard-system/namespace: {{ .Release.Namespace }}/' "config/rbac/$f.yaml" | sed '1{/^---$/d}'
done > "$chart/templates/rbac.yaml"

for f in config/admission/*_*.yaml; do
  echo "---"
  sed 's/system:serviceaccount:switchboard-system:/system:serviceaccount:{{ .Release.Namespace }}:/' "$f"
done > "$chart/templates/admission.yaml"

sed -e 's/namespace: switchboard-system/namespace: {{ .Release.Namespace }}/' \
    -e 's/^  replicas: 1$/  replicas: {{ .Values.replicas }}/' \
    -e 's|image: switchboard/operator:dev|image: {{ .Values.image.operator }}|' \
    -e 's/imagePullPolicy: IfNotPresent/imagePullPolicy: {{ .Values.image.pullPolicy }}/' \
    -e 's|value: 110MiB|value: {{ .Values.goMemLimit }}|' \
    -e 's|--kube-api-qps=.*|--kube-api-qps={{ .Values.kubeAPI.qps }}|' \
    -e 's|--kube-api-burst=.*|--kube-api-burst={{ .Values.kubeAPI.burst }}|' \
    -e 's|--instance-image=.*|--instance-image={{ .Values.image.instance }}|' \
    -e 's|--postgres-image=.*|--postgres-image={{ .Values.image.postgres }}\n          {{- with .Values.regions }}\n            - --regions={{ join "," . }}\n          {{- end }}|' \
    -e 's|^      serviceAccountName: .*|&\n      {{- with .Values.nodeSelector }}\n      nodeSelector: {{- toYaml . \| nindent 8 }}\n      {{- end }}\n      {{- with .Values.tolerations }}\n      tolerations: {{- toYaml . \| nindent 8 }}\n      {{- end }}|' \
    config/manager/deployment.yaml |
  awk '/^          resources:$/ {print "          resources: {{- toYaml .Values.resources | nindent 12 }}"; skip = 1; next}
       skip && /^            / {next}
       {skip = 0; print}' > "$chart/templates/deployment.yaml"
