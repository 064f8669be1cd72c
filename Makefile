# Regent's one entry point for people and machines. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO        ?= go
BIN       := bin
PLUGINS   := $(notdir $(wildcard plugins/*-*))
# The only programs that need a C compiler; everything else builds without.
CGO_PLUGINS := query-duckdb
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X main.version=$(VERSION)

# Pinned tools, run from the Go module proxy.
STATICCHECK   := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT       := mvdan.cc/gofumpt@v0.12.0
PROTOC_GEN_GO := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
VERSITYGW     := github.com/versity/versitygw/cmd/versitygw@v1.8.0

FUZZTIME ?= 20s

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the daemon and the plugins into bin/.
	@mkdir -p $(BIN) && chmod go-w $(BIN)
	umask 022 && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/... $(addprefix ./plugins/,$(filter-out $(CGO_PLUGINS),$(PLUGINS)))
	@if command -v $(CC) >/dev/null; then \
	  echo "CGO_ENABLED=1 $(GO) build $(addprefix ./plugins/,$(CGO_PLUGINS))"; \
	  umask 022 && CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(addprefix ./plugins/,$(CGO_PLUGINS)); \
	else echo "no C compiler ($(CC)): $(CGO_PLUGINS) is left out, and with it SQL"; rm -f $(addprefix $(BIN)/,$(CGO_PLUGINS)); fi

.PHONY: run
run: build ## Start on this machine with the quickstart configuration and show what it found.
	@./$(BIN)/regent quickstart

.PHONY: test
test: ## Run every test.
	$(GO) test ./...

.PHONY: race
race: ## Run the tests of the concurrent packages under the race detector.
	$(GO) test -race ./core/... ./sdk/...

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: lint
lint: vet ## Check formatting and run the static checks.
	@out=$$($(GO) run $(GOFUMPT) -l $$(git ls-files '*.go' | grep -v '\.pb\.go$$')); if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	$(GO) run $(STATICCHECK) ./...

.PHONY: fmt
fmt: ## Format the Go code.
	$(GO) run $(GOFUMPT) -w $$(git ls-files '*.go' | grep -v '\.pb\.go$$')

.PHONY: fuzz
fuzz: ## Fuzz every parser of outside bytes for FUZZTIME each.
	@set -e; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | sed 's/func //'); do \
	    echo "== $$pkg $$f"; $(GO) test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done

.PHONY: soak
soak: ## The slow proofs: a second S3 server, 300 kills under load, a million records imported and backtested, 5,000 tamperings with a lake, the race detector, every fuzz test for two minutes.
	GOBIN=$(CURDIR)/build/tools $(GO) install $(VERSITYGW)
	REGENT_VERSITYGW=$(CURDIR)/build/tools/versitygw $(GO) test ./core/blob -run '^TestS3Versity$$' -v
	REGENT_TAMPERINGS=5000 $(GO) test ./core/ledger -run '^TestTampering$$' -v -timeout 30m
	REGENT_KILLS=300 $(GO) test ./cmd/regent -run '^TestKill$$' -v -timeout 60m
	REGENT_IMPORT_RECORDS=1000000 $(GO) test ./cmd/regent -run '^TestImport$$' -v -timeout 60m
	REGENT_BACKTEST_MEMORY=1 REGENT_BACKTEST_RECORDS=1000000 $(GO) test ./cmd/regent -run '^TestBacktest(Memory|OfAMillionRecords)$$' -v -timeout 60m
	$(MAKE) race
	$(MAKE) fuzz FUZZTIME=2m

.PHONY: bench
bench: build ## Measure the budgets: ratios against the bare engine in the same run.
	$(GO) test -p 1 ./cmd/regent ./core/... ./sdk/... ./plugins/... -run '^$$' -bench . -benchtime 1s -timeout 30m

.PHONY: generate
generate: ## Regenerate the protocol code (installs protoc from Debian's packages where it is missing).
	@command -v protoc >/dev/null || (apt-get update -qq && apt-get install -y -qq protobuf-compiler)
	@mkdir -p build/tools
	GOBIN=$(CURDIR)/build/tools $(GO) install $(PROTOC_GEN_GO)
	GOBIN=$(CURDIR)/build/tools $(GO) install $(PROTOC_GEN_GRPC)
	PATH=$(CURDIR)/build/tools:$$PATH protoc --go_out=. --go_opt=module=github.com/regent-dev/regent \
	  --go-grpc_out=. --go-grpc_opt=module=github.com/regent-dev/regent sdk/proto/plugin/v1/plugin.proto

.PHONY: generate-check
generate-check: generate ## Fail where the committed generated code is not what generate makes.
	@git diff --exit-code -- sdk/proto || (echo "generated code is stale: run make generate and commit"; exit 1)

.PHONY: check
check: lint build test generate-check ## What CI runs.
