# Run `make` for the list of targets.

GO      ?= go
FUZZTIME ?= 5s
E2E_REDIS ?= single,cluster,plain
SEEDS    ?= 5000
BIN     := bin/realtime
SDK     := realtime-message-sdk

export FUZZTIME GO E2E_REDIS

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## Run a server with the embedded store and a try-out page on port 3000
	$(GO) run ./cmd/realtime dev

.PHONY: demo
demo: ## The same, at http://localhost:4173 too
	$(GO) run ./cmd/realtime dev --demo-port 4173

.PHONY: build
build: ## Build bin/realtime
	$(GO) build -o $(BIN) ./cmd/realtime

.PHONY: start
start: build ## Build, then run the server on Redis (REDIS_URL)
	$(BIN) serve

.PHONY: test
test: deps lint race ## Run every test there is
	scripts/beside.sh "sim fuzz" "e2e web"

.PHONY: lint
lint: ## Check format, vet, staticcheck, doc comments, go.mod, other systems
	scripts/lint.sh

.PHONY: fmt
fmt: ## Format the Go code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: race
race: ## Run the Go tests with the race detector
	$(GO) test -race -timeout 10m ./...

.PHONY: sim
sim: ## Run SEEDS (5000) schedules of faults in the simulated cluster
	scripts/sim.sh $(SEEDS)

.PHONY: ablate
ablate: SEEDS = 100
ablate: ## Switch each repair rule off, alone, and write to docs/ablation.md what notices (SEEDS, RULE)
	$(GO) run ./internal/ablate -seeds $(SEEDS) -rule "$(RULE)" -out docs/ablation.md

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (5s)
	scripts/fuzz.sh

.PHONY: e2e
e2e: build ## Run the socket.io-client tests, on each kind of E2E_REDIS
	cd e2e && npm ci --no-audit --no-fund && REALTIME_BIN=$(CURDIR)/$(BIN) npm test

.PHONY: sdk
sdk: ## Build the TypeScript SDK, and with it the page that dev serves
	cd $(SDK) && npm ci --no-audit --no-fund && npm run build
	cd playground && npm ci --no-audit --no-fund && npm run build

.PHONY: web
web: build ## Check and test the SDK and the page, in Chromium too
	cd $(SDK) && npm ci --no-audit --no-fund && npm run build && npm run check && npm test && \
		REALTIME_BIN=$(CURDIR)/$(BIN) npm run test:e2e
	cd playground && npm ci --no-audit --no-fund && npm run check && REALTIME_BIN=$(CURDIR)/$(BIN) npm test

.PHONY: browser
browser: sdk build ## Build the page and test it in Chromium
	cd playground && REALTIME_BIN=$(CURDIR)/$(BIN) npm test

.PHONY: client
client: ## Renew the browser client that servers hand out, from e2e's socket.io-client
	scripts/client.sh

.PHONY: chaos
chaos: ## Break running clusters for some minutes and print what it did (TOPOLOGY, SEED)
	$(GO) test ./internal/chaos -count=1 -timeout 20m -run '^TestSchedule$$' -v \
		-chaos.topology=$(or $(TOPOLOGY),all) -chaos.seed=$(or $(SEED),1)

.PHONY: reap
reap: ## Kill a node with 50 000 members and print what reaping them costs (MEMBERS, GRACE)
	$(GO) test ./internal/chaos -count=1 -timeout 10m -run '^TestReap$$' -v \
		-chaos.reap=$(or $(MEMBERS),50000) -chaos.reapgrace=$(or $(GRACE),0s)

.PHONY: soak
soak: ## Keep users coming and going for 10 minutes (SOAK) and print the server's memory
	$(GO) test ./cmd/realtime -count=1 -timeout 0 -run '^TestSoak$$' -v -soak=$(or $(SOAK),10m)

.PHONY: large
large: ## Give a node 200 000 sessions (MEMBERS), have another one die, and print what they cost
	$(GO) test ./presence/internal/largenode -count=1 -timeout 10m -run '^TestLargeNode$$' -v -large=$(or $(MEMBERS),200000)

.PHONY: bench
bench: build ## Measure what operations cost, beside other servers, or a commit BASE (ROUNDS, ONLY)
	ROUNDS=$(ROUNDS) BASE=$(BASE) ONLY="$(ONLY)" scripts/bench.sh

.PHONY: deps
deps: ## Install what the tests need besides Go and Node (Debian)
	scripts/deps.sh
