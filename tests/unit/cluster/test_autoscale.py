"""Where the number of a worker's pods is left to KEDA."""

from __future__ import annotations

from typing import Any

from tests.unit.cluster.conftest import GOOD, Load, Render

WITHOUT = "  extract: {replicas: 2, schedule_on: master}"
SCALED = "  extract: {schedule_on: master, autoscale: {min: 1, max: 6, items_per_replica: 20}}"


def objects(render: Render, load: Load, text: str) -> dict[str, dict[str, Any]]:
    return {
        f"{item['object']['kind']}/{item['object']['metadata']['name']}": item["object"]
        for item in render(load(text))
        if item["object"]["metadata"].get("namespace") == "data-miner"
    }


def test_keda_gets_the_number_and_nobody_else_sets_it(render: Render, load: Load) -> None:
    assert WITHOUT in GOOD
    found = objects(render, load, GOOD.replace(WITHOUT, SCALED))
    scaled = found["ScaledObject/extract-worker"]["spec"]
    target = scaled["scaleTargetRef"]
    assert "replicas" not in found[f"{target['kind']}/{target['name']}"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 6)
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["targetQueryValue"] == "20"
    login = found[f"TriggerAuthentication/{trigger['authenticationRef']['name']}"]["spec"]
    assert login["secretTargetRef"] == [{"parameter": "password", "name": "postgres", "key": "password"}]


def test_only_keda_may_ask_the_database_from_another_namespace(render: Render, load: Load) -> None:
    def namespaces(text: str) -> list[str]:
        rules = objects(render, load, text)["NetworkPolicy/postgres"]["spec"]["ingress"]
        return [
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in rules
            for peer in rule["from"]
            if "namespaceSelector" in peer
        ]

    assert namespaces(GOOD) == []
    assert namespaces(GOOD.replace(WITHOUT, SCALED)) == ["keda"]


def test_without_it_nothing_of_keda_is_rendered(render: Render, load: Load) -> None:
    kinds = {name.partition("/")[0] for name in objects(render, load, GOOD)}
    assert not kinds & {"ScaledObject", "TriggerAuthentication"}
