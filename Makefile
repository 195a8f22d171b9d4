# What a developer runs; .ci/run runs test and check. See CONTRIBUTING.md.

# The linters are pinned in a module of their own, so that the program's
# dependencies stay the program's.
TOOL := go tool -modfile=internal/tools/go.mod

# Where the weir binary goes, and how long each fuzz target runs.
BIN      ?= bin/weir
FUZZTIME ?= 30s

# How many random worlds soak proves the importer on, from which number on, and
# after how many minutes it begins no more.
SOAK_WORLDS  ?= 5000
SOAK_FROM    ?= 1000
SOAK_MINUTES ?= 120

# Where bench-query keeps its ten million jobs.
BENCH_FILE ?= $(or $(TMPDIR),/tmp)/weir-bench-10m.duckdb

.PHONY: build demo test check bench bench-all bench-query fuzz soak generate fmt vuln

build:
	go build -o $(BIN) ./cmd/weir

demo: build
	$(BIN) demo

test:
	scripts/test-deps
	go test -race -timeout 60m ./...
	go test -timeout 20m -run '^TestWorlds$$' ./internal/importer
	cd witness && go test -race ./...

check:
	@echo "gofumpt"; unformatted=$$(git ls-files -z '*.go' | xargs -0 $(TOOL) gofumpt -l) && \
		if [ -n "$$unformatted" ]; then echo "not formatted (make fmt mends it):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	cd witness && go vet ./...
	$(TOOL) staticcheck ./...
	go mod tidy -diff
	cd witness && go mod tidy -diff
	cd internal/tools && go mod tidy -diff
	go mod verify
	go test ./internal/floors
	scripts/generated-fresh

# What weir aims at for fetching, measured, as a table; six minutes.
bench:
	go test -run '^$$' -bench '^BenchmarkAims$$' -timeout 30m ./internal/bench

# Every other benchmark.
bench-all:
	go test -run '^$$' -bench . -benchmem -timeout 60m ./...

# Every metric over ten million jobs. Their database (0.7 GB) is written once.
bench-query:
	WEIR_BENCH_FILE=$(BENCH_FILE) go test -run '^$$' -bench 'Query|Measure' -benchtime 20x -timeout 60m ./internal/bench
	WEIR_BENCH_FILE=$(BENCH_FILE) go test -run '^$$' -bench MeasureDays ./internal/store

fuzz:
	scripts/fuzz $(FUZZTIME)

# The importer on random worlds (doc/decisions/0013), from number SOAK_FROM on,
# until SOAK_MINUTES have passed or SOAK_WORLDS are proven; it says how many were.
soak:
	cd internal/importer && go test -run '^TestWorlds$$' -timeout 0 -worlds $(SOAK_WORLDS) -from $(SOAK_FROM) -minutes $(SOAK_MINUTES)

# The tests that find these files out of date also write them.
generate:
	go test -count=1 ./internal/store -run '^TestDataModel$$' -update
	go test -count=1 ./internal/api -run '^TestOpenAPIIsCurrent$$' -update

fmt:
	git ls-files -z '*.go' | xargs -0 $(TOOL) gofumpt -w

# Asks the network for the vulnerabilities known today. Its answer changes
# while the code does not, so it is no part of check: the same commit must
# give the same answer tomorrow.
vuln:
	$(TOOL) govulncheck ./...
