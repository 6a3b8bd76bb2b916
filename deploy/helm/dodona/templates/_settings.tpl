{{- /* The secrets that the values name: the setting, the Secret and the key, as YAML. */ -}}
{{- define "dodona.secrets" -}}
{{- $named := dict "database_url" .Values.database "token" .Values.token "secret" .Values.secret "oidc_client_secret" .Values.oidc }}
{{- range $setting, $from := $named }}
{{- if $from.existingSecret }}
{{ $setting }}: {secret: {{ quote $from.existingSecret }}, key: {{ quote $from.key }}}
{{- end }}
{{- end }}
{{- end }}

{{- /* The variables of secrets: the server reads each from a file. Argument: the YAML of dodona.secrets, read. */ -}}
{{- define "dodona.secretEnv" -}}
{{- range $setting, $from := . }}
- name: DODONA_{{ upper $setting }}_FILE
  value: /secrets/{{ $setting }}
{{- end }}
{{- end }}

{{- define "dodona.secretVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $setting, $from := . }}
      - secret:
          name: {{ quote $from.secret }}
          items:
            - {key: {{ quote $from.key }}, path: {{ $setting }}}
      {{- end }}
{{- end }}

{{- /* Numbers of values are floats, and large ones would be written as 4.294967296e+09. */ -}}
{{- define "dodona.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "dodona.env" -}}
- name: DODONA_HOST
  value: 0.0.0.0
- name: DODONA_PORT
  value: "8080"
{{- if eq .Values.database.kind "sqlite" }}
- name: DODONA_DATABASE_URL
  value: sqlite:////data/dodona.db
{{- end }}
{{- include "dodona.secretEnv" (include "dodona.secrets" . | fromYaml) }}
{{- with .Values.artifacts.url }}
- name: DODONA_ARTIFACTS
  value: {{ quote . }}
{{- end }}
{{- if .Values.artifacts.existingClaim }}
- name: DODONA_ARTIFACTS
  value: /artifacts
{{- end }}
{{- if .Values.oidc.issuer }}
- name: DODONA_OIDC_ISSUER
  value: {{ quote .Values.oidc.issuer }}
- name: DODONA_OIDC_CLIENT_ID
  value: {{ quote .Values.oidc.clientId }}
- name: DODONA_OIDC_ROLES
  value: {{ .Values.oidc.roles | toJson | quote }}
- name: DODONA_OIDC_GROUPS
  value: {{ quote .Values.oidc.groups }}
- name: DODONA_OIDC_NAME
  value: {{ quote .Values.oidc.name }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: DODONA_{{ snakecase $name | upper }}
  value: {{ include "dodona.text" $value | quote }}
{{- end }}
{{- with .Values.trustedProxies }}
- name: FORWARDED_ALLOW_IPS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
