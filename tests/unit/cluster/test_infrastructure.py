"""The services beside the workers, as objects: Loki, Grafana, Adminer."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from miner_cluster import grafana
from tests.unit.cluster.conftest import GOOD, Load, Render

SERVICES = """\
  postgres: {kind: StatefulSet, image: "postgres:16", port: 5432}
  loki: {kind: StatefulSet, image: "grafana/loki:3.7.8", port: 3100}
  grafana: {kind: Deployment, image: "grafana/grafana:12.0.0", node_port: 30300}
  adminer: {kind: Deployment, image: "adminer:4.8.1", node_port: 30080}
"""
ALL = GOOD.replace('  postgres: {kind: StatefulSet, image: "postgres:16", port: 5432}\n', SERVICES)


@pytest.fixture
def objects(render: Render, load: Load) -> dict[str, Any]:
    """All objects by the path of their file."""
    return by_path(render(load(ALL)))


def by_path(rendered: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["path"]: item["object"] for item in rendered}


def datasources(objects: dict[str, Any]) -> dict[str, Any]:
    text = objects["config/grafana-provisioning-configmap.yaml"]["data"]["datasources.yaml"]
    return {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}


def pod(objects: dict[str, Any], path: str) -> Any:
    return objects[path]["spec"]["template"]["spec"]


def test_data_sources_have_the_addresses_of_their_services(objects: dict[str, Any]) -> None:
    """Once a data source without a URL was deployed, and Grafana showed no labels."""
    found = datasources(objects)
    assert found["loki"]["url"] == "http://loki.data-miner.svc.cluster.local:3100"
    assert found["postgres"]["url"] == "postgres.data-miner.svc.cluster.local:5432"
    assert found["postgres"]["database"] == found["postgres"]["jsonData"]["database"] == "data_miner"


def test_a_data_source_without_its_service_is_left_out_rather_than_empty(render: Render, load: Load) -> None:
    def without(*words: str) -> dict[str, Any]:
        lines = [line for line in ALL.splitlines() if not any(word in line for word in words)]
        return by_path(render(load("\n".join(lines))))

    assert set(datasources(without("grafana/loki"))) == {"postgres"}
    objects = without("postgres:16", "workers:", "replicas:")
    assert set(datasources(objects)) == {"loki"}
    assert "initContainers" not in pod(objects, "infrastructure/grafana-deployment.yaml")


def test_other_ports_and_namespaces_reach_all_that_name_them(render: Render, load: Load) -> None:
    other = ALL.replace("port: 3100", "port: 3200").replace("port: 5432", "port: 5433")
    objects = by_path(render(load(other.replace("namespace: data-miner", "namespace: mine"))))
    found = datasources(objects)
    assert found["loki"]["url"] == "http://loki.mine.svc.cluster.local:3200"
    assert found["postgres"]["url"] == "postgres.mine.svc.cluster.local:5433"
    assert objects["config/configmap.yaml"]["data"]["LOKI_URL"] == found["loki"]["url"]
    loki = yaml.safe_load(objects["config/loki-config-configmap.yaml"]["data"]["config.yaml"])
    assert loki["server"]["http_listen_port"] == 3200
    (allowed,) = objects["policies/loki-networkpolicy.yaml"]["spec"]["ingress"]
    assert allowed["ports"] == [{"protocol": "TCP", "port": 3200}]


def test_passwords_come_from_secrets_only(objects: dict[str, Any]) -> None:
    assert datasources(objects)["postgres"]["secureJsonData"] == {
        "password": "${" + grafana.READER_PASSWORD + "}"
    }
    deployment = pod(objects, "infrastructure/grafana-deployment.yaml")
    (container,) = deployment["containers"]
    env = {one["name"]: one for one in container["env"]}
    assert env["GF_SECURITY_ADMIN_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "admin-password"
    assert env[grafana.READER_PASSWORD]["valueFrom"]["secretKeyRef"]["key"] == "reader-password"
    assert datasources(objects)["postgres"]["user"] == grafana.READER != "postgres"


def test_people_reach_grafana_and_adminer_on_every_machine(objects: dict[str, Any]) -> None:
    for name, port in (("grafana", 30300), ("adminer", 30080)):
        spec = objects[f"infrastructure/{name}-service.yaml"]["spec"]
        assert (spec["type"], spec["ports"][0]["nodePort"]) == ("NodePort", port)
        (allowed,) = objects[f"policies/{name}-networkpolicy.yaml"]["spec"]["ingress"]
        assert "from" not in allowed


def test_loki_has_an_address_within_the_cluster_and_the_database_none(objects: dict[str, Any]) -> None:
    assert "clusterIP" not in objects["infrastructure/loki-service.yaml"]["spec"]
    assert objects["infrastructure/postgres-service.yaml"]["spec"]["clusterIP"] == "None"


def test_a_policy_allows_the_port_on_which_the_pod_listens(render: Render, load: Load) -> None:
    # Adminer's image listens where it does, whatever its Service's port is.
    other = ALL.replace("node_port: 30080", "port: 9000, node_port: 30080")
    objects = by_path(render(load(other)))
    assert objects["infrastructure/adminer-service.yaml"]["spec"]["ports"][0]["port"] == 9000
    kinds = {
        "postgres": "statefulset",
        "loki": "statefulset",
        "grafana": "deployment",
        "adminer": "deployment",
    }
    for name, kind in kinds.items():
        (container,) = pod(objects, f"infrastructure/{name}-{kind}.yaml")["containers"]
        (listening,) = container["ports"]
        assert (
            listening["name"]
            == objects[f"infrastructure/{name}-service.yaml"]["spec"]["ports"][0]["targetPort"]
        )
        (allowed,) = objects[f"policies/{name}-networkpolicy.yaml"]["spec"]["ingress"]
        assert [port["port"] for port in allowed["ports"]] == [listening["containerPort"]]


def test_files_of_a_service_roll_its_pod_and_no_other(render: Render, load: Load) -> None:
    def annotations(text: str) -> dict[str, Any]:
        found = by_path(render(load(text), "infrastructure"))
        return {
            path: obj["spec"]["template"]["metadata"].get("annotations")
            for path, obj in found.items()
            if "template" in obj["spec"]
        }

    before, after = annotations(ALL), annotations(ALL.replace("port: 3100", "port: 3200"))
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"infrastructure/loki-statefulset.yaml", "infrastructure/grafana-deployment.yaml"}


def test_every_key_that_is_mounted_is_in_its_configmap(objects: dict[str, Any]) -> None:
    spec = pod(objects, "infrastructure/grafana-deployment.yaml")
    for volume in spec["volumes"]:
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            data = objects[f"config/{name}-configmap.yaml"]["data"]
            assert {item["key"] for item in volume["configMap"].get("items", [])} <= set(data)
            assert sum(len(text) for text in data.values()) < 1 << 19


def test_dashboards_and_rules_name_data_sources_that_are_provisioned(objects: dict[str, Any]) -> None:
    data = objects["config/grafana-dashboards-configmap.yaml"]["data"]
    rules = json.loads(objects["config/grafana-provisioning-configmap.yaml"]["data"]["alerts.json"])
    uids = {
        target["datasource"]["uid"]
        for text in data.values()
        for panel in json.loads(text)["panels"]
        for target in panel["targets"]
    }
    uids |= {
        step["datasourceUid"] for group in rules["groups"] for rule in group["rules"] for step in rule["data"]
    }
    assert uids - {"__expr__"} == set(datasources(objects))
    home = "pipeline.json"
    (container,) = pod(objects, "infrastructure/grafana-deployment.yaml")["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{grafana.DASHBOARDS_DIR}/{home}"
    assert home in data
