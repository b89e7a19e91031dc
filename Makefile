# Two commands matter: `make site` brings a cluster up, `make test` proves the code. After `make site`
# all daily use is plain Ansible; `. .venv/bin/activate` puts it on the PATH.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# INVENTORY: which cluster. LAB=name: another lab beside the default one, on a subnet of its own.
LAB ?=
INVENTORY ?= $(if $(LAB),.state/$(LAB)/inventory,inventory/lab)
# ARGS: more arguments for ansible-playbook, as in `make site ARGS="--tags seaweedfs"`.
ARGS ?=

# In quotes, as a path may hold spaces, and so the shell does not do it.
override INVENTORY := $(INVENTORY:~/%=$(HOME)/%)
CONFIG = '$(INVENTORY)/cluster_config.yaml'
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Ansible starts often, and would compile four hundred files each time.
unexport PYTHONDONTWRITEBYTECODE
PLAY = ansible-playbook -i '$(INVENTORY)'

# Runs a playbook that writes a report, and prints nothing but that.
for_programs = report=$$(mktemp); trap 'rm -f "$$report"' EXIT; code=0; \
	$(PLAY) $(1) -e report_file="$$report" $(ARGS) >&2 || code=$$?; \
	cat "$$report"; exit $$code

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  INVENTORY=inventory/mine  another cluster    LAB=name  a lab beside the default one'
	@echo '  ARGS="--tags seaweedfs"   more arguments for ansible-playbook'

.PHONY: venv
venv: ## Make .venv from the hashed lock
	@scripts/bootstrap

.PHONY: inventory
inventory: venv
	@$(if $(LAB),python -m miner_cluster.lab_inventory '$(LAB)',:)

.PHONY: existing
existing: venv
	@$(if $(LAB),python -m miner_cluster.lab_inventory --existing '$(LAB)',:)

.PHONY: lab
lab: inventory ## Make the lab's machines when the inventory is a lab: three nodes on this machine
	@if grep -q '^lab:' $(CONFIG); then \
	  scripts/bootstrap lab; \
	  python -m miner_cluster.artifacts ensure --config $(CONFIG) >/dev/null; \
	  $(PLAY) playbooks/lab.yml; \
	fi

.PHONY: lab-down
lab-down: existing ## Remove the lab at once, whatever runs on it: containers, disks, network, keys
	@$(if $(ARGS),$(error Nothing was done. lab-down removes the whole lab and takes no ARGS, not even --check),:)
	$(PLAY) playbooks/lab.yml -e lab_state=absent

.PHONY: site
site: lab ## Bring the cluster up, or back into shape (INVENTORY=inventory/production for real machines)
	@scripts/bootstrap image
	$(PLAY) site.yml $(ARGS)

.PHONY: status
status: existing ## Show nodes, workloads, storage and the projects' counts
	@$(PLAY) playbooks/status.yml $(ARGS)

.PHONY: status-json
status-json: existing ## Print the same as JSON and nothing else, for programs
	@$(call for_programs,playbooks/status.yml)

.PHONY: backup
backup: existing ## Save what can't be made again into a new directory of backup.dir
	@$(PLAY) playbooks/backup.yml $(ARGS)

.PHONY: doctor
doctor: existing ## Check every machine and say what to do about each problem
	@$(PLAY) playbooks/preflight.yml $(ARGS)

.PHONY: doctor-json
doctor-json: existing ## Print the same as JSON and nothing else, for programs
	@$(call for_programs,playbooks/preflight.yml)

.PHONY: test
test: venv ## Lint and test; needs no lab and leaves nothing running
	@scripts/bootstrap test
	scripts/together python -m pytest tests/unit -- python -m pytest tests/integration tests/models -- scripts/lint

.PHONY: lint
lint: venv ## Run every linter over the whole tree
	scripts/lint

# They need no lab of the other tests', and all wait most of the time.
ALONE = tests/e2e/test_7_stand_in.py tests/e2e/test_9_molecule.py
E2E = python -m pytest -v --durations=0 --durations-min=20 -m "not soak"

.PHONY: e2e
e2e: venv ## Build a lab, deploy, break one thing per component, run molecule, tear down
	scripts/bootstrap lab
	scripts/together $(E2E) tests/e2e $(ALONE:%=--ignore=%) -- $(E2E) $(ALONE)

.PHONY: soak
soak: venv ## Every fault and interruption, the long ones too, with figures
	scripts/bootstrap lab
	python -m pytest -v -s tests/unit tests/integration -m soak
	python -m pytest -v -s tests/e2e -m ""

.PHONY: lock
lock: venv ## Write the lock files anew from pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate --group controller --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate pyproject.toml -o image/requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate --constraint image/requirements.lock --group models pyproject.toml -o image/models.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate --constraint image/models.lock --group torch -o image/torch.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate --group scanners -o tests/scanners/checkov.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate --constraint requirements.lock --group benchmarks pyproject.toml -o benchmarks/requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-annotate --group with-pyinfra -o benchmarks/with_pyinfra/requirements.lock
	echo "uv==$$(uv --version | cut -d' ' -f2)" | uv pip compile --quiet --universal --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --no-annotate - -o requirements-uv.lock
