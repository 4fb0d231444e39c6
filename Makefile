# Each target does its own set-up. `make demo` and `make test` are the two to know.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto
nats = export TIDEMILL_NATS_SERVER=$$(deploy/tools/nats-server)
clients = export TIDEMILL_KUBECTL=$$(deploy/tools/kubectl) TIDEMILL_TKN=$$(deploy/tools/tkn)
# Kubernetes takes minutes to build: outside of CI its tests are skipped, aloud, where it was not built before.
kubernetes = export TIDEMILL_KUBERNETES=$$(deploy/tools/kubernetes --if-built)
timed = deploy/tools/timed

.PHONY: help
help: ## What can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 21

.PHONY: build
build: prepare ## The commands, optimised, in target/release
	cargo build --release --bins -p tidemill -p tidemill-step

.PHONY: demo
demo: build ## A push deploys, a bad one goes back (about a minute after the build)
	$(nats); $(timed) demo demo/demo

.PHONY: check
check: prepare ## Format, lints, documentation, dependency rules
	$(timed) format cargo fmt --all --check
	$(timed) clippy cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(timed) rustdoc cargo doc --workspace --no-deps --document-private-items --quiet
	$(timed) duplicates deploy/tools/duplicate-versions

.PHONY: test
test: prepare ## Every test: units, contracts, scenarios, faults, as root and as a user, and on Kubernetes and Docker as root
	$(nats); $(clients); $(kubernetes); export PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-1}; \
	  $(timed) build cargo build --bins; $(timed) tests cargo test --workspace --no-fail-fast
	$(timed) compose tests/docker/e2e
	$(timed) podman tests/docker/podman
	$(MAKE) demo
	tests/cluster/checked $(MAKE) e2e-cluster-trace pods e2e-chart e2e-chart-clients

.PHONY: scenarios
scenarios: prepare ## The ninety scenarios alone
	$(nats); cargo build --bins; cargo test -p tidemill-e2e -- scenario::

.PHONY: resume
resume: prepare ## Kill everything everywhere; runs go on as if nothing had happened
	$(nats); cargo build --bins; cargo test -p tidemill-e2e -- resume::

.PHONY: burst
burst: build ## 10,000 webhooks, some forged, some twice, ingest and nats-server killed in between (two minutes)
	$(nats); cargo build --release -p tidemill-burst; target/release/tidemill-burst

.PHONY: fuzz-short
fuzz-short: prepare ## A second of mutated input at each parser, and all that was kept; part of `make test`
	cargo test -p tidemill-fuzz

.PHONY: fuzz
fuzz: prepare ## Ten minutes at each parser; what is found lies in target/fuzz
	cargo run --release -p tidemill-fuzz -- --seconds 600

.PHONY: fuzz-properties
fuzz-properties: prepare ## Property tests with 50,000 new cases each; `make test` takes the same 256 each time
	PROPTEST_CASES=50000 cargo test --release -p tidemill-engine -p tidemill-resources -p tidemill-triggers

.PHONY: fuzz-requests
fuzz-requests: prepare ## A million requests that nobody would send, at the gateway (some minutes)
	TIDEMILL_FUZZ_REQUESTS=1000000 TIDEMILL_FUZZ_SEED=$$RANDOM cargo test --release -p tidemill-gateway nonsense

.PHONY: e2e-clients
e2e-clients: prepare ## The real kubectl and tkn against a server without a cluster
	$(nats); $(clients); cargo build --bins; cargo test -p tidemill-e2e -- clients::

.PHONY: e2e-clients-cluster
e2e-clients-cluster: prepare ## The same through the API server of a cluster, with the chart installed in it
	@deploy/tools/prepare etcd openssl curl
	$(nats); $(clients); export TIDEMILL_KUBERNETES=$$(deploy/tools/kubernetes); \
	  cargo build --bins; cargo test -p tidemill-e2e --test main -- clients-cluster::

.PHONY: e2e-webhook
e2e-webhook: prepare ## Webhooks of GitLab, GitHub and Bitbucket, signed and forged
	$(nats); cargo build --bins; cargo test -p tidemill-e2e -- webhook::

.PHONY: e2e-trace
e2e-trace: prepare ## One trace from the push to the rollback, kills in between, also on Kubernetes; target/trace-*.svg
	$(nats); cargo build --bins; cargo test --workspace --test main -- trace::
	tests/cluster/checked $(MAKE) e2e-cluster-trace

.PHONY: bench
bench: build ## Measure, each figure beside its floor; table and raw data in target/bench
	$(nats); cargo build --release -p tidemill-bench; target/release/tidemill-bench

.PHONY: bench-check
bench-check: build ## The same, compared with the aims; exits 1 when one is missed
	$(nats); cargo build --release -p tidemill-bench; target/release/tidemill-bench --check

.PHONY: cluster-up
cluster-up: ## A real Kubernetes of one node on this machine, as root (the first time builds it: ten minutes)
	@tests/cluster/up

.PHONY: cluster-down
cluster-down: ## End it and all that it left
	@tests/cluster/down

.PHONY: pods
pods: prepare ## Tasks as pods of the real cluster: order, deaths, reasons, credentials (as root)
	$(nats); cargo build --bins; $(timed) $@ cargo test --workspace --test main -- --ignored pods::

.PHONY: bench-cluster
bench-cluster: build ## Measure pods beside bare pods, in the cluster that cluster-up makes
	$(nats); cargo build --release -p tidemill-bench; KUBECONFIG=$$(tests/cluster/up) target/release/tidemill-bench --cluster

# The whole workspace, so that nothing is built again with other features.
cluster_test = $(nats); $(clients); cargo build --bins; \
	$(timed) $@ env TIDEMILL_E2E_CLUSTER=$(1) cargo test --workspace --test cluster

.PHONY: e2e-cluster
e2e-cluster: prepare ## The seed's pipeline on that Kubernetes (the first time builds Kubernetes)
	$(call cluster_test,short)

.PHONY: e2e-cluster-full
e2e-cluster-full: prepare ## The same, with the seed's own five minutes for a bad release
	$(call cluster_test,full)

.PHONY: e2e-cluster-trace
e2e-cluster-trace: prepare ## The same with the trace of each run read back, from the push to the rollback, kills included
	$(call cluster_test,traced)

.PHONY: hundred-runs
hundred-runs: prepare ## A hundred runs there that leave nothing behind
	$(call cluster_test,hundred)

.PHONY: e2e-chart
e2e-chart: prepare ## The services as pods there, installed by Helm: a push through them deploys
	$(call cluster_test,chart)

.PHONY: e2e-chart-clients
e2e-chart-clients: prepare ## kubectl and tkn on them, gateways killed during a watch, the chart removed
	$(call cluster_test,clients)

.PHONY: bench-history
bench-history: build ## What 100,000 stored runs cost the next ones; half an hour, a few GB of disk
	$(nats); cargo build --release -p tidemill-bench; target/release/tidemill-bench --history

.PHONY: bench-api
bench-api: build ## The API beside kube-apiserver and etcd, in the same run
	@deploy/tools/prepare etcd openssl curl
	$(nats); export TIDEMILL_KUBERNETES=$$(deploy/tools/kubernetes); \
	  cargo build --release -p tidemill-bench; target/release/tidemill-bench --only api

.PHONY: e2e-docker
e2e-docker: prepare ## Every scenario in containers; the platform by docker compose, scaled and killed (as root)
	$(nats); cargo build --bins; $(timed) docker cargo test -p tidemill-e2e --test main -- docker::
	$(timed) compose tests/docker/e2e
	$(timed) podman tests/docker/podman

.PHONY: e2e-compose
e2e-compose: prepare ## The second half of it: from a webhook to a pushed image, 100 tasks, the leader killed
	cargo build --bins; $(timed) compose tests/docker/e2e

.PHONY: bench-docker
bench-docker: build ## Chains of tasks in containers beside as many `docker run --rm`; target/bench/docker.json (as root)
	$(nats); tests/docker/bench

.PHONY: prepare
prepare:
	@deploy/tools/prepare cc curl git python3 setpriv ps awk xargs

.PHONY: clean
clean: ## Remove what was built here (the tool cache stays)
	cargo clean
