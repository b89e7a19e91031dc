"""Another first server than before: databases and filer would start empty on it, so it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.cluster import Cluster
from miner_cluster.first_server import first_server_dirs, moved_troubles
from tests.unit.preflight.conftest import Look

UNIT = "/etc/systemd/system/k3s.service"
POSTGRES, FILER = "/data/data_miner_db/postgres", "/data/seaweed/filer"


@pytest.fixture
def servers(cluster: Cluster) -> Cluster:
    """Make all machines of the lab servers; lab-server comes first."""
    nodes = {name: node.model_copy(update={"role": "server"}) for name, node in cluster.nodes.items()}
    return cluster.model_copy(update={"nodes": nodes})


def everywhere(cluster: Cluster, facts: Look, **others: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: facts(**others.get(name.replace("-", "_"), {})) for name in cluster.nodes}


def test_new_machines_may_come_in_any_order(servers: Cluster, facts: Look) -> None:
    assert moved_troubles(servers, everywhere(servers, facts)) == []


def test_a_cluster_that_stays_as_it_is_moves_nothing(servers: Cluster, facts: Look) -> None:
    first = {"k3s_units": [UNIT], "data_dirs": [POSTGRES, FILER]}
    joined = {"k3s_units": [UNIT]}
    assert moved_troubles(servers, everywhere(servers, facts, lab_server=first, lab_agent_1=joined)) == []


def test_data_on_another_server_is_named_with_both(servers: Cluster, facts: Look) -> None:
    assert {POSTGRES, FILER} <= set(first_server_dirs(servers))
    look = everywhere(
        servers,
        facts,
        lab_server={"k3s_units": [UNIT]},
        lab_agent_1={"k3s_units": [UNIT], "data_dirs": [POSTGRES, FILER]},
    )
    (only,) = moved_troubles(servers, look)
    assert only.where == "lab-server"
    assert only.found == f"is the first server now, and {POSTGRES}, {FILER} lies on lab-agent-1"
    assert only.remedy.startswith("list lab-agent-1 first in cluster.nodes of cluster_config.yaml again")
    assert "/data/data_miner_db/secrets" in only.remedy


def test_data_that_was_moved_or_copied_is_where_it_should_be(servers: Cluster, facts: Look) -> None:
    holds = {"data_dirs": [POSTGRES]}
    assert moved_troubles(servers, everywhere(servers, facts, lab_server=holds, lab_agent_1=holds)) == []


def test_a_cluster_that_another_server_made_is_named(servers: Cluster, facts: Look) -> None:
    (only,) = moved_troubles(servers, everywhere(servers, facts, lab_agent_2={"k3s_units": [UNIT]}))
    assert "the cluster was made on lab-agent-2" in only.found
    assert "teardown.yml before you change the order" in only.remedy


def test_a_foreign_k3s_and_an_unknown_machine_say_nothing(servers: Cluster, facts: Look) -> None:
    foreign = {"k3s_units": [UNIT], "foreign_units": [UNIT]}
    assert moved_troubles(servers, everywhere(servers, facts, lab_agent_1=foreign)) == []
    look = everywhere(servers, facts, lab_agent_1={"data_dirs": [POSTGRES]})
    del look["lab-server"]
    assert moved_troubles(servers, look) == []
