# The targets that people use. Everything that needs root and a machine of its
# own is in bootstrap.sh.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)

# Where the router spends its time, as "make profile" has measured it: the
# compiler takes more care there. Tests do without, as everything would be
# compiled twice.
PGO      = -pgo=$(CURDIR)/cmd/berth/router.pgo

.PHONY: build test lint unit race bench-deploy bench-build bench-commands bench-logs bench-router profile compatibility test-stack test-bootstrap clean

# One static binary.
build:
	CGO_ENABLED=0 $(GO) build -trimpath $(PGO) -ldflags '$(LDFLAGS)' -o berth ./cmd/berth

# Everything that must pass before a change lands. Needs Docker and the base
# image; "sudo ./bootstrap.sh test" makes both.
test: lint race build

lint:
	@out="$$(gofmt -l .)"; if [ -n "$$out" ]; then echo "not gofmt'ed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# The packages that take longest begin, so that none runs alone at the end. Of
# SQLite, which is C translated to Go, memory is not Go's: there checks of
# pointers' conversions (not those for races) find nothing and take a third of
# the time of packages that use it.
race:
	$(GO) test -race -gcflags='modernc.org/...=-d=checkptr=0' -timeout 40m ./cmd/berth ./appliance/builder ./...

# What a deploy takes, beside what Docker alone takes; see docs/performance.md.
bench-deploy:
	$(GO) test -run '^$$' -bench Deploy -benchtime 1x -timeout 20m ./cmd/berth

# What a warm rebuild takes, beside the tool that does the work.
bench-build:
	$(GO) test -run '^$$' -bench Build -benchtime 1x -timeout 30m ./cmd/berth

# What commands take over SSH, and how soon a change of an app answers.
bench-commands:
	$(GO) test -run '^$$' -bench Commands -benchtime 1x -timeout 20m ./cmd/berth

# What becomes of floods of lines that apps print; see docs/performance.md.
bench-logs:
	$(GO) test -run '^$$' -bench Logs -benchtime 1x -timeout 20m ./cmd/berth

# What a request costs beside nginx, HAProxy, Caddy, kamal-proxy and Go's own
# reverse proxy. Takes less than 15 minutes; BENCH_ROUTER=quick takes one.
bench-router:
	$(GO) test $(PGO) -run '^$$' -bench Router -benchtime 1x -timeout 60m ./cmd/berth

# Measures anew where the router spends its time.
profile:
	rm -rf .profile && mkdir .profile
	BENCH_ROUTER=h1,h2,tls,1m,ws BENCH_ROUTER_DOORS=berth BENCH_ROUTER_ROUNDS=1 BENCH_ROUTER_SECONDS=8 BENCH_ROUTER_PROFILE=$(CURDIR)/.profile \
		$(GO) test -trimpath -run '^$$' -bench Router -benchtime 1x -timeout 20m ./cmd/berth
	$(GO) tool pprof -proto .profile/*.pprof > cmd/berth/router.pgo
	rm -rf .profile

# Builds the stack twice from the same packages, and compares every file.
test-stack:
	BERTH_TEST_STACK=1 BERTH_TEST_DOCKER=required $(GO) test -count=1 -v -timeout 60m -run StackOfTheSamePackages ./appliance/builder

# Pushes public repositories, unchanged; see docs/compatibility.md.
compatibility:
	BERTH_COMPAT=$${BERTH_COMPAT:-https} $(GO) test -count=1 -v -timeout 60m -run '^TestCompatibility$$' ./cmd/berth

# The tests that need no Docker.
unit:
	BERTH_TEST_DOCKER=none $(GO) test ./...

# Install, demo, tests and removal on machines that have never seen the project:
# containers with nothing but the distribution's base packages.
test-bootstrap:
	BERTH_TEST_BOOTSTRAP=1 $(GO) test -count=1 -v -timeout 120m -run '^TestBootstrap' ./cmd/berth

clean:
	rm -f berth
