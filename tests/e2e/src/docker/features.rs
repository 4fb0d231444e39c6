//! What a pod may ask of an engine, each seen from inside a container.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tidemill_kit::Up;
use tidemill_kit::docker::Engine;

use super::tasks::Tried;
use crate::Test;

type Body = fn(&Tried, &Engine) -> Result<()>;

pub(super) fn tests() -> Vec<Test> {
    let all: [(&str, Body); 6] = [
        ("probes", probes),
        ("resources", resources),
        ("users", users),
        ("memory", memory),
        ("files", files),
        ("image", image),
    ];
    let mut tests: Vec<Test> = all
        .into_iter()
        .map(|(name, test)| {
            Test::new(format!("docker::pod_{name}"), move || {
                let engine = Engine::get()?;
                test(&Tried::new(name, engine)?, engine)
            })
        })
        .collect();
    tests.push(Test::new("docker::pod_host_paths", || host_paths(Engine::get()?)));
    tests
}

/// Three sidecars that are there a second after their start: a step that does not wait finds none of them.
const PROBES: &str = r#"
  taskSpec:
    sidecars:
      - name: started
        image: busybox
        startupProbe: {periodSeconds: 1, failureThreshold: 60, exec: {command: [test, -e, /tmp/started]}}
        script: |
          mkdir /tmp/www; echo started > /tmp/www/index.html
          sleep 1; httpd -p 7001 -h /tmp/www; touch /tmp/started; sleep 600
      - name: tcp
        image: busybox
        readinessProbe: {periodSeconds: 1, failureThreshold: 60, tcpSocket: {port: 7002}}
        script: |
          mkdir /tmp/www; echo connected > /tmp/www/index.html
          sleep 1; httpd -f -p 7002 -h /tmp/www
      - name: http
        image: busybox
        ports: [{name: web, containerPort: 7003}]
        readinessProbe: {periodSeconds: 1, failureThreshold: 60, httpGet: {port: web, path: /ready}}
        script: |
          mkdir /tmp/www; httpd -p 7003 -h /tmp/www
          sleep 1; echo answered > /tmp/www/ready; sleep 600
    steps:
      - name: a
        image: busybox
        script: |
          for page in 7001/ 7002/ 7003/ready; do wget -q -O - http://127.0.0.1:$page; done
"#;

fn probes(tried: &Tried, _: &Engine) -> Result<()> {
    tried.must_log("probes", PROBES, &["started", "connected", "answered"])
}

/// Limits as the kernel has them, of either version of its groups.
const LIMITS: &str = r"
          cd /sys/fs/cgroup
          echo memory: $(cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes)
          echo processor: $(cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us)";

fn resources(tried: &Tried, _: &Engine) -> Result<()> {
    let step = |name: &str, memory: &str, processor: &str| {
        format!(
            "      - name: {name}\n        image: busybox\n        computeResources: {{limits: {{memory: {memory}, cpu: {processor}}}}}\n        script: |{LIMITS}\n"
        )
    };
    let alone = format!("  taskSpec:\n    steps:\n{}", step("a", "64Mi", "500m"));
    tried.must_log("alone", &alone, &["memory: 67108864", "processor: 50000"])?;
    let beside = format!("{alone}{}", step("b", "32Mi", "'1.5'"));
    let texts = [
        "memory: 67108864",
        "processor: 50000",
        "memory: 33554432",
        "processor: 150000",
    ];
    tried.must_log("beside", &beside, &texts)
}

const USERS: &str = r#"
  podTemplate: {securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000}}
  taskSpec:
    volumes: [{name: scratch, emptyDir: {}}]
    steps:
      - name: a
        image: busybox
        volumeMounts: [{name: scratch, mountPath: /scratch}]
        script: |
          echo "user $(id -u), group $(id -g), groups: $(id -G | tr ' ' '\n' | sort -n | tr '\n' ' ')"
          touch /scratch/file && stat -c 'file of %u:%g' /scratch/file
      - name: b
        image: busybox
        securityContext: {runAsUser: 1001}
        volumeMounts: [{name: scratch, mountPath: /scratch}]
        script: |
          echo "then user $(id -u)"
          touch /scratch/other && stat -c 'other of %u:%g' /scratch/other
      - name: c
        image: busybox
        securityContext: {runAsUser: 0}
        script: |
          echo "at last user $(id -u)"
"#;

fn users(tried: &Tried, _: &Engine) -> Result<()> {
    let texts = [
        "user 1000, group 2000, groups: 2000 3000",
        "file of 1000:3000",
        "then user 1001",
        "other of 1001:3000",
        "at last user 0",
    ];
    tried.must_log("users", USERS, &texts)?;
    let spec = "  podTemplate: {securityContext: {runAsNonRoot: true}}\n  taskSpec: {steps: [{name: a, image: busybox, script: 'true'}]}";
    let ended = tried.task("root", spec)?;
    ensure!(
        ended.0 == "CreateContainerConfigError" && ended.1.contains("runAsNonRoot"),
        "{ended:?}"
    );
    Ok(())
}

/// More than fits is refused by the kernel; what was written is there for the next step.
const MEMORY: &str = r#"
  taskSpec:
    volumes: [{name: quick, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]
    steps:
      - name: a
        image: busybox
        volumeMounts: [{name: quick, mountPath: /quick}]
        script: |
          grep ' /quick ' /proc/mounts | cut -d' ' -f3
          echo kept > /quick/file
          dd if=/dev/zero of=/quick/large bs=1M count=4 2>/dev/null || echo "full"
"#;

fn memory(tried: &Tried, _: &Engine) -> Result<()> {
    tried.must_log("alone", MEMORY, &["tmpfs", "full"])?;
    let next = "      - name: b\n        image: busybox\n        volumeMounts: [{name: quick, mountPath: /quick}]\n        script: echo \"still $(cat /quick/file)\"\n";
    tried.must_log("beside", &format!("{MEMORY}{next}"), &["tmpfs", "full", "still kept"])
}

const FILES: &str = r##"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {run.sh: "#!/bin/sh\necho executed", plain: text}
binaryData: {bytes: AAEC}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {private: something-secret}
"##;

const MOUNTED: &str = r#"
  taskSpec:
    volumes:
      - {name: settings, configMap: {name: settings, defaultMode: 0440, items: [{key: run.sh, path: bin/run, mode: 0755}, {key: plain, path: plain}, {key: bytes, path: bytes}]}}
      - {name: key, secret: {secretName: key, defaultMode: 0400}}
      - {name: none, configMap: {name: nowhere, optional: true}}
    steps:
      - name: a
        image: busybox
        volumeMounts: [{name: settings, mountPath: /settings}, {name: key, mountPath: /key}, {name: none, mountPath: /none}]
        script: |
          /settings/bin/run
          stat -L -c '%n %a' /settings/bin/run /settings/plain /key/private
          echo "bytes: $(od -An -tx1 /settings/bytes)"
          wc -c < /key/private
          echo x 2>/dev/null > /settings/plain && echo "written" || echo "read only"
          ls /none | wc -l
"#;

fn files(tried: &Tried, _: &Engine) -> Result<()> {
    tried.apply(FILES)?;
    let texts = [
        "executed",
        "/settings/bin/run 755",
        "/settings/plain 440",
        "/key/private 400",
        "bytes:  00 01 02",
        "16",
        "read only",
    ];
    tried.must_log("files", MOUNTED, &texts)
}

/// An image with an entrypoint, arguments, a directory, a variable and a user of its own.
const DOCKERFILE: &str = r#"FROM busybox
ENTRYPOINT ["/bin/sh", "-c", "echo entrypoint $0 $1 in $(pwd) of $OWN by $(id -u)"]
CMD ["one", "two"]
WORKDIR /var/tmp
ENV OWN=image
USER 1234
"#;

fn image(tried: &Tried, engine: &Engine) -> Result<()> {
    let name = format!("tidemill.test/entrypoint:{}", std::process::id());
    // Not by `docker commit`, which Podman does not understand.
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("Dockerfile"), DOCKERFILE)?;
    engine.docker(&["build", "--quiet", "--tag", &name, &folder.path().to_string_lossy()])?;
    let tested = of_image(tried, &name);
    drop(engine.docker(&["rmi", "--force", &name]));
    tested
}

fn of_image(tried: &Tried, name: &str) -> Result<()> {
    let bare = format!("  taskSpec: {{steps: [{{name: a, image: '{name}'}}]}}");
    tried.must_log("bare", &bare, &["entrypoint one two in /var/tmp of image by 1234"])?;
    let arguments =
        format!("  taskSpec: {{steps: [{{name: a, image: '{name}', args: [three, four], workingDir: /tmp}}]}}");
    tried.must_log(
        "arguments",
        &arguments,
        &["entrypoint three four in /tmp of image by 1234"],
    )?;
    let command = format!(
        "  taskSpec: {{steps: [{{name: a, image: '{name}', command: [echo, instead]}}, {{name: b, image: '{name}'}}]}}"
    );
    let texts = ["instead", "entrypoint one two in /var/tmp of image by 1234"];
    tried.must_log("command", &command, &texts)?;
    let script = format!("  taskSpec: {{steps: [{{name: a, image: '{name}', script: 'echo \"$OWN in $(pwd)\"'}}]}}");
    tried.must_log("script", &script, &["image in /var/tmp"])
}

/// Only what lies below a listed directory may be named, whatever links say.
fn host_paths(engine: &Engine) -> Result<()> {
    let folder = TempDir::with_prefix("tidemill-host-paths-")?;
    let (open, closed) = (folder.path().join("open"), folder.path().join("closed"));
    fs::create_dir_all(open.join("inside"))?;
    fs::create_dir_all(&closed)?;
    symlink(&closed, open.join("out"))?;
    let listed = format!("[{:?}]", open.to_string_lossy());
    let mut environment = engine.environment().to_vec();
    environment.push(("TIDEMILL_RUNNER_DOCKER__HOST_PATH_PREFIXES", &listed));
    let state = folder.path().join("state");
    let up = Up::start(&state, &environment)?;
    let tried = Tried::on(&state, "host-paths")?;
    let spec = |path: &str| {
        format!(
            "  taskSpec:\n    volumes: [{{name: v, hostPath: {{path: {path}}}}}]\n    steps: [{{name: a, image: busybox, volumeMounts: [{{name: v, mountPath: /v}}], script: 'echo written > /v/file'}}]"
        )
    };
    let tested = (|| {
        let ended = tried.task("inside", &spec(&open.join("inside").to_string_lossy()))?;
        ensure!(ended.0 == "Succeeded", "{ended:?}");
        let written = fs::read_to_string(open.join("inside/file")).context("what the container wrote")?;
        ensure!(written == "written\n", "{written:?}");
        for (name, path) in [
            ("beside", closed.clone()),
            ("up", open.join("../closed")),
            ("link", open.join("out")),
        ] {
            let ended = tried.task(name, &spec(&path.to_string_lossy()))?;
            ensure!(
                ended.0 == "CreateContainerConfigError" && ended.1.contains("docker.host-path-prefixes"),
                "{name}: {ended:?}"
            );
        }
        ensure!(fs::read_dir(&closed)?.next().is_none(), "something was written outside");
        Ok(())
    })();
    drop(up);
    engine.clear(&state);
    tested
}
