# The names people type. The work is in scripts/, web/, e2e/ and `cargo xtask`; CI calls the same names.

.DEFAULT_GOAL := help
.PHONY: help demo run test soak api-fuzz check build bench docker-up docker-down docker-logs clean screenshots pages

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## Build, start, publish a video (VIDEO=path for your own), print where it plays
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@node scripts/demo.mjs $(if $(VIDEO),"$(VIDEO)")

run: ## Start the platform on http://127.0.0.1:8080 with its data in ./data
	@scripts/setup run
	@$(MAKE) --no-print-directory build
	@exec "$${CARGO_TARGET_DIR:-target}/release/cutetube" serve

test: ## Every test: unit, end to end, browser (installs what it needs, and says so)
	@scripts/setup test
	@scripts/test

soak: ## Videos while everything is killed, frozen and cut off (VIDEOS=30 FAULTS=20 SEED=n)
	@scripts/setup test
	@CUTETUBE_SOAK_VIDEOS="$(or $(VIDEOS),30)" CUTETUBE_SOAK_FAULTS="$(or $(FAULTS),20)" \
		CUTETUBE_SOAK_SEED="$(or $(SEED),$(shell date +%s))" \
		cargo test --locked --package cutetube --test resilience soak:: -- --nocapture --test-threads 1

api-fuzz: ## What the API's description allows, and what it does not, for SECONDS=1200
	@scripts/setup test
	@$(MAKE) --no-print-directory pages
	@cargo build --locked --package cutetube
	@node scripts/api-fuzz.mjs $(or $(SECONDS),1200)

check: ## The fast part: format, lints, the repository's own rules, unit tests
	@scripts/setup test
	@$(MAKE) --no-print-directory pages
	@scripts/check

build: ## The pages' scripts and styles, and target/release/cutetube
	@$(MAKE) --no-print-directory pages
	cargo build --release --locked --package cutetube

bench: ## Compare with the original's commands, a hand-written ffmpeg, Shaka Packager and graphile_worker
	@scripts/setup bench
	@$(MAKE) --no-print-directory build
	@scripts/bench

docker-up: ## Everything in containers (PROFILE=default, scale, scale,observe); see docs/deployment.md
	@PROFILE="$(PROFILE)" scripts/docker up

docker-down: ## Stop the containers; what they keep stays
	@PROFILE="$(PROFILE)" scripts/docker down

docker-logs: ## Follow what the containers say
	@PROFILE="$(PROFILE)" scripts/docker logs

screenshots: ## Pictures of the pages in docs/screenshots, light and dark
	@scripts/setup test
	@$(MAKE) --no-print-directory pages
	@cargo build --locked --package cutetube
	@node e2e/screenshots.mjs

pages:
	@scripts/setup run
	@npm --silent --prefix web run build

clean: ## Remove what was built; ./data, samples and downloads stay
	cargo clean
	rm -rf web/dist e2e/artifacts
