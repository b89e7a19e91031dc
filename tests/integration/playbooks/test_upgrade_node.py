"""What becomes of a machine whose upgrade fails, or is lost, and of those that would be next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Run, ansible_playbook

STEPS = (
    "kube_quorum",
    "k3s_previous",
    "kube_node_closed",
    "kube_node_open",
    "kube_workloads_back",
    "install",
)
#: writes down that it ran, and answers as the test says
STEP = """
from pathlib import Path
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        args, host = self._task.args, task_vars["inventory_hostname"]
        step = " ".join([self._task.action, *(args[key] for key in ("state", "version") if key in args)])
        with Path(task_vars["log"]).open("a") as log:
            log.write(f"{host}: {step}\\n")
        answer = task_vars["answers"].get(f"{host}: {step}", {})
        if "unreachable" in answer:
            raise AnsibleConnectionFailure("it went away")
        return {"changed": True, "hold": "", "workloads": []} | answer
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        artifacts: {k3s: {sha256: x}}
        upgrade_plan: {nodes: {a: &turn {before: v1, drain: true}, b: *turn, c: *turn, d: *turn}}
    - ansible.builtin.add_host: {name: "{{ item }}"}
      loop: [a, b, c, d]
- hosts: a,b,c,d
  gather_facts: false
  connection: local
  serial: "{{ at_a_time }}"
  max_fail_percentage: 0
  vars:
    _upgrade_stays: false
    node: {name: "{{ inventory_hostname }}", role: "{{ role }}"}
  tasks:
    - ansible.builtin.import_tasks: TASKS
"""


class Upgrade:
    """Runs the tasks of machines that are not there."""

    def __init__(self, path: Path) -> None:
        self.path, self.log = path, path / "log"
        for step in STEPS:
            (path / f"{step}.py").write_text(STEP)
        (path / "roles/k3s/tasks").mkdir(parents=True)
        (path / "roles/k3s/tasks/main.yml").write_text("- install: {}\n")
        tasks = str(CHECKOUT / "playbooks/tasks/upgrade_node.yml")
        (path / "play.yml").write_text(PLAY.replace("TASKS", tasks))

    def __call__(self, role: str, *, at_a_time: int = 1, **answers: dict[str, object]) -> Run:
        values = {
            "role": role,
            "at_a_time": at_a_time,
            "log": str(self.log),
            "cluster": {"k3s_version": "v2"},
            "answers": {f"a: {step.replace('__', ' ')}": answer for step, answer in answers.items()},
            "ansible_become": False,
        }
        return ansible_playbook(
            *("-i", "inventory/lab", str(self.path / "play.yml"), "-e", json.dumps(values)),
            ANSIBLE_ACTION_PLUGINS=str(self.path),
            ANSIBLE_ROLES_PATH=str(self.path / "roles"),
        )

    def steps(self, host: str) -> list[str]:
        """What was done for a machine."""
        lines = self.log.read_text().splitlines()
        return [line.removeprefix(f"{host}: ") for line in lines if line.startswith(f"{host}: ")]


@pytest.fixture
def upgrade(tmp_path: Path) -> Upgrade:
    """Machines a to d."""
    return Upgrade(tmp_path)


FAILS: dict[str, object] = {"failed": True, "msg": "it is so"}


def test_others_wait_where_one_of_a_batch_is_lost(upgrade: Upgrade) -> None:
    run = upgrade("agent", at_a_time=2, install={"unreachable": True})
    assert "a did not answer any more during the upgrade" in run.output
    assert run.code != 0
    assert upgrade.steps("b")[-1] == "kube_workloads_back"
    assert upgrade.steps("c") == upgrade.steps("d") == []


@pytest.mark.parametrize("role", ["server", "agent"])
def test_what_ran_before_is_put_back_where_the_new_one_does_not_start(upgrade: Upgrade, role: str) -> None:
    run = upgrade(role, install=FAILS)
    assert "a was not upgraded: it is so\n" in run.output
    assert "It runs v1 again and takes pods." in run.output
    assert upgrade.steps("a")[-2:] == ["k3s_previous restored v1", "kube_node_open v1"]
    assert upgrade.steps("b") == []


def test_a_server_that_served_in_the_new_version_stays_there(upgrade: Upgrade) -> None:
    run = upgrade("server", kube_node_open__v2=FAILS)
    assert "a was upgraded and not well: it is so" in run.output
    assert "It stays in the new version" in run.output
    assert "database may be one of the new version by now" not in run.output
    assert "k3s_previous restored v1" not in upgrade.steps("a")


def test_an_agent_goes_back_also_once_it_ran(upgrade: Upgrade) -> None:
    upgrade("agent", kube_node_open__v2=FAILS)
    assert "k3s_previous restored v1" in upgrade.steps("a")


@pytest.mark.parametrize("replaced", [True, False])
def test_a_database_is_spoken_of_only_where_the_program_was_replaced(
    upgrade: Upgrade, *, replaced: bool
) -> None:
    run = upgrade(
        "server", install=FAILS, k3s_previous__restored__v1={"changed": replaced}, kube_node_open__v1=FAILS
    )
    assert ("database may be one of the new version" in run.output) is replaced
    assert ("Its k3s was not replaced" in run.output) is not replaced


def test_a_server_asks_the_others_again_once_its_pods_are_gone(upgrade: Upgrade) -> None:
    upgrade("server")
    steps = upgrade.steps("a")
    closed = steps.index("kube_node_closed")
    assert steps[closed + 1 : closed + 3] == ["kube_quorum", "install"]


@pytest.mark.parametrize("number", ["0", "0%", "-1", "all"])
def test_all_agents_at_once_is_refused(number: str) -> None:
    run = ansible_playbook(
        *("-i", "inventory/lab", "playbooks/upgrade.yml", "-e", f"upgrade_serial={number}"),
        *("--start-at-task", "Assert that a number of agents was given"),
    )
    assert f"-e upgrade_serial={number}: say how many agents at a time" in run.output
    assert "Plan the upgrade" not in run.output


def test_only_the_playbook_that_fills_a_directory_does() -> None:
    filling = "ansible.builtin.import_playbook: artifacts.yml"
    assert [path.name for path in CHECKOUT.glob("playbooks/*.yml") if filling in path.read_text()] == []
