"""Which machines are as site.yml wants them already, so that the roles need not look at them again.

What each role wanted was recorded on the machine when it was met, with a digest of all that it followed from.
Preflight's look tells which of these states the machine still is in. Where all that the roles follow from is
the same today, so is what they want, and they would change nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from miner_cluster import gpus
from miner_cluster.cluster import CHECKOUT, Cluster
from module_utils.keyed import keyed

#: what of the code the roles' wishes follow from
SOURCES = (
    *("roles/common", "roles/k3s", "roles/nvidia", "roles/seaweedfs", "roles/storage", "playbooks"),
    *("library", "module_utils", "filter_plugins", "action_plugins", "miner_cluster"),
)
#: what of the configuration no machine's role reads, beside what is given for the machine alone
ELSEWHERE = {"nodes", "workers", "infrastructure", "image", "backup", "resource_presets", "k3s_app_overrides"}
ELSEWHERE |= {"run_config", "yt_dlp_plugins", "lab", "prometheus_namespace"}

#: what the names of their variables begin with
ROLES = ("common_", "k3s_", "nvidia_", "seaweedfs_", "storage_")
#: under which keepalived is recorded
ADDRESS = "k3s_address"

KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
FOR_SERVERS = "/var/lib/rancher/k3s/server/token"
FOR_AGENTS = "/var/lib/rancher/k3s/server/node-token"
#: all servers have it, and a new token leaves it as it is
AUTHORITY = "/var/lib/rancher/k3s/server/tls/server-ca.key"
#: files of the first server from which others' are made; preflight tells their digests, keyed
ORIGINALS = (KUBECONFIG, FOR_SERVERS, FOR_AGENTS, AUTHORITY)
JOINED_WITH = "/etc/rancher/k3s/join-token"


def sources_digest(checkout: Path = CHECKOUT) -> str:
    """Return the digest of the code that the roles' wishes follow from."""
    total = hashlib.sha256()
    for path in sorted(path for place in SOURCES for path in (checkout / place).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(f"{path.relative_to(checkout)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def inputs(
    cluster: Cluster,
    name: str,
    *,
    look: Mapping[str, Any],
    artifacts: Mapping[str, Any],
    sources: str,
    variables: Mapping[str, Any],
) -> str:
    """Return the digest of all that the roles' wishes for a machine follow from.

    Args:
        cluster: the configuration.
        name: the machine's.
        look: its variable ``_preflight_look``.
        artifacts: the fact of that name.
        sources: of the code, as ``sources_digest`` returns it.
        variables: of the machine that the roles read, as ``role_variables`` returns them.
    """
    node = cluster.nodes[name]
    addresses = look["facts"]["addresses"]
    return _digest(
        {
            "sources": sources,
            "variables": {**variables},
            "cluster": cluster.model_dump(mode="json", exclude=ELSEWHERE),
            "node": node.model_dump(mode="json"),
            "servers": [(server, cluster.nodes[server].ip) for server in cluster.servers],
            "services": [*cluster.infrastructure],
            "k3s": artifacts["k3s"]["sha256"],
            "airgap": [(Path(one["path"]).name, one["sha256"]) for one in artifacts["airgap"]],
            "gpu": gpus.used(cluster, name, look),
            "interface": [one["interface"] for one in addresses if one["address"] == node.ip],
        }
    )


def secrets_key(cluster: Cluster) -> str:
    """Return the key of what preflight tells of secrets; empty while this controller has no access yet.

    What it shows ends up in logs. Whoever has the access knows all secrets anyway.
    """
    try:
        access = (Path(cluster.state_dir) / "kubeconfig").read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(b"secrets on machines\0" + access).hexdigest()


def role_variables(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a machine's variables that the roles read: of group_vars, host_vars, and -e."""
    return {key: variables[key] for key in variables if key.startswith(ROLES)}


def differs(
    cluster: Cluster,
    name: str,
    wanted: str,
    looks: Mapping[str, Mapping[str, Any]],
    *,
    k3s_path: str,
) -> str:
    """Return why the roles have to look at a machine; empty where they would change nothing.

    Args:
        cluster: the configuration.
        name: the machine's.
        wanted: what ``inputs`` returns for it.
        looks: the variables ``_preflight_look`` of all machines of this run.
        k3s_path: where k3s lies on this controller.
    """
    return next(_reasons(cluster, name, wanted, looks, k3s_path), "")


def _reasons(
    cluster: Cluster, name: str, wanted: str, looks: Mapping[str, Mapping[str, Any]], k3s_path: str
) -> Iterator[str]:
    if gpus.used(cluster, name, looks[name]):
        yield "it has a GPU, which is looked at in every run"
    facts, originals = looks[name]["facts"], looks[cluster.servers[0]]["facts"]["digests"]
    key = secrets_key(cluster)
    wanted = keyed(key, wanted)
    for role, expected in _expected(cluster, name, wanted, originals).items():
        state = facts["met"].get(role)
        if state is None:
            yield f"{role} was never brought about completely, or something of it was changed since"
        if state["inputs"] != expected:
            yield f"what {role} follows from is another since it was brought about"
    if ADDRESS in facts["recorded_names"] and ADDRESS not in _expected(cluster, name, wanted, originals):
        yield "it has an address of the API's that nobody asks for any more"
    if name != cluster.servers[0]:
        original = FOR_SERVERS if cluster.nodes[name].role == "server" else FOR_AGENTS
        if facts["met"]["k3s"]["secrets"].get(JOINED_WITH) != originals.get(original):
            yield "it joins with another token than the cluster's"
    elif not _access_is_kept(
        cluster, following(wanted, f"{originals.get(KUBECONFIG, '')} {keyed(key, k3s_path)}"), key
    ):
        yield "the controller's access to the cluster is not what was recorded"


def following(wanted: str, original: str) -> str:
    """Return the inputs of what also follows from a file of the first server's, by that file's digest.

    Both keyed, or neither.
    """
    return f"{wanted} {original}"


def _expected(cluster: Cluster, name: str, wanted: str, originals: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs of each role's wish, by the name under which it is recorded."""
    expected = dict.fromkeys(("common", "k3s", "seaweedfs"), wanted)
    if name == cluster.servers[0]:
        expected["storage"] = wanted
    if cluster.api_vip and cluster.nodes[name].role == "server":
        expected[ADDRESS] = following(wanted, originals.get(AUTHORITY, ""))
    return expected


def _access_is_kept(cluster: Cluster, expected: str, key: str) -> bool:
    """Return whether kubeconfig and kubectl lie here as they were written."""
    try:
        names = json.loads((Path(cluster.state_dir) / "owned.json").read_text())["names"]
        kept = names["access"]["met"]
        files = {Path(file["path"]): file for file in kept["wanted"]["files"]}
        return keyed(key, kept["inputs"]) == expected and all(
            hashlib.sha256(path.read_bytes()).hexdigest() == file["content"]
            and path.stat().st_mode & 0o7777 == file["attributes"]["mode"]
            for path, file in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
