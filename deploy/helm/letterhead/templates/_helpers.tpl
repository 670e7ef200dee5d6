{{- define "letterhead.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select pods: they never change. Called with (list $ "serve"). */}}
{{- define "letterhead.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: letterhead
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "letterhead.labels" -}}
{{- $root := index . 0 -}}
{{ include "letterhead.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "letterhead.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "letterhead.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "letterhead.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The settings of every process; secrets are references, never values. Called with (list $ (list "RELAY_SMARTHOST")). */}}
{{- define "letterhead.env" -}}
{{- $root := index . 0 -}}
- name: LETTERHEAD_DATA_DIR
  value: /var/lib/letterhead
- name: LETTERHEAD_LOG_FORMAT
  value: json
{{- with $root.Values.publicUrl }}
- name: LETTERHEAD_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- if and $root.Values.ingress.enabled (not (hasKey $root.Values.settings "OPENTELEMETRY_PARENT")) }}
- name: LETTERHEAD_OPENTELEMETRY_PARENT
  value: "false"
{{- end }}
{{- range $name, $value := $root.Values.settings }}
- name: LETTERHEAD_{{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $name, $value := $root.Values.extraEnv }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range concat $root.Values.secretSettings (index . 1) | uniq }}
- name: LETTERHEAD_{{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.existingSecret | quote }}
      key: LETTERHEAD_{{ . }}
{{- end }}
{{- end -}}

{{/* What every pod has: who it is, and where it may run. Called with (list $ "serve" .Values.serve). */}}
{{- define "letterhead.pod" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "letterhead.selector" (list $root $component) | nindent 8 }}
  {{- end }}
{{- end -}}

{{- define "letterhead.container" -}}
image: {{ include "letterhead.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}
