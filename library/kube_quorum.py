#!/usr/bin/python
"""Ansible module: whether a server may be touched, and votes of servers that will not come back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_quorum
short_description: Ask whether a server may be restarted, and take the votes of lost ones
description:
  - Servers share a database, etcd, that decides by majority. Asks every server that has a vote, at its own
    address, whether it is well, and says why another one must not be restarted now.
  - A server of O(forget) that is not well is deleted from the API, by which k3s takes its vote; refused, with
    the numbers, where too few others are well.
  - Where no server answers there is nothing to keep, and nothing is held or taken; a warning says so where
    votes were to be taken. Another names those of O(forget) that no machine has.
extends_documentation_fragment: [cluster]
options:
  server:
    description: Name of the one that is to be touched.
    type: str
    default: ""
  forget:
    description: Names of servers that will not come back with their data.
    type: list
    elements: str
    default: []
  wait_s:
    description: >-
      Seconds within which the others may become well, and a vote must be taken. Check mode does not wait.
    type: int
    default: 30
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Ask the other servers
  kube_quorum:
    cluster: "{{ cluster }}"
    server: "{{ inventory_hostname }}"
  register: quorum
"""

RETURN = r"""
hold:
  description: Why O(server) must not be restarted now; empty where it may be.
  type: str
  returned: always
forgotten:
  description: Servers whose vote was taken.
  type: list
  elements: str
  returned: always
leaving:
  description: >-
    Where servers share an address of the API's: those that are of its database and answer, and that the
    configuration does not name any more, by name, with their own addresses.
  type: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.kube import servers
from miner_cluster.kube.api import Api, KubeError, Object
from miner_cluster.kube.waiting import Wait

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "server": {"type": "str", "default": ""},
    "forget": {"type": "list", "elements": "str", "default": []},
    "wait_s": {"type": "int", "default": 30},
}
_NOBODY = (
    "No server answers, so no vote of a lost one could be taken. Where the majority is lost for good, see "
    "docs/operations.md, Several servers"
)


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        KubeError: a vote can't be taken, or the API refuses.
    """
    cluster = as_cluster(params["cluster"])
    kubeconfig = Path(cluster.state_dir) / "kubeconfig"
    readyz = servers.ask(kubeconfig)
    api = _reach(cluster, kubeconfig, readyz)
    if api is None:
        away = [_NOBODY] if kubeconfig.exists() and params["forget"] and len(cluster.servers) > 1 else []
        return {"changed": False, "hold": "", "forgotten": [], "leaving": {}, "warnings": away}
    wait_s = 0 if check else params["wait_s"]
    forgotten = _forget(api, set(params["forget"]), readyz, wait_s=wait_s, check=check)
    hold = _hold(api, params["server"], readyz, wait_s=wait_s)
    warnings = unknown(api, set(params["forget"]) - set(cluster.nodes) - set(forgotten))
    return {
        "changed": bool(forgotten),
        "hold": hold,
        "forgotten": forgotten,
        # Where the address goes altogether, they keep it until the agents know another.
        "leaving": leaving(cluster, api, readyz) if cluster.api_vip and not params["server"] else {},
        "warnings": warnings,
    }


def leaving(cluster: Cluster, api: Api, readyz: servers.Ask) -> dict[str, str]:
    """Return the servers that were taken out of the configuration and answer, with their addresses.

    A machine that only has another name there stays.
    """
    nodes = [node for node in api.list("v1", "Node") if node["metadata"]["name"] not in cluster.nodes]
    staying = {node.ip for node in cluster.nodes.values()}
    found = {one.name: one.address for one in servers.members(nodes, lambda _: "")}
    return {name: ip for name, ip in found.items() if ip not in staying and not readyz(ip)}


def unknown(api: Api, names: set[str]) -> list[str]:
    """Return what to say of names that are no node's: misspelt, or of a run that is repeated."""
    nodes = {node["metadata"]["name"] for node in api.list("v1", "Node")} if names else set()
    return [
        f"{name} is lost, and no machine of the cluster or cluster_config.yaml has that name; is it misspelt?"
        for name in sorted(names - nodes)
    ]


def _reach(cluster: Cluster, kubeconfig: Path, readyz: servers.Ask) -> Api | None:
    if not kubeconfig.exists():
        return None
    return servers.reach(kubeconfig, [cluster.nodes[name].ip for name in cluster.servers], readyz)


def _forget(api: Api, names: set[str], readyz: servers.Ask, *, wait_s: float, check: bool) -> list[str]:
    if not names:
        return []
    nodes: dict[str, Object] = {node["metadata"]["name"]: node for node in api.list("v1", "Node")}
    found = servers.members(nodes.values(), readyz)
    leaving = servers.in_order(found, names)
    if not leaving:
        return []
    if well := [member.name for member in leaving if not member.problem]:
        raise KubeError(
            f"{', '.join(well)} is well and not lost; nothing was removed. To have it leave, take it out "
            "of cluster_config.yaml and run: ansible-playbook site.yml"
        )
    servers.refuse_to_forget(found, [member.name for member in leaving])
    for member in [] if check else leaving:
        servers.forget(api, nodes[member.name], Wait(Display().display), timeout_s=wait_s)
    return [member.name for member in leaving]


def _hold(api: Api, server: str, readyz: servers.Ask, *, wait_s: float) -> str:
    """Return why a server must not be restarted, once the others have had time to become well."""
    waiting = Wait(Display().display)
    while True:
        why = servers.hold(servers.members(api.list("v1", "Node"), readyz), server) if server else ""
        if not why or waiting.waited_s >= wait_s:
            return why
        waiting.again(str, why, poll_s=servers.POLL_S)
