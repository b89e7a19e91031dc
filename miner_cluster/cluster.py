"""The cluster as roles and templates see it: every default filled in, every reference resolved.

``Cluster`` is what the Ansible variable ``cluster`` holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from data_miner.errors import ConfigError, Problem
from miner_cluster.config_checks import page_node_port, worker_preset
from miner_cluster.config_model import (
    Autoscale,
    Backup,
    ClusterFile,
    Image,
    Infrastructure,
    LabSection,
    Node,
    Nvidia,
    ResourcePreset,
    Seaweedfs,
    Storage,
    Worker,
)
from miner_cluster.seaweedfs import replication
from miner_cluster.value_types import dns_label

#: the checkout, in which .state/ lies and from which run configs count
CHECKOUT = Path(__file__).resolve().parent.parent
#: what the labels of a node say; schedule_on and storage_only work through them
ROLE_LABEL = "data-miner/role"
STORAGE_ONLY_LABEL = "data-miner/storage-only"
GPU_LABEL = "data-miner/gpu"
OWN_KEY = Path("~/.ssh/id_rsa_dm_k3s")

Role: TypeAlias = Literal["server", "agent"]
_PORTS = {"postgres": 5432, "loki": 3100, "grafana": 3000, "adminer": 8080}


class Resolved(BaseModel):
    """Base of the resolved sections."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResolvedSsh(Resolved):
    """How Ansible logs in."""

    user: str
    port: int
    key: str


class ResolvedNode(Resolved):
    """One machine; ``gpu`` None means that it is looked for there."""

    name: str
    ip: str
    role: Role
    gpu: bool | None
    storage_only: bool
    disk_limit_mb: int
    rack: str | None
    data_center: str | None
    labels: dict[str, str]
    taints: list[str]


class ResolvedWorker(Resolved):
    """One kind of worker.

    ``replicas`` None leaves the number to others, of which KEDA may be one; ``node_port`` None means no page.
    """

    kind: Literal["Deployment", "StatefulSet"]
    replicas: int | None
    autoscale: Autoscale | None
    schedule_on: Literal["all", "master", "gpu"]
    hf_token: bool
    tolerations: list[str]
    preset: str
    node_port: int | None


class ResolvedInfrastructure(Resolved):
    """One service beside the workers; ``node_port`` None keeps it inside."""

    kind: Literal["Deployment", "StatefulSet"]
    image: str
    port: int
    node_port: int | None
    replicas: int
    preset: str


class Cluster(Resolved):
    """A whole cluster."""

    name: str
    config_file: str
    state_dir: str
    namespace: str
    k3s_version: str
    #: where agents and the controller reach the API
    api_host: str
    #: the address that keepalived moves between the servers
    api_vip: str | None
    prometheus_namespace: str | None
    ignore_firewalls: bool
    ssh: ResolvedSsh
    nodes: dict[str, ResolvedNode]
    storage: Storage
    image: Image
    seaweedfs: Seaweedfs
    nvidia: Nvidia
    backup: Backup
    resource_presets: dict[str, ResourcePreset]
    workers: dict[str, ResolvedWorker]
    infrastructure: dict[str, ResolvedInfrastructure]
    k3s_app_overrides: dict[str, Any]
    run_config: str
    yt_dlp_plugins: str | None = None
    lab: LabSection | None = None

    @property
    def replication(self) -> str:
        """How many copies of each file there are, and how far apart."""
        places = [replication.place(node.data_center, node.rack) for node in self.nodes.values()]
        return self.seaweedfs.replication or replication.default(places)

    @property
    def servers(self) -> list[str]:
        """Names of the nodes that run the control plane, the first one first."""
        return [name for name, node in self.nodes.items() if node.role == "server"]

    @property
    def node_ports(self) -> dict[int, str]:
        """The ports that every machine's address has for services, each with the key that says so."""
        wanted = [
            *((f"infrastructure.{name}", service.node_port) for name, service in self.infrastructure.items()),
            *((f"workers.{name}", worker.node_port) for name, worker in self.workers.items()),
        ]
        return {port: f"{owner}.node_port" for owner, port in wanted if port is not None}

    def plain(self) -> dict[str, Any]:
        """Return plain values, without ``lab`` where the cluster is none."""
        data = self.model_dump(mode="json")
        if self.lab is None:
            del data["lab"]
        return data


def resolve_cluster(
    file: ClusterFile, *, config_file: Path, run_config: str | None = None, checkout: Path = CHECKOUT
) -> Cluster:
    """Fill in what the file leaves out.

    Args:
        file: valid, with its references resolved.
        config_file: where it lies; its directory names the cluster.
        run_config: overrides the file's; may count from the working directory.
        checkout: the directory that holds .state/ and the run configs.

    Raises:
        ConfigError: the file does not name the cluster, and its directory can't.
    """
    name = file.cluster.name or _directory_name(config_file)
    state_dir = checkout / ".state" / name
    return Cluster(
        name=name,
        config_file=str(config_file.resolve()),
        state_dir=str(state_dir),
        namespace=file.cluster.namespace,
        k3s_version=file.cluster.k3s_version,
        api_host=file.cluster.api_address or file.cluster.api_vip or _first_master(file),
        api_vip=file.cluster.api_vip,
        prometheus_namespace=file.cluster.prometheus_namespace,
        ignore_firewalls=file.cluster.ignore_firewalls,
        ssh=ResolvedSsh(
            user=file.cluster.ssh.user, port=file.cluster.ssh.port, key=str(_key(file, state_dir))
        ),
        nodes={
            name: _node(name, node, file.seaweedfs.default_disk_limit_mb)
            for name, node in file.cluster.nodes.items()
        },
        storage=file.storage,
        image=_image(file.image, checkout),
        seaweedfs=file.seaweedfs,
        nvidia=file.nvidia,
        backup=_backup(file.backup, name),
        resource_presets=dict(file.resource_presets),
        workers={name: _worker(name, worker) for name, worker in file.workers.items()},
        infrastructure={name: _service(name, service) for name, service in file.infrastructure.items()},
        k3s_app_overrides=file.k3s_app_overrides,
        run_config=str(_from_checkout(run_config or file.run_config, checkout)),
        yt_dlp_plugins=str(_from_checkout(file.yt_dlp_plugins, checkout)) if file.yt_dlp_plugins else None,
        lab=file.lab,
    )


def as_cluster(data: Mapping[str, Any], *, nodes: Iterable[str] | None = None) -> Cluster:
    """Return the typed cluster from the Ansible variable; Ansible's own kinds of text become plain ones.

    Args:
        data: the variable ``cluster``.
        nodes: those that are wanted; None for all. What is done once for each machine must not read all of
            them: Ansible looks at every text that is read whether it is a template.
    """
    wanted = data if nodes is None else {**data, "nodes": {name: data["nodes"][name] for name in nodes}}
    return Cluster.model_validate_json(json.dumps(wanted))


def as_node(data: Mapping[str, Any]) -> ResolvedNode:
    """Return one typed node from ``nodes`` of the Ansible variable."""
    return ResolvedNode.model_validate_json(json.dumps(data))


def _first_master(file: ClusterFile) -> str:
    return next(node.ip for node in file.cluster.nodes.values() if node.role == "master")


def _directory_name(config_file: Path) -> str:
    name = config_file.resolve().parent.name
    try:
        return dns_label(name)
    except ValueError as error:
        problem = Problem(
            file=str(config_file),
            key="cluster.name",
            message=f"the directory's name {name!r} can't name the cluster, which {error}",
            hint="add name: to the section cluster",
        )
        raise ConfigError([problem]) from error


def _image(image: Image, checkout: Path) -> Image:
    """Return the image with what is left out, and its directory of models as an absolute path."""
    models = str(_from_checkout(image.models, checkout)) if image.models else None
    return image.model_copy(update={"models_base": image.models_base or image.base, "models": models})


def _backup(backup: Backup, name: str) -> Backup:
    """Return where this cluster's backups go, as an absolute path."""
    return backup.model_copy(update={"dir": str(Path(backup.dir).expanduser().absolute() / name)})


def _key(file: ClusterFile, state_dir: Path) -> Path:
    if file.cluster.ssh.key is not None:
        return Path(file.cluster.ssh.key).expanduser().absolute()
    own = OWN_KEY.expanduser()
    return own if file.lab is None and own.exists() else state_dir / "id_ed25519"


def _node(name: str, node: Node, default_limit: int) -> ResolvedNode:
    role: Role = "server" if node.role == "master" else "agent"
    labels = dict(node.labels) | {ROLE_LABEL: role}
    if node.storage_only:
        labels[STORAGE_ONLY_LABEL] = "true"
    if node.gpu:
        labels[GPU_LABEL] = "true"
    return ResolvedNode(
        name=name,
        ip=node.ip,
        role=role,
        gpu=node.gpu,
        storage_only=node.storage_only,
        disk_limit_mb=default_limit if node.disk_limit_mb is None else node.disk_limit_mb,
        rack=node.rack,
        data_center=node.data_center,
        labels=labels,
        taints=node.taints,
    )


def _worker(name: str, worker: Worker) -> ResolvedWorker:
    return ResolvedWorker(
        kind=worker.kind,
        replicas=None if worker.autoscale else worker.replicas,
        autoscale=worker.autoscale,
        schedule_on=worker.schedule_on,
        hf_token=worker.hf_token,
        tolerations=worker.tolerations,
        preset=worker_preset(name, worker),
        node_port=page_node_port(name, worker),
    )


def _service(name: str, service: Infrastructure) -> ResolvedInfrastructure:
    return ResolvedInfrastructure(
        kind=service.kind,
        image=service.image,
        port=service.port or _PORTS[name],
        node_port=service.node_port,
        replicas=service.replicas,
        preset=service.preset,
    )


def _from_checkout(path: str, checkout: Path) -> Path:
    given = Path(path).expanduser()
    return given.absolute() if given.is_absolute() or given.exists() else checkout / given
