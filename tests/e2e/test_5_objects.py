"""What people do to objects by hand: the usual commands work, and site.yml takes back what differs."""

from __future__ import annotations

import copy
import functools
import operator
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster.kube.applied import is_applied
from miner_cluster.kube.diff import replicas_kept
from miner_cluster.kube.prune import key
from tests.e2e.lab import ROOT, Lab, Run, wait_for

#: as people know them from this system's first version
COMMANDS = """\
kubectl exec -n data-miner deploy/monitor-worker -- python -m data_miner.cli status
kubectl logs -n data-miner -l app=download-worker --tail=50
kubectl logs -n data-miner deploy/filter-worker --tail=50
kubectl apply -f manifests/workers/
kubectl apply -f manifests/infrastructure/
kubectl -n data-miner scale statefulset download-worker --replicas=6
kubectl -n data-miner scale deployment extract-worker --replicas=4
kubectl rollout restart deployment -n data-miner
kubectl rollout restart statefulset -n data-miner
""".splitlines()
#: one of each kind that may go at any time
DELETED = [
    "data-miner statefulset/download-worker",
    "data-miner deployment/extract-worker",
    "data-miner service/postgres",
    "data-miner configmap/data-miner-config",
    "data-miner networkpolicy/dns",
    "data-miner poddisruptionbudget/download-worker",
    "data-miner secret/postgres",
    "seaweedfs networkpolicy/filer",
]
KINDS = (
    "deployments.apps,statefulsets.apps,daemonsets.apps,jobs.batch,services,configmaps,serviceaccounts,"
    "networkpolicies.networking.k8s.io,poddisruptionbudgets.policy,secrets"
)
OURS = "app.kubernetes.io/managed-by=ansible"


def with_env(lab: Lab, command: str) -> str:
    """Run a command as a person does: . .state/<cluster>/env, then the command."""
    done = subprocess.run(
        ["bash", "-ec", f". {lab.state}/env\n{command}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def converge(lab: Lab, *args: str) -> Run:
    return lab.play("site.yml", "--tags", "seaweedfs,app", *args).ok()


def pods(lab: Lab) -> dict[str, str]:
    """Identity of each pod that runs."""
    found = [*lab.get("pods", "-n", "data-miner")["items"], *lab.get("pods", "-n", "seaweedfs")["items"]]
    return {
        pod["metadata"]["name"]: pod["metadata"]["uid"]
        for pod in found
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    }


def identities(lab: Lab) -> dict[str, str]:
    """Identity of each object of ours, by namespace, kind and name."""
    return {
        f"{item['metadata']['namespace']} {item['kind'].lower()}/{item['metadata']['name']}": item[
            "metadata"
        ]["uid"]
        for item in lab.get(KINDS, "-A", "-l", OURS)["items"]
        if not item["metadata"].get("ownerReferences")
    }


def drift(lab: Lab) -> str:
    shown = lab.play("playbooks/status.yml").output
    return shown.partition("drift, which site.yml takes back:")[2]


def workers(lab: Lab) -> dict[str, Any]:
    items = lab.get("deployments,statefulsets", "-n", "data-miner")["items"]
    return {item["metadata"]["name"]: item for item in items}


def test_the_commands_that_people_know_work(lab: Lab) -> None:
    lab.play("playbooks/render.yml").ok()
    for command in COMMANDS[:5]:
        with_env(lab, command)


def values(obj: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of all values in an object."""
    children = obj.items() if isinstance(obj, dict) else enumerate(obj) if isinstance(obj, list) else ()
    found = [place for name, below in children for place in values(below, (*path, name))]
    yield from found or [path]


def test_what_was_applied_is_known_without_asking_and_any_other_value_is_noticed(lab: Lab) -> None:
    named = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
    there = lab.get("--recursive", "-f", str(ROOT / "manifests"), "--show-managed-fields")["items"]
    by_key = {key(obj): obj for obj in there}
    for file in sorted((ROOT / "manifests").rglob("*.yaml")):
        wanted = yaml.safe_load(file.read_text("utf-8"))
        present = by_key[key(wanted)]
        with_pods = replicas_kept(wanted, present)
        assert is_applied(wanted, present) or is_applied(with_pods, present), file
        for path in set(values(wanted)) - named:
            other = copy.deepcopy(wanted)
            place = functools.reduce(operator.getitem, path[:-1], other)
            place[path[-1]] = f"not {place[path[-1]]}"
            assert not is_applied(other, present), (file, path)


def test_applying_the_rendered_tree_by_hand_changed_nothing(lab: Lab) -> None:
    before = pods(lab)
    check = converge(lab, "--check", "--diff")
    assert set(check.changed.values()) == {0}, check.output
    assert pods(lab) == before


def test_scaling_is_reported_and_taken_back_and_nothing_else_rolls(lab: Lab) -> None:
    before = pods(lab)
    for command in COMMANDS[5:7]:
        with_env(lab, command)
    seen = drift(lab)
    assert "StatefulSet data-miner/download-worker: spec.replicas is 6, not 3" in seen
    assert "Deployment data-miner/extract-worker: spec.replicas is 4, not 2" in seen
    converge(lab)
    wait_for("the additional pods are gone", lambda: len(pods(lab)) == len(before))
    kept = pods(lab)
    assert {name for name in before if not name.startswith("extract")} == {
        name for name in kept if not name.startswith("extract")
    }
    assert all(kept[name] == uid for name, uid in before.items() if not name.startswith("extract"))


def test_a_restart_by_hand_is_left_alone(lab: Lab) -> None:
    before = pods(lab)
    for command in COMMANDS[7:]:
        with_env(lab, command)
    for name, workload in workers(lab).items():
        with_env(lab, f"kubectl -n data-miner rollout status {workload['kind']}/{name} --timeout=170s")
    wait_for("the database is back", lambda: lab.status()["projects"]["demo"])
    after = pods(lab)
    assert not {name for name, uid in before.items() if "-worker" in name and after.get(name) == uid}
    assert set(converge(lab).changed.values()) == {0}
    assert pods(lab) == after


def test_what_was_added_by_hand_is_shown_and_removed(lab: Lab) -> None:
    with_env(lab, "kubectl -n data-miner set env deployment/extract-worker MORE=1")
    with_env(lab, "kubectl -n data-miner label service postgres team=x")
    with_env(lab, "kubectl -n data-miner annotate networkpolicy dns note=x")
    check = converge(lab, "--check", "--diff").output
    assert "-        - name: MORE" in check
    assert "-    team: x" in check
    assert "-    note: x" in check
    converge(lab)
    container = workers(lab)["extract-worker"]["spec"]["template"]["spec"]["containers"][0]
    assert "MORE" not in {variable["name"] for variable in container["env"]}
    assert "team" not in lab.get("service", "postgres", "-n", "data-miner")["metadata"]["labels"]
    assert set(converge(lab).changed.values()) == {0}


def put_back(lab: Lab, objects: list[str]) -> None:
    """Delete objects, run site.yml, and see that exactly they are new."""
    before = identities(lab)
    assert set(objects) <= set(before)
    for obj in objects:
        namespace, name = obj.split()
        lab.kubectl("delete", "-n", namespace, name)
    converge(lab)
    after = identities(lab)
    assert set(after) == set(before)
    assert {obj for obj in after if after[obj] != before[obj]} == set(objects)


def test_deleted_objects_come_back_and_nothing_else_is_touched(lab: Lab) -> None:
    put_back(lab, DELETED)
    assert set(converge(lab).changed.values()) == {0}


@pytest.fixture
def config(lab: Lab) -> Iterator[Path]:
    """The lab's cluster_config.yaml, which is put back afterwards."""
    file = lab.inventory / "cluster_config.yaml"
    text = file.read_text()
    try:
        yield file
    finally:
        file.write_text(text)
        converge(lab)


def test_a_number_that_is_left_to_others_stays_and_a_token_restarts_who_gets_it(
    lab: Lab, config: Path
) -> None:
    changed = re.sub(
        r"extract: {replicas: \d+", "extract: {replicas: null, hf_token: true", config.read_text()
    )
    config.write_text(changed)
    assert "null" in changed
    converge(replace(lab, env={"HF_TOKEN": "hf_first"}))
    assert workers(lab)["extract-worker"]["spec"]["replicas"] == 2
    with_env(lab, "kubectl -n data-miner scale deployment extract-worker --replicas=1")
    wait_for("one is gone", lambda: sum("extract" in name for name in pods(lab)) == 1)
    before = pods(lab)
    second = converge(replace(lab, env={"HF_TOKEN": "hf_second"}), "--diff")
    assert "hf_second" not in second.output
    assert workers(lab)["extract-worker"]["spec"]["replicas"] == 1
    wait_for("the old one is gone", lambda: sum("extract" in name for name in pods(lab)) == 1)
    after = pods(lab)
    assert {name for name, uid in before.items() if after.get(name) != uid} == {
        name for name in before if name.startswith("extract")
    }
    assert "spec.replicas" not in drift(lab)
    # A controller without the token leaves the one that is there, and restarts nobody.
    assert set(converge(lab).changed.values()) == {0}


def test_a_pod_calls_only_whom_it_may(lab: Lab) -> None:
    filer = lab.get("pod", "filer-0", "-n", "seaweedfs")["status"]["podIP"]
    server = lab.nodes()[next(iter(lab.nodes()))]
    # A machine always reaches the pods that it runs itself, so the caller is on another one than the filer.
    extract = lab.get("pods", "-n", "data-miner", "-l", "app=extract-worker")["items"]
    pod = next(pod for pod in extract if pod["spec"]["nodeName"] != next(iter(lab.nodes())))
    program = (
        "import socket,sys\n"
        "for host, port in (a.rsplit(':', 1) for a in sys.argv[1:]):\n"
        "    try: socket.create_connection((host, int(port)), 5).close(); print('open')\n"
        "    except OSError: print('shut')\n"
    )
    asked = ["postgres:5432", f"{filer}:8888", f"{server}:6443", "10.43.0.1:443"]
    said = lab.kubectl(
        "exec", "-n", "data-miner", pod["metadata"]["name"], "--", "python", "-c", program, *asked
    )
    assert said.split() == ["open", "shut", "shut", "shut"]


@pytest.mark.soak
def test_any_one_object_that_is_deleted_comes_back(lab: Lab) -> None:
    for obj in sorted(identities(lab)):
        put_back(lab, [obj])
