{{/* What selects the operator's pods. */}}
{{- define "switchboard.selector" -}}
app.kubernetes.io/name: switchboard
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of an object: those by which the operator is known, and the user's own. */}}
{{- define "switchboard.labels" -}}
{{- include "switchboard.labelsWith" (list . dict) }}
{{- end }}

{{/* The same, with more for this object: (list $ more). */}}
{{- define "switchboard.labelsWith" -}}
{{- $root := first . }}
{{- toYaml (merge (include "switchboard.selector" $root | fromYaml) (last .) $root.Values.commonLabels) }}
{{- end }}
