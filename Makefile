SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS ?= -s -w -X main.version=$(VERSION)
# Long enough to find shallow bugs in every target, short enough to wait for.
FUZZTIME ?= 30s

# Recursive on purpose: built when a target needs it, not whenever make starts.
CONTROLLER_GEN = $$(hack/tools/build.sh controller-gen)
GOLANGCI_LINT = $$(hack/tools/build.sh golangci-lint)

##@ General

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "; printf "Usage: make \033[36m<target>\033[0m\n"} \
		/^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-zA-Z0-9_-]+:.*## / {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove what builds, the demo and tests left in the tree (tools and control plane stay cached)
	rm -rf bin .demo test/output

##@ Generate

.PHONY: generate
generate: ## Generate DeepCopy methods of the API types
	@gen=$(CONTROLLER_GEN); "$$gen" object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: ## Generate CRDs and the operator's role into config/
	@gen=$(CONTROLLER_GEN); "$$gen" crd rbac:roleName=tegata-operator \
		paths=./api/... paths=./controllers/... \
		output:crd:artifacts:config=config/crd/bases output:rbac:artifacts:config=config/rbac

.PHONY: chart
chart: manifests ## Copy CRDs, roles, alerts and the dashboard from config/ into the Helm chart
	@hack/chart.sh

.PHONY: argocd
argocd: manifests ## Put the Lua scripts of config/argocd into argocd-cm.yaml
	@hack/argocd.sh

.PHONY: verify-generated
verify-generated: generate manifests chart argocd ## Fail when generated files are not committed as generated
	@changed="$$(git status --porcelain -- api config charts)"; \
	if [[ -n "$$changed" ]]; then \
		printf '%s\n' "$$changed"; git --no-pager diff -- api config charts; \
		echo "error: api/, config/ or charts/ differs from what is committed; run 'make generate manifests chart argocd' and commit the result" >&2; \
		exit 1; \
	fi

##@ Build

.PHONY: helm
helm: ## Build Helm once into the cache and print where
	@hack/helm/build.sh

.PHONY: build
build: ## Build bin/tegata-operator, bin/tegata-idp and bin/kubectl-tegata
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/tegata-operator ./cmd/tegata-operator
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/tegata-idp ./cmd/tegata-idp
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/kubectl-tegata ./cmd/kubectl-tegata

.PHONY: plugin
plugin: ## Pack the kubectl plugin into bin/plugin, as krew installs it (PLATFORMS="linux/amd64 darwin/arm64")
	@VERSION="$(VERSION)" PLATFORMS="$(PLATFORMS)" hack/plugin.sh

.PHONY: controlplane
controlplane: ## Build etcd, kube-apiserver and kubectl once into the cache and print where
	@hack/controlplane/build.sh

.PHONY: image
image: ## Pack OCI images into bin/images, no container engine needed (ARCHITECTURES="amd64 arm64")
	@VERSION="$(VERSION)" ARCHITECTURES="$(ARCHITECTURES)" hack/image/build.sh

.PHONY: push
push: ## Push the images of bin/images to REGISTRY
	@REGISTRY="$(REGISTRY)" hack/image/push.sh

##@ Check

.PHONY: test
test: ## Install what the tests need, then run them all (TEST_PACKAGES, TEST_ARGS narrow it)
	@hack/test.sh

.PHONY: interop
interop: ## Log in to service providers that others wrote (Apache mod_auth_mellon, Shibboleth, node-saml), and keep accounts in scimmy (part of make test)
	@TEST_PACKAGES=./test/interop hack/test.sh

.PHONY: e2e
e2e: ## Test on a real one-node Kubernetes: chart, PostgreSQL, browser, and load while things fail (Linux, root)
	@hack/e2e.sh

.PHONY: lint
lint: lint-go lint-shell verify-generated ## Run every static check

.PHONY: lint-go
lint-go: ## Run go vet and golangci-lint with Kube API Linter
	go vet ./...
	go vet -tags e2e ./test/e2e/...
	@lint=$(GOLANGCI_LINT); set -x; "$$lint" config verify; "$$lint" run ./...; "$$lint" run --build-tags e2e ./test/e2e/...

.PHONY: lint-shell
lint-shell: ## Check the syntax of the shell scripts
	@git ls-files --cached --others --exclude-standard '*.sh' .ci/run | while read -r script; do \
		bash -n "$$script" || exit 1; \
	done; echo "shell scripts parse"

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 30s)
	@found=0; \
	while IFS=: read -r file _ line; do \
		name="$${line#func }"; name="$${name%%(*}"; found=1; \
		echo "fuzzing $$name in $$(dirname "$$file") for $(FUZZTIME)"; \
		go test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x </dev/null; \
	done < <(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -nH '^func Fuzz' || true); \
	((found)) || { echo "error: no fuzz target found" >&2; exit 1; }

.PHONY: bench
bench: ## Measure latency and throughput on a local control plane
	@hack/bench.sh

##@ Try

.PHONY: demo
demo: ## Run Tegata on this machine, no cluster needed (CHECK=1: log in once by itself and stop)
	@CHECK="$(CHECK)" hack/demo.sh

.PHONY: cluster
cluster: ## Run a real one-node Kubernetes on this machine (Linux, root), no container engine needed
	@hack/cluster/cluster.sh up

.PHONY: cluster-down
cluster-down: ## Stop that Kubernetes and remove everything it made
	@hack/cluster/cluster.sh down
