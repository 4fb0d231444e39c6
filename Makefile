# Each target does its own set-up. `make demo` and `make test` are the two to know.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto
nats = export TIDEMILL_NATS_SERVER=$$(deploy/tools/nats-server)
clients = export TIDEMILL_KUBECTL=$$(deploy/tools/kubectl) TIDEMILL_TKN=$$(deploy/tools/tkn)
timed = deploy/tools/timed

.PHONY: help
help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: prepare ## The commands, optimised, in target/release
	cargo build --release --bins

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
test: prepare ## Every test: units, contracts, scenarios, faults, both as root and as a user
	$(nats); $(clients); $(timed) build cargo build --bins; $(timed) tests cargo test --workspace --no-fail-fast
	$(MAKE) demo

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

.PHONY: e2e-clients
e2e-clients: prepare ## The real kubectl and tkn against a server without a cluster
	$(nats); $(clients); cargo build --bins; cargo test -p tidemill-e2e -- clients::

.PHONY: e2e-webhook
e2e-webhook: prepare ## Webhooks of GitLab, GitHub and Bitbucket, signed and forged
	$(nats); cargo build --bins; cargo test -p tidemill-e2e -- webhook::

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

.PHONY: step
step: ## The step binary as pods need it: static, runs in any image
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --release -p tidemill-step --target $(shell uname -m)-unknown-linux-gnu
	@echo target/$(shell uname -m)-unknown-linux-gnu/release/tidemill-step

.PHONY: pods
pods: prepare step ## Tasks as pods of the real cluster: order, deaths, reasons, credentials (as root)
	$(nats); cargo build --bins; TIDEMILL_STATIC_STEP=$$PWD/target/$(shell uname -m)-unknown-linux-gnu/release/tidemill-step \
	cargo test -p tidemill-e2e -- --ignored pods::

.PHONY: bench-cluster
bench-cluster: build step ## Measure pods beside bare pods, in the cluster that cluster-up makes
	$(nats); cargo build --release -p tidemill-bench; KUBECONFIG=$$(tests/cluster/up) TIDEMILL_STATIC_STEP=target/$(shell uname -m)-unknown-linux-gnu/release/tidemill-step \
	target/release/tidemill-bench --cluster

cluster_test = $(nats); cargo build --bins; \
	export TIDEMILL_STATIC_STEP=$$PWD/target/$(shell uname -m)-unknown-linux-gnu/release/tidemill-step; \
	$(timed) $@ env TIDEMILL_E2E_CLUSTER=$(1) cargo test -p tidemill-e2e --test cluster

.PHONY: e2e-cluster
e2e-cluster: prepare step ## The seed's pipeline on that Kubernetes (the first time builds Kubernetes)
	$(call cluster_test,short)

.PHONY: e2e-cluster-full
e2e-cluster-full: prepare step ## The same, with the seed's own five minutes for a bad release
	$(call cluster_test,full)

.PHONY: hundred-runs
hundred-runs: prepare step ## A hundred runs there that leave nothing behind
	$(call cluster_test,hundred)

.PHONY: bench-api
bench-api: build ## The API beside kube-apiserver and etcd, in the same run
	@deploy/tools/prepare etcd openssl curl
	$(nats); export TIDEMILL_KUBERNETES=$$(deploy/tools/kubernetes); \
	  cargo build --release -p tidemill-bench; target/release/tidemill-bench --only api

.PHONY: e2e-docker
e2e-docker: prepare ## Every scenario in containers of a Docker engine, compared with processes; deaths (as root)
	$(nats); cargo build --bins; $(timed) docker cargo test -p tidemill-e2e --test main -- --ignored docker::

.PHONY: prepare
prepare:
	@deploy/tools/prepare cc curl git python3 setpriv ps awk xargs

.PHONY: clean
clean: ## Remove what was built here (the tool cache stays)
	cargo clean
