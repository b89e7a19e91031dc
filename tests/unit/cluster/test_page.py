"""The monitor's web page: where it is reached, what it gets, and what it keeps away from."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.requests import total_requests
from tests.unit.cluster.conftest import GOOD, Load, Render

MONITOR = "  monitor: {replicas: 1, schedule_on: master}"


def with_monitor(keys: str) -> str:
    assert MONITOR in GOOD
    return GOOD.replace(MONITOR, f"  monitor: {{replicas: 1, schedule_on: master, {keys}}}")


def objects(render: Render, load: Load, text: str) -> dict[str, dict[str, Any]]:
    return {item["path"]: item["object"] for item in render(load(text), "workers")}


def containers(rendered: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = rendered["workers/monitor-deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    return {container["name"]: container for container in found}


def test_it_is_reached_at_30090_unless_the_file_says_otherwise(render: Render, load: Load) -> None:
    for text, port in ((GOOD, 30090), (with_monitor("node_port: 31000"), 31000)):
        service = objects(render, load, text)["workers/monitor-page-service.yaml"]
        assert service["spec"]["type"] == "NodePort"
        assert service["spec"]["ports"][0]["nodePort"] == port


def test_null_takes_the_page_away(render: Render, load: Load) -> None:
    rendered = objects(render, load, with_monitor("node_port: null"))
    assert set(containers(rendered)) == {"monitor"}
    assert "workers/monitor-page-service.yaml" not in rendered
    assert load(with_monitor("node_port: null")).node_ports == {}


def test_it_is_a_container_of_its_own_that_can_not_write_to_the_storage(render: Render, load: Load) -> None:
    both = containers(objects(render, load, GOOD))
    assert list(both) == ["monitor", "page"]
    page = both["page"]
    assert page["resources"]["limits"] == both["monitor"]["resources"]["limits"]
    assert {mount["name"]: mount.get("readOnly") for mount in page["volumeMounts"]} == {
        "config": True,
        "tmp": None,
        "shared": True,
    }


def test_its_token_comes_from_a_secret_and_reaches_the_page_alone(render: Render, load: Load) -> None:
    both = containers(objects(render, load, GOOD))
    tokens = {
        name: [entry for entry in container["env"] if entry["name"] == "DATA_MINER_PAGE_TOKEN"]
        for name, container in both.items()
    }
    assert tokens["monitor"] == []
    (token,) = tokens["page"]
    assert token["valueFrom"]["secretKeyRef"]["name"] == "monitor-page"
    assert "HF_TOKEN" not in {entry["name"] for entry in both["page"]["env"]}


def test_it_logs_in_to_the_database_as_a_role_of_its_own(render: Render, load: Load) -> None:
    both = containers(objects(render, load, GOOD))
    page, monitor = ({entry["name"]: entry for entry in both[name]["env"]} for name in ("page", "monitor"))
    assert page["DATABASE_URL"]["value"].startswith("postgresql://data_miner_page@postgres.")
    secrets = [
        page["PGPASSWORD"]["valueFrom"]["secretKeyRef"],
        monitor["DATA_MINER_PAGE_DATABASE_PASSWORD"]["valueFrom"]["secretKeyRef"],
    ]
    assert {(secret["name"], secret["key"]) for secret in secrets} == {("monitor-page", "database-password")}
    assert "postgres" not in str(page["PGPASSWORD"])


def test_both_containers_of_a_pod_have_ports_of_their_own(render: Render, load: Load) -> None:
    both = containers(objects(render, load, GOOD + "  worker: {port: 8090}\n"))
    ports = [port["containerPort"] for container in both.values() for port in container["ports"]]
    assert ports == [8090, 8091]


def test_kubectl_means_the_monitor_where_no_container_is_named(render: Render, load: Load) -> None:
    template = objects(render, load, GOOD)["workers/monitor-deployment.yaml"]["spec"]["template"]
    assert template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "monitor"


def test_preflight_counts_what_it_requests(load: Load) -> None:
    alone, both = (total_requests(load(text))["cpu"] for text in (with_monitor("node_port: null"), GOOD))
    assert both - alone == 250


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("hf_token: true", "hf_token: true, node_port: 30091"), "only monitor has one"),
        (with_monitor("node_port: 30300"), "30300 is taken by grafana"),
    ],
)
def test_a_port_that_can_not_be_is_named(load: Load, text: str, said: str) -> None:
    grafana = '  grafana: {kind: Deployment, image: "grafana/grafana:10.0.0", node_port: 30300}\n'
    with pytest.raises(Exception, match=said):
        load(text.replace("k3s_app_overrides:", f"{grafana}k3s_app_overrides:"))
