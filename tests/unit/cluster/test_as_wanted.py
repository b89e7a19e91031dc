"""A machine is left out of a run exactly when its roles would find nothing to change there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster import as_wanted
from miner_cluster.as_wanted import AUTHORITY, FOR_AGENTS, FOR_SERVERS, JOINED_WITH, KUBECONFIG
from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from module_utils.keyed import keyed

Looks = dict[str, Any]
K3S = "/cache/k3s"
ARTIFACTS = {
    "k3s": {"sha256": "aa", "path": "/cache/k3s"},
    "airgap": [{"path": "/cache/pause.tar", "sha256": "bb"}],
}
ACCESS = "apiVersion: v1\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    path = CHECKOUT / "inventory/lab/cluster_config.yaml"
    found = resolve_cluster(load_cluster_file(path).file, config_file=path)
    nodes = {name: node.model_copy(update={"gpu": None}) for name, node in found.nodes.items()}
    detect = found.workers["detect"].model_copy(update={"schedule_on": "gpu"})
    workers = {**found.workers, "detect": detect}
    return found.model_copy(update={"state_dir": str(tmp_path), "nodes": nodes, "workers": workers})


def wanted(cluster: Cluster, name: str, looks: Looks, **changes: Any) -> str:
    asked = {"artifacts": ARTIFACTS, "sources": "code", "variables": {}, **changes}
    return as_wanted.inputs(cluster, name, look=looks[name], **asked)


def told(cluster: Cluster, text: str) -> str:
    """What a machine tells of digests."""
    return keyed(as_wanted.secrets_key(cluster), text)


def digests(cluster: Cluster, **changes: str) -> dict[str, str]:
    """What the first server tells of its secrets."""
    plain = {"kubeconfig": "k", "for_servers": "s", "for_agents": "t", "authority": "a"} | changes
    paths = {
        "kubeconfig": KUBECONFIG,
        "for_servers": FOR_SERVERS,
        "for_agents": FOR_AGENTS,
        "authority": AUTHORITY,
    }
    return {paths[name]: told(cluster, value) for name, value in plain.items()}


def looks_of(cluster: Cluster) -> Looks:
    """What preflight finds on machines that the roles have been through."""
    Path(cluster.state_dir, "kubeconfig").write_text(ACCESS)
    nothing = {"gpus": [], "missing": [], "toolkit": ""}
    looks: Looks = {
        name: {
            "facts": {
                "nvidia": nothing,
                "addresses": [{"address": node.ip, "interface": "eth0"}],
                "digests": digests(cluster) if name == cluster.servers[0] else {},
                "met": {},
                "recorded_names": [],
            }
        }
        for name, node in cluster.nodes.items()
    }
    for name, look in looks.items():
        roles = ["common", "k3s", "seaweedfs", *(["storage"] if name == cluster.servers[0] else [])]
        inputs = told(cluster, wanted(cluster, name, looks))
        met = {role: {"inputs": inputs, "secrets": {}} for role in roles}
        met["k3s"]["secrets"] = {} if name == cluster.servers[0] else {JOINED_WITH: told(cluster, "t")}
        look["facts"]["met"] = met
    keep_access(cluster, as_wanted.following(wanted(cluster, cluster.servers[0], looks), f"k {K3S}"))
    return looks


def keep_access(cluster: Cluster, inputs: str) -> None:
    path = Path(cluster.state_dir, "kubeconfig")
    path.write_text(ACCESS)
    path.chmod(0o600)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    files = [{"path": str(path), "content": content, "attributes": {"mode": 0o600}}]
    names = {"access": {"met": {"inputs": inputs, "wanted": {"files": files}}}}
    Path(cluster.state_dir, "owned.json").write_text(json.dumps({"names": names}))


def reasons(cluster: Cluster, looks: Looks, **changes: Any) -> dict[str, str]:
    """Why the roles would look, by machine."""
    found = {
        name: as_wanted.differs(cluster, name, wanted(cluster, name, looks, **changes), looks, k3s_path=K3S)
        for name in looks
    }
    return {name: reason for name, reason in found.items() if reason}


def test_machines_that_the_roles_have_been_through_are_left_out(cluster: Cluster) -> None:
    assert reasons(cluster, looks_of(cluster)) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": "other code"},
        {"variables": {"common_journal_max_mib": 100}},
        {"artifacts": {**ARTIFACTS, "k3s": {"sha256": "cc"}}},
        {"artifacts": {**ARTIFACTS, "airgap": []}},
    ],
)
def test_all_that_the_roles_follow_from_counts(cluster: Cluster, changes: dict[str, Any]) -> None:
    looks = looks_of(cluster)
    found = reasons(cluster, looks, **changes)
    assert set(found) == set(looks)
    assert all("follows from is another" in reason for reason in found.values())


def test_another_address_counts_for_its_machine_and_for_all_where_it_is_a_server(cluster: Cluster) -> None:
    looks, (server, agent, *_) = looks_of(cluster), [*cluster.nodes]

    def moved(name: str) -> Cluster:
        other = cluster.nodes[name].model_copy(update={"ip": "192.0.2.1"})
        return cluster.model_copy(update={"nodes": {**cluster.nodes, name: other}})

    assert set(reasons(moved(agent), looks)) == {agent}
    assert set(reasons(moved(server), looks)) == set(looks)


def test_more_workers_are_no_reason_to_look_at_machines(cluster: Cluster) -> None:
    looks = looks_of(cluster)
    extract = cluster.workers["extract"].model_copy(update={"replicas": 7})
    assert (
        reasons(cluster.model_copy(update={"workers": {**cluster.workers, "extract": extract}}), looks) == {}
    )


def drop_state(looks: Looks, cluster: Cluster) -> None:
    del looks["lab-server"]["facts"]["met"]["storage"]


def rotate_token(looks: Looks, cluster: Cluster) -> None:
    looks["lab-server"]["facts"]["digests"] = digests(cluster, for_agents="new")


def renew_kubeconfig(looks: Looks, cluster: Cluster) -> None:
    looks["lab-server"]["facts"]["digests"] = digests(cluster, kubeconfig="new")


def open_kubeconfig(looks: Looks, cluster: Cluster) -> None:
    Path(cluster.state_dir, "kubeconfig").chmod(0o644)


def lose_record(looks: Looks, cluster: Cluster) -> None:
    Path(cluster.state_dir, "owned.json").unlink()


def keep_address(looks: Looks, cluster: Cluster) -> None:
    looks["lab-server"]["facts"]["recorded_names"] = ["common", "k3s_address"]


def plug_in_gpu(looks: Looks, cluster: Cluster) -> None:
    looks["lab-agent-1"]["facts"]["nvidia"] = {"gpus": ["10de:2330"], "missing": [], "toolkit": ""}


@pytest.mark.parametrize(
    ("event", "machines", "reason"),
    [
        (drop_state, {"lab-server"}, "storage was never brought about"),
        (rotate_token, {"lab-agent-1", "lab-agent-2"}, "joins with another token"),
        (renew_kubeconfig, {"lab-server"}, "controller's access"),
        (open_kubeconfig, {"lab-server"}, "controller's access"),
        (lose_record, {"lab-server"}, "controller's access"),
        (keep_address, {"lab-server"}, "address of the API's"),
        (plug_in_gpu, {"lab-agent-1"}, "has a GPU"),
    ],
)
def test_what_happens_to_a_machine_is_a_reason_to_look_there(
    cluster: Cluster, event: Callable[[Looks, Cluster], None], machines: set[str], reason: str
) -> None:
    looks = looks_of(cluster)
    event(looks, cluster)
    found = reasons(cluster, looks)
    assert set(found) == machines
    assert all(reason in text for text in found.values())


def test_any_source_counts(tmp_path: Path) -> None:
    for place in as_wanted.SOURCES:
        (tmp_path / place).mkdir(parents=True)
        before = as_wanted.sources_digest(tmp_path)
        (tmp_path / place / "file").write_text("x")
        assert as_wanted.sources_digest(tmp_path) != before


def test_only_what_the_roles_of_machines_read_counts_of_a_machines_variables() -> None:
    variables = {
        "common_journal_max_mib": 7,
        "k3s_config": {},
        "report_file": "x",
        "ansible_host": "192.0.2.1",
    }
    assert as_wanted.role_variables(variables) == {"common_journal_max_mib": 7, "k3s_config": {}}


def test_the_order_of_servers_counts(cluster: Cluster) -> None:
    looks = looks_of(cluster)
    two = {name: node.model_copy(update={"role": "server"}) for name, node in cluster.nodes.items()}
    turned = dict(reversed([*two.items()]))
    one, other = (cluster.model_copy(update={"nodes": nodes}) for nodes in (two, turned))
    assert wanted(one, "lab-agent-2", looks) != wanted(other, "lab-agent-2", looks)


def test_another_place_of_k3s_on_the_controller_counts_for_its_access(cluster: Cluster) -> None:
    looks = looks_of(cluster)
    server = cluster.servers[0]
    found = as_wanted.differs(cluster, server, wanted(cluster, server, looks), looks, k3s_path="/moved/k3s")
    assert "controller's access" in found


def test_without_access_everything_is_looked_at(cluster: Cluster) -> None:
    looks = looks_of(cluster)
    Path(cluster.state_dir, "kubeconfig").unlink()
    assert as_wanted.secrets_key(cluster) == ""
    for look in looks.values():
        look["facts"]["met"], look["facts"]["digests"] = {}, {}
    assert set(reasons(cluster, looks)) == set(looks)


def test_a_new_authority_counts_for_the_api_s_address_and_a_new_token_does_not(cluster: Cluster) -> None:
    looks, server = looks_of(cluster), cluster.servers[0]
    floating = cluster.model_copy(update={"api_vip": "192.0.2.9"})
    inputs = wanted(floating, server, looks)
    facts = looks[server]["facts"]
    facts["met"] = {role: {**state, "inputs": told(cluster, inputs)} for role, state in facts["met"].items()}
    keep_access(cluster, as_wanted.following(inputs, f"k {K3S}"))
    state = {"inputs": told(cluster, as_wanted.following(inputs, "a")), "secrets": {}}
    facts["met"][as_wanted.ADDRESS] = state
    for changes, reason in (
        ({}, ""),
        ({"for_servers": "new"}, ""),
        ({"authority": "new"}, "what k3s_address follows from is another"),
    ):
        facts["digests"] = digests(cluster, **changes)
        found = as_wanted.differs(floating, server, inputs, looks, k3s_path=K3S)
        assert found.startswith(reason)
        assert bool(found) == bool(reason)


def test_every_play_that_records_what_wishes_follow_from_knows_it() -> None:
    named = "recorded_inputs"
    knows = {path.name for path in CHECKOUT.glob("playbooks/vars/*.yml") if named in path.read_text()}
    assert knows == {"inputs.yml", "k3s.yml"}
    plays = [play for path in CHECKOUT.glob("playbooks/*.yml") for play in yaml.safe_load(path.read_text())]
    asking = [play for play in plays if named in str(play) or "vars/k3s.yml" in play.get("vars_files", [])]
    assert len(asking) == 7
    assert all("vars/inputs.yml" in play["vars_files"] for play in asking)
