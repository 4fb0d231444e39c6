{{- define "tidemill.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}

{{- define "tidemill.labels" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "tidemill.selector" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "tidemill.secret" -}}{{ .Values.nats.secret | default (printf "%s-nats" (include "tidemill.name" .)) }}{{- end -}}

{{- define "tidemill.image" -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}

{{- define "tidemill.address" -}}
{{- if .Values.nats.enabled -}}nats://{{ include "tidemill.name" . }}-nats:4222
{{- else -}}{{ required "nats.address: name a nats-server, or set nats.enabled" .Values.nats.address }}{{- end -}}
{{- end -}}

{{- /* One service: a Deployment, with what all of them have in common. */ -}}
{{- define "tidemill.service" -}}
{{- $values := index .context.Values .component -}}
{{- with .context }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "tidemill.name" . }}-{{ $.component }}
  labels: {{- include "tidemill.labels" . | nindent 4 }}
    app.kubernetes.io/component: {{ $.component }}
spec:
  {{- if not (and .Values.keda.enabled (eq $.component "runner")) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "tidemill.selector" $ | nindent 6 }}
  template:
    metadata:
      labels: {{- include "tidemill.labels" . | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
      annotations:
        checksum/settings: {{ include (print $.Template.BasePath "/settings.yaml") . | sha256sum }}
        {{- if and .Values.telemetry.port .Values.telemetry.annotations }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ .Values.telemetry.port | quote }}
        prometheus.io/path: /metrics
        {{- end }}
        {{- with .Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "tidemill.name" . }}-{{ $.component }}
      # Variables that Kubernetes makes of Services, TIDEMILL_INGEST_SERVICE_PORT among them, would be taken for settings.
      enableServiceLinks: false
      securityContext: {{- toYaml .Values.podSecurityContext | nindent 8 }}
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationGracePeriodSeconds: 30
      containers:
        - name: {{ $.component }}
          image: {{ include "tidemill.image" . | quote }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          args:
            - {{ $.component }}
            - --settings=/etc/tidemill/tidemill.toml
            - --nats={{ include "tidemill.address" . }}
            - --nats-user={{ .Values.nats.user }}
            {{- if .Values.nats.insecure }}
            - --nats-insecure
            {{- end }}
            {{- range $.arguments }}
            - {{ . }}
            {{- end }}
          env:
            - name: TIDEMILL_STATE_DIR
              value: /var/lib/tidemill
            - name: TIDEMILL_NATS_PASSWORD
              valueFrom: {secretKeyRef: {name: {{ include "tidemill.secret" . }}, key: password}}
            {{- range $variable, $key := $.secrets }}
            - name: {{ $variable }}
              valueFrom: {secretKeyRef: {name: {{ include "tidemill.secret" $.context }}, key: {{ $key }}}}
            {{- end }}
          {{- $ports := $.ports | default list }}
          {{- with .Values.telemetry.port }}
          {{- $ports = append $ports (dict "name" "metrics" "containerPort" (int .)) }}
          {{- end }}
          {{- with $ports }}
          ports: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $.readiness }}
          readinessProbe: {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext: {{- toYaml .Values.securityContext | nindent 12 }}
          resources: {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - {name: settings, mountPath: /etc/tidemill, readOnly: true}
            - {name: state, mountPath: /var/lib/tidemill}
            - {name: temporary, mountPath: /tmp}
            {{- range $.mounts }}
            - {{ toYaml . | nindent 14 | trim }}
            {{- end }}
      volumes:
        - name: settings
          configMap: {name: {{ include "tidemill.name" . }}-settings}
        - {name: state, emptyDir: {}}
        - {name: temporary, emptyDir: {}}
        {{- range $.volumes }}
        - {{ toYaml . | nindent 10 | trim }}
        {{- end }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "tidemill.name" . }}-{{ $.component }}
  labels: {{- include "tidemill.labels" . | nindent 4 }}
{{- if .Values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "tidemill.name" . }}-{{ $.component }}
  labels: {{- include "tidemill.labels" . | nindent 4 }}
spec:
  # With one replica a drain may still go on: work waits on the stream and is taken up again.
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "tidemill.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Rights of one service in one namespace: a Role and its binding. */ -}}
{{- define "tidemill.rights" -}}
{{- $name := printf "%s-%s" (include "tidemill.name" .context) .component -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels: {{- include "tidemill.labels" .context | nindent 4 }}
rules: {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels: {{- include "tidemill.labels" .context | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ .context.Release.Namespace }}}
{{- end -}}
