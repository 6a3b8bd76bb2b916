{{- /* Fails on values that the schema allows one by one, but that cannot work together. */ -}}
{{- define "dodona.check" -}}
{{- include "dodona.checkDatabase" . }}
{{- include "dodona.checkRoutes" . }}
{{- if and .Values.artifacts.url .Values.artifacts.existingClaim }}
{{- fail "artifacts: url and existingClaim are two places for the same files: set one of them" }}
{{- end }}
{{- if and (not .Values.oidc.issuer) (or .Values.oidc.existingSecret .Values.oidc.roles) }}
{{- fail "oidc.issuer is empty, but oidc.existingSecret or oidc.roles is set: set the address of the provider" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.serviceMonitor.existingSecret) }}
{{- fail "serviceMonitor.existingSecret is empty: /metrics needs a token, name a Secret with one of a viewer of all projects" }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "autoscaling.minReplicas %d is above autoscaling.maxReplicas %d" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dodona.checkDatabase" -}}
{{- if eq .Values.database.kind "postgresql" }}
{{- if not .Values.database.existingSecret }}
{{- fail "database.existingSecret is empty: name a Secret with the URL of a PostgreSQL database, or set database.kind to sqlite and replicas to 1" }}
{{- end }}
{{- else }}
{{- if .Values.database.existingSecret }}
{{- fail "database.existingSecret is the URL of a PostgreSQL database: set database.kind to postgresql, or remove it" }}
{{- end }}
{{- if gt (int .Values.replicas) 1 }}
{{- fail (printf "replicas is %d, but only one server can use an SQLite database: set replicas to 1, or database.kind to postgresql" (int .Values.replicas)) }}
{{- end }}
{{- if gt (int (.Values.settings.workers | default 1)) 1 }}
{{- fail (printf "settings.workers is %d, but only one process can use an SQLite database: remove it, or set database.kind to postgresql" (int .Values.settings.workers)) }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- fail "autoscaling.enabled is true, but only one server can use an SQLite database: set it to false, or database.kind to postgresql" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dodona.checkRoutes" -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.trustedProxies) }}
{{- fail "trustedProxies is empty: name the addresses of the proxy of ingress or httpRoute, such as the network of pods, or the server takes the proxy for the client and refuses changes from its pages" }}
{{- end }}
{{- if and .Values.ingress.tls.existingSecret (not .Values.ingress.host) }}
{{- fail "ingress.host is empty, but ingress.tls.existingSecret is set: name the host of the certificate" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs is empty: name the gateways, such as [{name: public, namespace: gateways}]" }}
{{- end }}
{{- end }}
