"""Who may talk to whom: what the rendered NetworkPolicies allow, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.cluster.conftest import GOOD, Load, Render

SERVICES = """\
  loki: {kind: StatefulSet, image: "grafana/loki:2.9.0"}
  grafana: {kind: Deployment, image: "grafana/grafana:10.0.0", node_port: 30300}
  adminer: {kind: Deployment, image: "adminer:4.8.1", node_port: 30080}
"""
FULL = GOOD.replace("k3s_app_overrides:", SERVICES + "k3s_app_overrides:").replace(
    "  filter: {replicas: 1, schedule_on: gpu, hf_token: true}", "  filter: {replicas: 1, schedule_on: gpu}"
)
NO_MODELS = "  stages: [search, download, extract]\n"
HUB_FILTER = """\
  stages: [search, download, extract, filter]
  filter: {model: MODEL, positive_prompts: [a door]}
"""
Policies = dict[tuple[str, str], dict[str, Any]]
#: caller, called, port; the open world is called "*"
Call = tuple[str, str, int]


@pytest.fixture
def policies(render: Render, load: Load) -> Policies:
    return collect(render, load, FULL + NO_MODELS)


def collect(render: Render, load: Load, text: str) -> Policies:
    cluster = load(text)
    objects = [item["object"] for item in [*render(cluster, "policies"), *render(cluster, "seaweedfs-base")]]
    return {
        (obj["metadata"]["namespace"], obj["metadata"]["name"]): obj["spec"]
        for obj in objects
        if obj["kind"] == "NetworkPolicy"
    }


def label(selector: dict[str, Any]) -> str:
    (value,) = selector["podSelector"]["matchLabels"].values()
    return str(value)


def arriving(policies: Policies, namespace: str) -> set[Call]:
    return {
        (label(peer), label(spec), port["port"])
        for (where, _), spec in policies.items()
        for rule in spec.get("ingress", [])
        for peer in rule.get("from", [{"podSelector": {"matchLabels": {"": "*"}}}])
        for port in rule["ports"]
        if where == namespace
    }


def leaving(policies: Policies, namespace: str) -> set[Call]:
    return {
        (label(spec), label(peer), port["port"])
        for (where, _), spec in policies.items()
        for rule in spec.get("egress", [])
        for peer in rule["to"]
        for port in rule["ports"]
        if where == namespace and "namespaceSelector" not in peer and "ipBlock" not in peer
    }


def test_both_namespaces_deny_everything_first_and_let_every_pod_look_up_names(policies: Policies) -> None:
    for namespace in ("data-miner", "seaweedfs"):
        deny = policies[namespace, "default-deny"]
        assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        (rule,) = policies[namespace, "dns"]["egress"]
        assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
        assert rule["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


def test_the_application_calls_exactly_what_it_needs(policies: Policies) -> None:
    workers = ["download-worker", "extract-worker", "filter-worker", "monitor-worker"]
    assert leaving(policies, "data-miner") == {
        *((worker, "postgres", 5432) for worker in workers),
        *((worker, "loki", 3100) for worker in workers),
        ("db-migrate", "postgres", 5432),
        ("adminer", "postgres", 5432),
        ("grafana", "postgres", 5432),
        ("grafana", "loki", 3100),
    }


def test_storage_servers_call_exactly_what_they_need(policies: Policies) -> None:
    """By gRPC, which wants a certificate, and for the pieces of files by HTTP, which wants a token."""
    grpc = {
        ("filer", "master", 19333),
        ("volume", "master", 19333),
        ("master", "filer", 18888),
        ("mount", "filer", 18888),
        ("master", "volume", 18080),
        ("filer", "volume", 18080),
        ("volume", "volume", 18080),
    }
    pieces = {("filer", "volume", 8080), ("volume", "volume", 8080), ("mount", "volume", 8080)}
    assert leaving(policies, "seaweedfs") == grpc | pieces


@pytest.mark.parametrize("namespace", ["data-miner", "seaweedfs"])
def test_what_may_leave_may_arrive_and_the_other_way_round(policies: Policies, namespace: str) -> None:
    inside = {call for call in arriving(policies, namespace) if call[0] != "*"}
    assert inside == leaving(policies, namespace)


def test_only_services_with_a_node_port_are_reached_from_outside(policies: Policies) -> None:
    outside = {call[1:] for call in arriving(policies, "data-miner") if call[0] == "*"}
    assert outside == {("grafana", 3000), ("adminer", 8080), ("monitor-worker", 8090)}
    assert not {call for call in arriving(policies, "seaweedfs") if call[0] == "*"}


def to_addresses(policies: Policies) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Each block of addresses that pods may call: whose pods, the block, the ports."""
    for spec in policies.values():
        for rule in spec.get("egress", []):
            for peer in rule["to"]:
                if "ipBlock" in peer:
                    yield label(spec), peer["ipBlock"], rule["ports"]


def to_internet(policies: Policies) -> dict[str, dict[str, Any]]:
    return {who: block for who, block, _ in to_addresses(policies) if block["cidr"] == "0.0.0.0/0"}


def test_only_downloads_reach_the_internet_and_never_the_cluster_that_way(policies: Policies) -> None:
    blocks = to_internet(policies)
    assert set(blocks) == {"download-worker"}
    excepted = set(blocks["download-worker"]["except"])
    assert {"10.42.0.0/16", "10.43.0.0/16", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"} <= excepted


def test_only_the_monitor_calls_the_api_and_only_there(policies: Policies) -> None:
    """It looks when the API's certificate ends."""
    found = [call for call in to_addresses(policies) if call[1]["cidr"] != "0.0.0.0/0"]
    assert found == [
        ("monitor-worker", {"cidr": "192.0.2.1/32"}, [{"protocol": "TCP", "port": 6443}]),
    ]


@pytest.mark.parametrize(("model", "reaches"), [("org/model", True), ("/models/tiny", False)])
def test_a_model_of_a_hub_opens_the_way_to_it(
    render: Render, load: Load, model: str, *, reaches: bool
) -> None:
    found = to_internet(collect(render, load, FULL + HUB_FILTER.replace("MODEL", model)))
    assert ("filter-worker" in found) is reaches


def test_prometheus_reads_metrics_and_nothing_else(render: Render, load: Load) -> None:
    text = FULL.replace("  k3s_version:", "  prometheus_namespace: monitoring\n  k3s_version:") + NO_MODELS
    rules = {
        (name, port["port"])
        for (_, name), spec in collect(render, load, text).items()
        for rule in spec.get("ingress", [])
        for peer in rule.get("from", [])
        for port in rule["ports"]
        if "monitoring" in str(peer)
    }
    workers = {(f"{stage}-worker", 8080) for stage in ("download", "extract", "filter", "monitor")}
    assert rules == workers | {("volume", 9327)}


def test_prometheus_finds_what_it_may_read(render: Render, load: Load) -> None:
    def scraped(text: str) -> dict[str, str]:
        cluster = load(text + NO_MODELS)
        objects = [item["object"] for phase in ("workers", "seaweedfs") for item in render(cluster, phase)]
        pods = {o["metadata"]["name"]: o["spec"]["template"] for o in objects if "template" in o["spec"]}
        return {
            name: pod["metadata"]["annotations"]["prometheus.io/port"]
            for name, pod in pods.items()
            if "prometheus.io/scrape" in pod["metadata"].get("annotations", {})
        }

    assert scraped(FULL) == {}
    found = scraped(FULL.replace("  k3s_version:", "  prometheus_namespace: monitoring\n  k3s_version:"))
    workers = {f"{stage}-worker": "8080" for stage in ("download", "extract", "filter", "monitor")}
    assert found == workers | {f"volume-{node}": "9327" for node in ("one", "two", "three")}
