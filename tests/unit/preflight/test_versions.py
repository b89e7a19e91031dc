"""Machines whose k3s would be replaced by another version."""

from __future__ import annotations

from miner_cluster.cluster import Cluster
from miner_cluster.preflight_versions import version_troubles
from tests.unit.preflight.conftest import Look

OTHER = "v1.30.4+k3s1"


def test_a_machine_with_another_version_is_in_the_way_with_the_playbook_for_it(
    cluster: Cluster, facts: Look
) -> None:
    found = {name: facts(k3s_units=["k3s"]) for name in cluster.nodes}
    versions = {"lab-server": cluster.k3s_version, "lab-agent-1": OTHER}
    (only,) = version_troubles(cluster, found, versions)
    assert only.where == "lab-agent-1"
    assert only.found == f"runs k3s {OTHER}, and cluster.k3s_version is {cluster.k3s_version}"
    assert "ansible-playbook playbooks/upgrade.yml" in only.remedy
    assert only.remedy.endswith("; --limit 'all,localhost,!lab-agent-1' lets it wait")


def test_a_server_with_another_version_can_not_wait(cluster: Cluster, facts: Look) -> None:
    (only,) = version_troubles(cluster, {"lab-server": facts(k3s_units=["k3s"])}, {"lab-server": OTHER})
    assert "--limit" not in only.remedy


def test_a_new_machine_under_a_name_that_the_cluster_knows_is_not(cluster: Cluster, facts: Look) -> None:
    assert version_troubles(cluster, {"lab-agent-1": facts()}, {"lab-agent-1": OTHER}) == []


def test_nothing_is_in_the_way_where_nobody_could_be_asked(cluster: Cluster, facts: Look) -> None:
    assert version_troubles(cluster, {"lab-server": facts(k3s_units=["k3s"])}, {}) == []
