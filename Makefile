# Switchboard. `make help` lists the targets; `make demo` and `make test` are where to start.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CONTROLLER_GEN := go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0
CRD_REF_DOCS   := go run github.com/elastic/crd-ref-docs@v0.3.0
GOVULNCHECK    := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOLANGCI_LINT  := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Whoever has a cluster sets KUBECONFIG, and every target uses that one; otherwise the local cluster is brought up.
STATE := $(or $(SWITCHBOARD_CLUSTER),/var/lib/switchboard/localcluster)
ifeq ($(origin KUBECONFIG),undefined)
CLUSTER := cluster-up
export KUBECONFIG := $(STATE)/kubeconfig
endif
# KUBECONFIG is ours to ignore when the local cluster itself goes up or down.
LOCALCLUSTER := cd hack/localcluster && env -u KUBECONFIG go run .
# The folder with what was built, for a command that follows in the same recipe.
built = "$$($(LOCALCLUSTER) build $(1) | tail -n 1)"

INSTANCE_IMAGE ?= switchboard/instance:dev
OPERATOR_IMAGE ?= switchboard/operator:dev
STANDIN_IMAGE  ?= switchboard/twilio-standin:dev
WHATSAPP_STANDIN_IMAGE ?= switchboard/whatsapp-standin:dev
CHANNELS_STANDIN_IMAGE ?= switchboard/channels-standin:dev
S3_STANDIN_IMAGE ?= switchboard/s3-standin:dev
POSTGRES_IMAGE ?= docker.io/library/postgres:15-bookworm
CNPG           := github.com/cloudnative-pg/cloudnative-pg
CNPG_IMAGE     := ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0

##@ Start here

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"} /^[a-zA-Z0-9_-]+:.*?##/ {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools $(CLUSTER) load ## Do the main job on a real cluster: two clients onboarded, messages, replies, STOP, deletion, evidence.
	KUBECTL=$(call built,kubectl)/kubectl go run ./hack/demo

.PHONY: test
test: tools ## Unit, API server (envtest) and PostgreSQL tests, with the race detector.
	cd test/standin/s3 && CGO_ENABLED=0 go tool -n versitygw >/dev/null # so that no test waits for its build
	KUBEBUILDER_ASSETS=$(call built,kube-apiserver etcd kubectl) \
		go test -race -p 3 -timeout 20m $$(go list ./... | grep -v /test/e2e)
	cd hack/localcluster && go test -race ./...
	KUBEBUILDER_ASSETS=$(call built,kube-apiserver etcd kubectl) go test -C test/chart -count=1 ./... # the cache knows nothing of files outside of the module
	cd test/network && go test -count=1 ./...
	cd test/openid && go test -race -count=1 ./...
	cd test/alerts && go test -count=1 ./...
	cd test/traces && go test -count=1 ./...
	cd hack/release && go test -count=1 -timeout 20m ./...

##@ Cluster

.PHONY: cluster-up
cluster-up: tools ## Bring up the local two-region cluster (idempotent).
	$(LOCALCLUSTER) up

.PHONY: cluster-down
cluster-down: ## Take the local cluster down; nothing of it stays.
	$(LOCALCLUSTER) down

.PHONY: load
load: ## Build the images without a container engine and load them into both nodes of the local cluster.
ifdef CLUSTER
	$(LOCALCLUSTER) load \
		--go $(OPERATOR_IMAGE)=./cmd/operator --go $(INSTANCE_IMAGE)=./cmd/instance \
		--go $(STANDIN_IMAGE)=./test/standin/twilio --go $(WHATSAPP_STANDIN_IMAGE)=./test/standin/whatsapp \
		--go $(CHANNELS_STANDIN_IMAGE)=./test/standin/channels \
		--postgres $(POSTGRES_IMAGE)
else
	@echo "KUBECONFIG is set: that cluster must be able to pull $(OPERATOR_IMAGE), $(INSTANCE_IMAGE), $(STANDIN_IMAGE), $(WHATSAPP_STANDIN_IMAGE), $(CHANNELS_STANDIN_IMAGE) and $(POSTGRES_IMAGE) itself."
endif

.PHONY: load-s3
load-s3: ## Build the object store of the end-to-end suite and load it into both nodes.
ifdef CLUSTER
	$(LOCALCLUSTER) load --tool $(S3_STANDIN_IMAGE)=test/standin/s3:github.com/versity/versitygw/cmd/versitygw
else
	@echo "KUBECONFIG is set: that cluster must be able to pull $(S3_STANDIN_IMAGE) itself."
endif

.PHONY: load-cnpg
load-cnpg: ## Build CloudNativePG's operator from its Go module and load its image.
ifdef CLUSTER
	$(LOCALCLUSTER) load --tool $(CNPG_IMAGE)=test/standin/cloudnativepg:$(CNPG)/cmd/manager:operator/manager_$$(go env GOARCH)
endif

.PHONY: install
install: $(CLUSTER) load ## Install the operator into the cluster.
	PATH=$(call built,kubectl):$$PATH; kubectl apply --server-side -k config/default && \
		kubectl -n switchboard-system rollout status deployment/switchboard-operator --timeout=120s

.PHONY: uninstall
uninstall: ## Remove the operator; Tenants must be gone first (kubectl delete tenants --all).
	PATH=$(call built,kubectl):$$PATH; kubectl delete --ignore-not-found -k config/default

##@ Proof

.PHONY: e2e
e2e: tools chromium $(CLUSTER) load load-s3 ## The end-to-end suite on the real cluster.
	KUBECTL=$(call built,kubectl)/kubectl SWITCHBOARD_AUDIT_LOG=$${SWITCHBOARD_AUDIT_LOG:-$(STATE)/audit.log} \
		go test ./test/e2e -timeout 55m -count=1 -v -ginkgo.v -ginkgo.timeout=50m -ginkgo.label-filter='!long && !helm'

.PHONY: e2e-long
e2e-long: tools $(CLUSTER) load load-cnpg ## What e2e leaves out for its time: faults of the platform, databases of CloudNativePG's and of a provider's, a move there and back.
	@hack/tools.sh clock
	KUBECTL=$(call built,kubectl)/kubectl SWITCHBOARD_AUDIT_LOG=$${SWITCHBOARD_AUDIT_LOG:-$(STATE)/audit.log} \
		go test ./test/e2e -timeout 80m -count=1 -v -ginkgo.v -ginkgo.timeout=75m -ginkgo.label-filter='long'

.PHONY: e2e-helm
e2e-helm: tools $(CLUSTER) load ## Promises again with an operator that Helm installs, upgrades and takes away; on a cluster that has none yet.
	helm="$$(mktemp -d)"; trap 'rm -r "$$helm"' EXIT; CGO_ENABLED=0 go build -C test/chart -o "$$helm/helm" helm.sh/helm/v3/cmd/helm; \
		KUBECTL=$(call built,kubectl)/kubectl SWITCHBOARD_HELM="$$helm/helm" SWITCHBOARD_AUDIT_LOG=$${SWITCHBOARD_AUDIT_LOG:-$(STATE)/audit.log} \
		go test ./test/e2e -timeout 20m -count=1 -v -ginkgo.v -ginkgo.timeout=15m -ginkgo.label-filter='helm || residency || drift || inbound'

.PHONY: fuzz
fuzz: ## Fuzz the parsers of all that comes from outside, four at a time, each for FUZZTIME (60s).
	go test -count=1 -run 'TakesLittleMemory$$' ./internal/instance/...
	hack/fuzz.sh

.PHONY: browser
browser: chromium ## The staff's page and the guests' chat in Debian's Chromium, over a real database; screenshots come into test/output/browser.
	go test -count=1 -tags browser -exec $(CURDIR)/hack/loopback.sh ./test/browser
	cd test/openid && go test -count=1 -tags browser -exec $(CURDIR)/hack/loopback.sh -run TestThePage .

.PHONY: bench
bench: tools $(CLUSTER) load ## Print the figures, as ratios in one run.
	KUBECTL=$(call built,kubectl)/kubectl go run ./test/bench

.PHONY: bench-screen
bench-screen: chromium ## Print how long staff wait for their list, and for each message of 200/s, in Debian's Chromium with 100,000 conversations.
	go test -count=1 -tags browser -exec $(CURDIR)/hack/loopback.sh -run '^$$' -bench Screen -benchtime 1x -timeout 15m ./test/browser

SCALE ?=

.PHONY: bench-scale
bench-scale: tools ## Print what 1,000 tenants take of the operator, on a control plane with simulated nodes (SCALE="-tenants 20" for less).
	go build -C test/scale/kwok -trimpath -ldflags "-s -w" -o "$$(go env GOCACHE)/switchboard-kwok" sigs.k8s.io/kwok/cmd/kwok
	go build -o "$$(go env GOCACHE)/switchboard-scale" ./test/scale
	"$$(go env GOCACHE)/switchboard-scale" -kwok "$$(go env GOCACHE)/switchboard-kwok" \
		-bin $(call built,etcd kube-apiserver kube-controller-manager kube-scheduler kubectl) $(SCALE)

##@ Release

.PHONY: release
release: ## Make the images (no container engine needed), the plugin of kubectl, what is in them (SPDX) and the licences of that, into build/release.
	cd hack/release && go run .

.PHONY: vulncheck
vulncheck: ## Look the programs up in Go's database of vulnerabilities (needs https://vuln.go.dev; no other target depends on it).
	$(GOVULNCHECK) ./cmd/...

##@ Development

.PHONY: generate
generate: ## Generate deepcopy code, CRDs, RBAC, the chart and the API reference.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=switchboard-operator paths=./controllers/... output:rbac:dir=config/rbac
	hack/chart.sh
	hack/argocd.sh
	$(CRD_REF_DOCS) --source-path=api/v1alpha1 --config=hack/crd-ref-docs.yaml --renderer=markdown --output-path=docs/api.md

.PHONY: web
web: ## Build the pages that an instance serves (needs Node.js 20; what it makes is checked in, so that others need Go alone).
	cd internal/instance/web && npm ci --silent --no-audit --no-fund && npm run --silent build

.PHONY: verify
verify: generate ## Fail when generated files or go.mod are stale.
	go mod tidy -diff
	cd hack/localcluster && go mod tidy -diff
	cd hack/release && go mod tidy -diff
	cd test/alerts && go mod tidy -diff
	cd test/chart && go mod tidy -diff
	cd test/network && go mod tidy -diff
	cd test/openid && go mod tidy -diff
	cd test/scale/kwok && go mod tidy -diff
	cd test/traces && go mod tidy -diff
	cd test/standin/s3 && go mod tidy -diff
	cd test/standin/cloudnativepg && go mod tidy -diff
	@hack/web.sh
	@git diff --exit-code -- api config docs/api.md charts || { echo "generated files are stale: run 'make generate' and commit"; exit 1; }
	@test -z "$$(git status --porcelain -- api config docs/api.md charts)" || { git status --porcelain -- api config docs/api.md charts; echo "generated files are not checked in: run 'make generate' and commit"; exit 1; }

.PHONY: lint
lint: ## Static checks.
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w"; exit 1; }
	go vet ./...
	cd hack/localcluster && go vet ./...
	cd hack/release && go vet ./...
	go vet -tags browser ./test/browser
	$(GOLANGCI_LINT) run ./...

.PHONY: tools
tools: ## Install what the machine lacks (Debian packages; needs root), or say what is missing.
	@hack/tools.sh

.PHONY: chromium
chromium: # What the tests in a browser need.
	@hack/tools.sh browser
	cd test/browser && npm ci --silent --no-audit --no-fund
