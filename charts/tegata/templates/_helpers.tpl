{{- define "tegata.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
app.kubernetes.io/name: tegata-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: tegata
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Of the image of this name: a digest goes before a tag, and without either it is the chart's version. */}}
{{- define "tegata.image" -}}
{{- $image := index .context.Values.image .name -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .context.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* The rules of one role of config/rbac. */}}
{{- define "tegata.rules" -}}
{{- (.context.Files.Get (printf "files/rbac/%s.yaml" .name) | fromYaml).rules | toYaml -}}
{{- end }}
