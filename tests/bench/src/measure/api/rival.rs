//! kube-apiserver on an etcd that syncs, with the kinds as custom resources.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill_kit::{Running, wait_until};

use crate::client::Client;
use crate::stage::memory_mib;

const READY_LIMIT: Duration = Duration::from_secs(90);
const TOKEN: &str = "bench";

/// Both processes, ended when dropped: the server first.
pub(super) struct Rival {
    server: Running,
    store: Running,
    folder: TempDir,
    port: u16,
}

impl Rival {
    /// Starts both and waits until the kinds are served.
    pub(super) fn start(kubernetes: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-bench-rival-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let [client, peer, port] = [free_port()?, free_port()?, free_port()?];
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let mut etcd = Command::new("etcd");
        etcd.arg("--data-dir")
            .arg(path("etcd"))
            .args(["--name", "bench", "--log-level", "error"]);
        etcd.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        etcd.args(["--initial-cluster", &format!("bench={peer}")]);
        let store = Running::start(etcd).context("etcd")?;
        key(&path("accounts.key"))?;
        fs::write(path("tokens"), format!("{TOKEN},bench,bench,system:masters\n"))?;
        let mut server = Command::new(kubernetes.join("kube-apiserver"));
        server.args([
            "--etcd-servers",
            &client,
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            &port.to_string(),
        ]);
        server
            .arg("--cert-dir")
            .arg(path("certificates"))
            .arg("--token-auth-file")
            .arg(path("tokens"));
        for flag in ["--service-account-key-file", "--service-account-signing-key-file"] {
            server.arg(flag).arg(path("accounts.key"));
        }
        server.args([
            "--service-account-issuer",
            "https://kubernetes.default.svc",
            "--authorization-mode",
            "RBAC",
        ]);
        server.args([
            "--service-cluster-ip-range",
            "10.255.0.0/24",
            "--endpoint-reconciler-type",
            "none",
        ]);
        let server = Running::start(server).context("kube-apiserver")?;
        let rival = Self {
            server,
            store,
            folder,
            port,
        };
        rival.wait()?;
        Ok(rival)
    }

    /// A client with every right.
    pub(super) async fn client(&self) -> Result<Client> {
        let client = Client::of_kubeconfig(&self.kubeconfig()?).await?;
        for (kind, plural) in [("PipelineRun", "pipelineruns"), ("Pipeline", "pipelines")] {
            client
                .post(
                    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                    &definition(kind, plural),
                )
                .await?;
            let path = format!("/apis/tekton.dev/v1/namespaces/default/{plural}");
            let mut tries = 0;
            while client.get(&path).await.is_err() {
                tries += 1;
                ensure!(tries < 300, "{plural} are not served");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(client)
    }

    /// What both processes hold, in MiB.
    pub(super) fn memory_mib(&self) -> Result<f64> {
        Ok(memory_mib(self.server.pid())? + memory_mib(self.store.pid())?)
    }

    fn kubeconfig(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("kubeconfig");
        let authority = self.folder.path().join("certificates/apiserver.crt");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port), "certificate-authority": authority,
                "insecure-skip-tls-verify": false,
            }}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {"token": TOKEN}}],
        });
        fs::write(&path, config.to_string())?;
        Ok(path)
    }

    fn wait(&self) -> Result<()> {
        let url = format!("https://127.0.0.1:{}/readyz", self.port);
        let authority = self.folder.path().join("certificates/apiserver.crt");
        let ready = wait_until(READY_LIMIT, || {
            let mut curl = Command::new("curl");
            curl.args([
                "--silent",
                "--fail",
                "--header",
                "Authorization: Bearer bench",
                "--cacert",
            ]);
            curl.arg(&authority).arg(&url);
            curl.output().is_ok_and(|answer| answer.status.success())
        });
        ensure!(ready, "kube-apiserver is not ready:\n{}", self.server.spoken());
        Ok(())
    }
}

fn definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.tekton.dev"), "annotations": {
            "api-approved.kubernetes.io": "unapproved, for a measure",
        }},
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}],
        },
    })
}

fn key(path: &Path) -> Result<()> {
    let made = Command::new("openssl")
        .args(["genrsa", "-out"])
        .arg(path)
        .arg("2048")
        .output();
    ensure!(made.context("openssl")?.status.success(), "openssl made no key");
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
