# OMFLOW Booster: what a developer runs. `make help` lists it. Needs Go and git;
# the race detector needs a C compiler as well.

GO          ?= go
BINARY      ?= booster
DEMO        ?=
FUZZTIME    ?= 20s
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
# One test binary must not hang for ever; CI counts on it.
TIMEOUT     ?= 10m

# Packages whose tests start real database servers, except in short mode.
DATABASES := ./internal/database ./internal/testbed/database ./internal/testbed/dbprocess

# Everything is pure Go. One setting for all targets, so that nothing is compiled
# twice; only the race detector needs cgo.
PURE := CGO_ENABLED=0

# Go says 0 here where no C compiler is found.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# $(call packages,not $$caddy) puts into $pkgs the packages without Caddy, which the
# race detector is cheap for: to compile Caddy for it takes as long as all of their
# tests. $(call packages,$$caddy) puts the others there, except those that build and
# run the whole program.
find = {{range $(1)}}{{if eq . "github.com/caddyserver/caddy/v2" "github.com/caddyserver/caddy/v2/caddyconfig" "github.com/omflow/booster"}}{{$$caddy = true}}{{end}}{{end}}
define packages
pkgs=$$($(PURE) $(GO) list -f '{{$$caddy := false}}$(call find,.Deps)$(call find,.TestImports)$(call find,.XTestImports){{if $(1)}}{{.ImportPath}}{{end}}' ./...) && \
	pkgs=$$(printf '%s\n' $$pkgs | grep -v -e /tests/e2e -e /tests/bench)
endef

.DEFAULT_GOAL := help
.PHONY: help demo build test vet unit race databases netns scale e2e lint fuzz bench bench-patch deb deb-check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: build ## a booster, three agents and three stand-in servers on this machine
	@./$(BINARY) omflow demo $(DEMO)

build: ## the binary, ./booster
	$(PURE) $(GO) build -o $(BINARY) ./cmd/booster

test: vet unit e2e ## vet and all tests, as CI runs them

vet:
	$(PURE) $(GO) vet ./...

unit:
ifeq ($(RACE),)
	@echo "no C compiler: testing without the race detector"
endif
	@$(call packages,not $$caddy) && rest=$$(printf '%s\n' $$pkgs | grep -v -e '/internal/database$$' -e '/testbed/database$$' -e '/dbprocess$$') && set -x && \
		$(GO) test $(RACE) -short -timeout $(TIMEOUT) $$rest && $(GO) test $(RACE) -timeout $(TIMEOUT) $(DATABASES)
	@$(call packages,$$caddy) && set -x && $(PURE) $(GO) test -timeout $(TIMEOUT) $$pkgs

e2e: ## real processes: booster, agents, servers
	$(PURE) $(GO) test -count=1 -parallel 3 -timeout 15m ./tests/e2e

databases: ## the tests on real PostgreSQL 15 and MariaDB, neither of which may be missing
	$(PURE) OMFLOW_TEST_DATABASES=required $(GO) test -count=1 -timeout $(TIMEOUT) $(DATABASES)
	$(PURE) OMFLOW_TEST_DATABASES=required $(GO) test -count=1 -timeout $(TIMEOUT) -run '^TestPostgresRestart$$' ./tests/e2e

netns: ## failover of the pair in network namespaces, timed; needs root and ip
	$(PURE) $(GO) test -count=1 -timeout $(TIMEOUT) -v ./tests/netns

race: ## all packages but e2e under the race detector, Caddy and the longest tests included
	@$(call packages,true) && set -x && $(GO) test -race -timeout $(TIMEOUT) $$pkgs

scale: ## gossip among 25 to 200 agents in one process, measured: docs/scale.md
	$(PURE) $(GO) test -count=1 -timeout $(TIMEOUT) -v -run '^TestScale$$' ./gossip -scale

lint: ## gofmt, vet for Linux and Windows, staticcheck
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then echo "not formatted, run gofmt -w:" >&2; echo "$$files" >&2; exit 1; fi
	$(PURE) GOOS=linux $(GO) vet ./...
	$(PURE) GOOS=windows $(GO) vet ./...
	$(PURE) $(GO) run $(STATICCHECK) ./...

# To make an input smaller may take 60 s where nothing is said, during which nothing
# new is tried.
fuzz: ## each fuzz target for 20 s; FUZZTIME=5m for longer
	@set -e; \
	grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "== $$(dirname "$$file") $$target"; \
			$(PURE) $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$(dirname "$$file")" </dev/null || exit 1; \
		done; \
	done

bench: ## measured beside other proxies, as far as they are installed
	$(PURE) $(GO) run ./tests/bench

bench-patch: ## from a save to all servers, beside plain copies, an inotify and rsync loop, lsyncd, csync2 and Syncthing where installed
	$(PURE) $(GO) run ./tests/bench -only patch

# One time for all files of the package, that of the sources. It is in the version to the
# second: of two packages of one day the hashes do not tell which one is newer.
DEB_EPOCH   = $(shell git log -1 --format=%ct)
DEB_VERSION ?= 0~git$(shell date -u -d @$(DEB_EPOCH) +%Y%m%d.%H%M%S).$(shell git rev-parse --short=12 HEAD)
# Who answers for the package: whoever hands it on sets it, here or in the variables
# that Debian's own tools read.
DEB_MAINTAINER ?= $(if $(DEBEMAIL),$(or $(DEBFULLNAME),$(DEBEMAIL)) <$(DEBEMAIL)>,local build <root@localhost>)
DEB         = dist/omflow-booster_$(DEB_VERSION).deb

deb: export DEB_MAINTAINER := $(DEB_MAINTAINER)
deb: ## the Debian package, in dist/; needs dpkg-deb
	$(PURE) $(GO) build -buildvcs=true -trimpath -ldflags=-s -o dist/booster ./cmd/booster
	SOURCE_DATE_EPOCH=$(DEB_EPOCH) deploy/deb/build.sh $(CURDIR)/dist/booster $(DEB_VERSION) $(DEB)

deb-check: deb ## install it in a clean Debian; needs root and debootstrap
	deploy/deb/check.sh $(DEB)

clean: ## remove what was built
	rm -rf $(BINARY) $(BINARY).exe dist .demo
