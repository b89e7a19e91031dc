"""Who may talk to whom: for each group of pods one policy, made from one table of who calls whom.

A rule is written once and appears on both sides: where the call leaves and where it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data_miner.config import Stage
from miner_cluster.app_config import MinerConfig, hub_models
from miner_cluster.cluster import Cluster
from miner_cluster.config_checks import MONITOR
from miner_cluster.manifest_item import ADMINER_PORT, MIGRATION, Item, app_common, common
from miner_cluster.manifests_autoscale import KEDA_NAMESPACE
from miner_cluster.manifests_storage import (
    BASE_PHASE,
    FILER_PORT,
    GRPC_OFFSET,
    MASTER_PORT,
    METRICS_PORT,
    VOLUME_PORT,
)
from miner_cluster.manifests_workers import page_port
from miner_cluster.pods import COMPONENT_LABEL, NAME_LABEL
from miner_cluster.preflight import API_PORT

#: k3s's addresses of pods and of services, and the addresses of one machine's own network
_INSIDE = ("10.42.0.0/16", "10.43.0.0/16", "169.254.0.0/16")
#: services that call services
_SERVICE_CALLS = {"grafana": ("postgres", "loki"), "adminer": ("postgres",)}
_PIECES, _CALLS = VOLUME_PORT, VOLUME_PORT + GRPC_OFFSET
_MASTER, _FILER = MASTER_PORT + GRPC_OFFSET, FILER_PORT + GRPC_OFFSET
#: who calls whom at which ports; nobody uses the master's and the filer's HTTP but the probes
_STORAGE_CALLS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    # `weed shell` runs in the master's pod, and asks the filer
    "master": {"filer": (_FILER,), "volume": (_CALLS,)},
    "filer": {"master": (_MASTER,), "volume": (_PIECES, _CALLS)},
    # copies go from one volume server to another
    "volume": {"master": (_MASTER,), "volume": (_PIECES, _CALLS)},
    "mount": {"filer": (_FILER,), "volume": (_PIECES,)},
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pods that one policy is about."""

    name: str
    #: the label that tells them from the namespace's other pods
    label: tuple[str, str]
    #: where they are called from outside, through a node's port
    outside_ports: tuple[int, ...] = ()
    #: namespaces whose pods call them, and where
    from_namespaces: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: names of the groups that they call, and where
    calls: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: call addresses that are neither pods nor services nor our machines
    to_internet: bool = False
    #: call the cluster's API
    to_api: bool = False
    key: str


def app_policies(cluster: Cluster, config: MinerConfig) -> Iterator[Item]:
    """Return the policies of the application's namespace."""
    groups = [*_services(cluster), *_workers(cluster, config)]
    if "postgres" in cluster.infrastructure and cluster.workers:
        label = (NAME_LABEL, MIGRATION)
        calls = _present(cluster, ("postgres",))
        groups.append(Group(name=MIGRATION, label=label, calls=calls, key="infrastructure.postgres"))

    def inputs(name: str) -> dict[str, Any]:
        return app_common(cluster, "policies", name, "policy")

    yield from _items(groups, inputs, cluster, phase="policies", folder="policies", key="cluster.namespace")


def storage_policies(cluster: Cluster) -> Iterator[Item]:
    """Return the policies of SeaweedFS's namespace."""
    groups = [
        Group(
            name=name,
            label=(COMPONENT_LABEL, name),
            from_namespaces=_metrics(cluster, METRICS_PORT) if name == "volume" else {},
            calls=calls,
            key="seaweedfs",
        )
        for name, calls in _STORAGE_CALLS.items()
    ]
    namespace = cluster.seaweedfs.namespace

    def inputs(name: str) -> dict[str, Any]:
        return common(cluster, phase=BASE_PHASE, namespace=namespace, name=name, component="policy")

    yield from _items(groups, inputs, cluster, phase=BASE_PHASE, folder="seaweedfs", key="seaweedfs")


def _services(cluster: Cluster) -> Iterator[Group]:
    scaled = any(worker.autoscale for worker in cluster.workers.values())
    for name, service in cluster.infrastructure.items():
        asked = {KEDA_NAMESPACE: (service.port,)} if name == "postgres" and scaled else {}
        yield Group(
            name=name,
            label=(NAME_LABEL, name),
            outside_ports=(_port(cluster, name),) if service.node_port is not None else (),
            from_namespaces=asked,
            calls=_present(cluster, _SERVICE_CALLS.get(name, ())),
            key=f"infrastructure.{name}",
        )


def _workers(cluster: Cluster, config: MinerConfig) -> Iterator[Group]:
    from_hub = hub_models(cluster, config.typed)
    for stage, worker in cluster.workers.items():
        yield Group(
            name=f"{stage}-worker",
            label=(NAME_LABEL, f"{stage}-worker"),
            outside_ports=(page_port(config),) if worker.node_port is not None else (),
            from_namespaces=_metrics(cluster, config.typed.worker.port),
            calls=_present(cluster, ("postgres", "loki")),
            to_internet=stage == Stage.DOWNLOAD.value or stage in from_hub,
            # It looks when the API's certificate ends.
            to_api=stage == MONITOR,
            key=f"workers.{stage}",
        )


def _metrics(cluster: Cluster, port: int) -> dict[str, tuple[int, ...]]:
    return {cluster.prometheus_namespace: (port,)} if cluster.prometheus_namespace else {}


def _present(cluster: Cluster, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: (_port(cluster, name),) for name in names if name in cluster.infrastructure}


def _port(cluster: Cluster, name: str) -> int:
    return ADMINER_PORT if name == "adminer" else cluster.infrastructure[name].port


def _items(
    groups: Sequence[Group],
    inputs: Any,
    cluster: Cluster,
    *,
    phase: str,
    folder: str,
    key: str,
) -> Iterator[Item]:
    for name in ("default-deny", "dns"):
        path = f"{folder}/{name}-networkpolicy.yaml"
        yield Item(phase=phase, template=f"policies/{name}.yaml.j2", path=path, vars=inputs(name), key=key)
    named = {group.name: group for group in groups}
    for group in groups:
        callers = [other for other in groups if group.name in other.calls]
        rules = {
            "match": dict([group.label]),
            "ingress": _ingress(group, callers),
            "egress": _egress(group, named, cluster),
        }
        yield Item(
            phase=phase,
            template="policies/calls.yaml.j2",
            path=f"{folder}/{group.name}-networkpolicy.yaml",
            vars=inputs(group.name) | rules,
            key=group.key,
        )


def _ingress(group: Group, callers: Sequence[Group]) -> list[dict[str, Any]]:
    alike: dict[tuple[int, ...], list[Mapping[str, Any]]] = {}
    for caller in callers:
        alike.setdefault(caller.calls[group.name], []).append(_pods(caller))
    for namespace, ports in group.from_namespaces.items():
        alike.setdefault(ports, []).append(_all_of(namespace))
    # The node replaces an outside caller's address by its own, which may be one of the pods' network.
    outside = [{"ports": _ports(group.outside_ports)}] if group.outside_ports else []
    return outside + [
        {"from": peers, "ports": _ports(ports)}
        for ports, peers in alike.items()
        if not set(ports) <= set(group.outside_ports)
    ]


def _egress(group: Group, named: Mapping[str, Group], cluster: Cluster) -> list[dict[str, Any]]:
    rules = [{"to": [_pods(named[name])], "ports": _ports(ports)} for name, ports in group.calls.items()]
    if group.to_internet:
        ours = [*_INSIDE, *(f"{node.ip}/32" for node in cluster.nodes.values())]
        block = {"cidr": "0.0.0.0/0", "except": ours}
        rules.append({"to": [{"ipBlock": block}], "ports": [{"protocol": "TCP"}]})
    if group.to_api:
        servers = [{"ipBlock": {"cidr": f"{cluster.nodes[name].ip}/32"}} for name in cluster.servers]
        rules.append({"to": servers, "ports": [{"protocol": "TCP", "port": API_PORT}]})
    return rules


def _pods(group: Group) -> Mapping[str, Any]:
    return {"podSelector": {"matchLabels": dict([group.label])}}


def _all_of(namespace: str) -> Mapping[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


def _ports(ports: Sequence[int]) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]
