"""Taints in cluster_config.yaml: who is kept away, who is not, and who would run nowhere."""

from __future__ import annotations

import pytest

from data_miner.errors import ConfigError
from miner_cluster.manifests_infrastructure import infrastructure_items
from miner_cluster.taints import repels, toleration
from tests.unit.cluster.conftest import GOOD, Load, Render

MINING = "dedicated=mining:NoSchedule"


def tainted(name: str, *taints: str, text: str = GOOD) -> str:
    """The right file with taints on a machine."""
    line = next(line for line in text.splitlines() if line.startswith(f"    {name}: {{"))
    return text.replace(line, f"{line[:-1]}, taints: [{', '.join(taints)}]}}")


#: the same with workers on the master that tolerate what keeps others away there
TOLERANT = tainted("one", MINING).replace(
    "schedule_on: master}", "schedule_on: master, tolerations: [dedicated:NoSchedule]}"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MINING, {"key": "dedicated", "operator": "Equal", "value": "mining", "effect": "NoSchedule"}),
        ("a.b/c:NoExecute", {"key": "a.b/c", "operator": "Exists", "effect": "NoExecute"}),
    ],
)
def test_a_toleration_is_what_kubernetes_has(text: str, found: dict[str, str]) -> None:
    assert toleration(text) == found


@pytest.mark.parametrize(
    ("taint", "tolerated", "kept_away"),
    [
        (MINING, [], True),
        (MINING, [MINING], False),
        (MINING, ["dedicated:NoSchedule"], False),
        (MINING, ["dedicated:NoExecute"], True),
        (MINING, ["dedicated=other:NoSchedule"], True),
        ("dedicated:NoSchedule", [MINING], True),
        ("dedicated=mining:PreferNoSchedule", [], False),
    ],
)
def test_a_taint_keeps_away_what_does_not_tolerate_it(
    taint: str, tolerated: list[str], kept_away: bool
) -> None:
    assert bool(repels([taint], tolerated)) == kept_away


def test_what_stores_and_what_one_machine_alone_can_run_is_not_kept_away(load: Load, render: Render) -> None:
    cluster = load(TOLERANT)
    objects = {
        (o["kind"], o["metadata"]["name"]): o["spec"]
        for o in (i["object"] for i in render(cluster))
        if "spec" in o
    }
    for name in ("volume-one", "master", "filer"):
        assert objects["StatefulSet", name]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    for kind, name in (("StatefulSet", "postgres"), ("Job", "db-migrate")):
        found = [o for (k, n), o in objects.items() if k == kind and n.startswith(name)]
        assert toleration(MINING) in found[0]["template"]["spec"]["tolerations"]


def test_workers_tolerate_what_the_file_says_and_no_more(load: Load, render: Render) -> None:
    cluster = load(TOLERANT)
    workers = {
        i["object"]["metadata"]["name"]: i["object"]["spec"]["template"]["spec"]
        for i in render(cluster, "workers")
        if i["object"]["kind"] in {"Deployment", "StatefulSet"}
    }
    assert toleration("dedicated:NoSchedule") in workers["extract-worker"]["tolerations"]
    assert "tolerations" not in workers["download-worker"]
    assert toleration("dedicated:NoSchedule") not in workers["filter-worker"]["tolerations"]


def test_a_job_that_tolerates_something_else_is_another_one(load: Load) -> None:
    names = {
        item.vars["name"]
        for text in (GOOD, TOLERANT)
        for item in infrastructure_items(load(text), {})
        if item.path == "infrastructure/db-migrate-job.yaml"
    }
    assert len(names) == 2


def test_what_would_run_nowhere_is_told_before_anything_is_touched(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tainted("one", MINING))
    assert "workers.extract" in str(caught.value)
    assert f"every machine that it may run on keeps it away: {MINING}" in str(caught.value)
    assert "tolerations" in str(caught.value)
    assert "workers.download" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (
            tainted("two", "dedicated"),
            "cluster.nodes.two.taints",
            "a taint such as dedicated=mining:NoSchedule",
        ),
        (
            tainted("two", "node.kubernetes.io/not-ready:NoExecute"),
            "cluster.nodes.two.taints",
            "by Kubernetes itself",
        ),
        (tainted("two", "a=b:NoSchedule", "a=c:NoSchedule"), "cluster.nodes.two.taints", "there 2 times"),
    ],
)
def test_what_is_no_taint_is_named(load: Load, text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert key in str(caught.value)
    assert words in str(caught.value)


def test_machines_that_all_have_one_leave_no_place_for_coredns(load: Load) -> None:
    text = GOOD
    for name in ("one", "two", "three"):
        text = tainted(name, MINING, text=text)
    with pytest.raises(ConfigError, match="CoreDNS"):
        load(text)


def test_a_server_that_is_for_the_control_plane_alone_is_a_place_for_coredns(load: Load) -> None:
    text = tainted("one", "node-role.kubernetes.io/control-plane:NoSchedule")
    for name in ("two", "three"):
        text = tainted(name, "dedicated=mining:PreferNoSchedule", text=text)
    assert load(text).nodes["one"].taints == ["node-role.kubernetes.io/control-plane:NoSchedule"]
