"""Whichever tags are asked for or skipped: a phase is compared with all of its objects, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play

#: stands for kube_diff: writes down what it is asked, for each phase how many objects
RECORDER = """
import json
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule

options = ("objects", "phases", "namespaces")
spec = {"kubeconfig": {"type": "path"}} | {name: {"type": "list"} for name in options}
module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
found = [obj["metadata"]["labels"]["data-miner/phase"] for obj in module.params["objects"]]
with Path("@LOG@.jobs").open("a") as log:
    log.write(json.dumps("Job" in [obj["kind"] for obj in module.params["objects"]]) + chr(10))
with Path("@LOG@").open("a") as log:
    log.write(json.dumps({phase: found.count(phase) for phase in module.params["phases"]}) + chr(10))
module.exit_json(changed=False, objects=[], terminating=[], leftovers=[], pending=[])
"""
SECRETS = """
from ansible.module_utils.basic import AnsibleModule

spec = {"kubeconfig": {}, "namespace": {}, "instance": {}, "values": {"type": "dict", "no_log": True}}
AnsibleModule(argument_spec=spec, supports_check_mode=True).exit_json(changed=False)
"""
MOUNTS = """
from ansible.module_utils.basic import AnsibleModule

spec = {"kubeconfig": {}, "namespace": {}, "worker_namespaces": {"type": "list"}}
AnsibleModule(argument_spec=spec).exit_json(changed=False)
"""
DIFFERS = """
from ansible.module_utils.basic import AnsibleModule

options = ("objects", "phases", "namespaces")
spec = {"kubeconfig": {}, "instance": {}, "mounts": {"type": "bool"}}
spec["secrets"] = {"type": "dict", "no_log": True}
spec |= {name: {"type": "list"} for name in options}
AnsibleModule(argument_spec=spec, supports_check_mode=True).exit_json(changed=False, as_wanted=False)
"""
NO_PROBLEM = """
from ansible.plugins.lookup import LookupBase

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [""]
"""

SCHEMA_KEPT = """
from pathlib import Path

from ansible.plugins.lookup import LookupBase

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        Path("@LOG@.asked").touch()
        return [True]
"""


def compared(play: Play, home: Path, playbook: str, *arguments: str) -> list[dict[str, int]]:
    """Run what a playbook does on localhost; return of each comparison how many objects each phase had."""
    (home / "modules").mkdir()
    (home / "lookups").mkdir()
    log = home / "log"
    log.touch()
    (home / "modules" / "kube_diff.py").write_text(RECORDER.replace("@LOG@", str(log)))
    (home / "modules" / "kube_secret.py").write_text(SECRETS)
    (home / "modules" / "kube_mounts.py").write_text(MOUNTS)
    (home / "modules" / "kube_as_wanted.py").write_text(DIFFERS)
    (home / "lookups" / "kube_problem.py").write_text(NO_PROBLEM)
    (home / "lookups" / "schema_kept.py").write_text(SCHEMA_KEPT.replace("@LOG@", str(log)))
    run = play(
        playbook,
        *(
            "--limit",
            "three,localhost",
            "-e",
            f"kube_objects_kubeconfig={log}",
            "-e",
            f"app_kubeconfig={log}",
            "-e",
            json.dumps({"artifacts": {"images": [], "stand_ins": []}, "_run_lock": {}}),
        ),
        *arguments,
        ANSIBLE_ACTION_PLUGINS=str(home / "no-action-plugins"),
        ANSIBLE_LIBRARY=f"{home / 'modules'}:{CHECKOUT / 'library'}",
        ANSIBLE_LOOKUP_PLUGINS=f"{home / 'lookups'}:{CHECKOUT / 'lookup_plugins'}",
    )
    assert run.code == 0, run.output
    return [json.loads(line) for line in log.read_text().splitlines()]


BASE, STORAGE = {"seaweedfs-base"}, {"seaweedfs"}
CONFIG, DATABASE, WORKERS = {"namespace", "config", "policies"}, {"infrastructure"}, {"workers"}


@pytest.mark.parametrize(
    ("arguments", "phases"),
    [
        ((), [CONFIG, DATABASE, WORKERS]),
        (("--tags", "app"), [CONFIG, DATABASE, WORKERS]),
        (("--tags", "config"), [CONFIG]),
        (("--tags", "infrastructure"), [DATABASE]),
        (("--tags", "workers"), [WORKERS]),
        (("--skip-tags", "workers"), [CONFIG, DATABASE]),
        (("--skip-tags", "config"), [DATABASE, WORKERS]),
        (("--skip-tags", "infrastructure"), [CONFIG, WORKERS]),
        (("--skip-tags", "deploy"), []),
        *((("--tags", tag), []) for tag in ("k3s", "storage", "verify")),
    ],
)
def test_the_application_is_compared_whole_or_not_at_all(
    play: Play, tmp_path: Path, arguments: tuple[str, ...], phases: list[set[str]]
) -> None:
    found = compared(play, tmp_path, "playbooks/app.yml", *arguments)
    assert [set(comparison) for comparison in found] == phases
    assert all(count > 0 for comparison in found for count in comparison.values())


@pytest.mark.parametrize(
    ("arguments", "jobs"),
    [
        (("--tags", "app"), [False, True, True]),
        (("--tags", "infrastructure"), [True]),
        (("--tags", "workers"), [False]),
        (("--skip-tags", "infrastructure"), [False, False]),
    ],
)
def test_a_job_of_the_database_is_waited_for_with_the_workers_only_where_both_are_run(
    play: Play, tmp_path: Path, arguments: tuple[str, ...], jobs: list[bool]
) -> None:
    compared(play, tmp_path, "playbooks/app.yml", *arguments)
    found = (tmp_path / "log.jobs").read_text().splitlines()
    assert list(map(json.loads, found)) == jobs
    assert (tmp_path / "log.asked").exists() == (arguments == ("--tags", "app"))


@pytest.mark.parametrize(
    ("arguments", "phases"),
    [
        (("--tags", "deploy"), [BASE, STORAGE]),
        (("--skip-tags", "provision"), [BASE, STORAGE]),
        (("--tags", "app"), []),
    ],
)
def test_the_shared_storage_is_compared_whole_or_not_at_all(
    play: Play, tmp_path: Path, arguments: tuple[str, ...], phases: list[set[str]]
) -> None:
    found = compared(play, tmp_path, "playbooks/seaweedfs.yml", *arguments)
    assert [set(comparison) for comparison in found] == phases
    assert all(count > 5 for comparison in found for count in comparison.values())


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("--tags", "app"), True),
        (("--skip-tags", "workers,config,infrastructure"), True),
        (("--tags", "k3s"), False),
        (("--tags", "app", "-e", '{"image_ids": {"data-miner:1.0": "sha256:aa"}}'), False),
    ],
)
def test_the_first_server_is_asked_for_its_images_whenever_objects_are_compared(
    play: Play, arguments: tuple[str, ...], asked: bool
) -> None:
    run = play("playbooks/image_ids.yml", *arguments)
    assert ("UNREACHABLE" in run.output) == asked, run.output
    assert run.code == (4 if asked else 0)
