//! A chart of a ConfigMap and, if wanted, a workload that never becomes ready where no node is.

use std::path::Path;

use tempfile::TempDir;

const CONFIG_MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ .Values.text | quote }}
";

const DEPLOYMENT: &str = "{{- if .Values.workload }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
        - {name: main, image: nowhere/never:1}
{{- end }}
";

/// The chart's folder.
pub(crate) struct Chart(TempDir);

impl Chart {
    pub(crate) fn new(name: &str) -> Self {
        let folder = TempDir::with_prefix("tidemill-chart-").unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        std::fs::create_dir(folder.path().join("templates")).unwrap();
        write(
            "Chart.yaml",
            &format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\nappVersion: \"1\"\n"),
        );
        write("values.yaml", "text: one\nworkload: false\n");
        write("templates/config-map.yaml", CONFIG_MAP);
        write("templates/deployment.yaml", DEPLOYMENT);
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
