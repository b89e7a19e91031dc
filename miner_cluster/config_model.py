"""What cluster_config.yaml may hold: its sections, keys, kinds of values, and what a missing key means."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from miner_cluster.value_types import (
    CpuRange,
    DataPath,
    DnsLabel,
    HostAddress,
    ImageName,
    ImageReference,
    ImageTag,
    Ipv4,
    K3sVersion,
    LocationName,
    Megabytes,
    MemoryRange,
    MountPath,
    Namespace,
    NodeLabels,
    NodeName,
    NodePort,
    NodeTaint,
    Port,
    Replicas,
    Replication,
    Text,
    TimeOfDay,
    User,
)

WorkerName = Literal["download", "extract", "filter", "dedup", "detect", "monitor"]
InfrastructureName = Literal["postgres", "loki", "grafana", "adminer"]


class Section(BaseModel):
    """Base of all sections: no unknown keys, no silent conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class Ssh(Section):
    """How Ansible logs in to the machines."""

    user: User = "root"
    """Another user needs sudo; `--ask-become-pass` asks for its password."""
    port: Port = 22
    key: Text | None = None
    """Private key. Unset: ~/.ssh/id_rsa_dm_k3s where it exists, else one made in .state/."""


class Node(Section):
    """One machine."""

    ip: Ipv4
    role: Literal["master", "worker"]
    gpu: bool | None = None
    """Unset: looked for on the machine."""
    storage_only: bool = False
    """Only stores: runs SeaweedFS, no workers."""
    disk_limit_mb: Megabytes | None = None
    """What SeaweedFS may use of this machine's disk; 0 is unlimited. Unset: default_disk_limit_mb."""
    rack: LocationName | None = None
    """What fails together, for SeaweedFS: the rack that this machine stands in. Unset: one rack of all."""
    data_center: LocationName | None = None
    """The data center that the rack stands in. Unset: one of all."""
    labels: NodeLabels = {}
    """Kubernetes labels beside our own."""
    taints: list[NodeTaint] = []
    """Keep pods away that do not tolerate them, as in dedicated=mining:NoSchedule; storage runs anyhow."""


class ClusterSection(Section):
    """The machines and the Kubernetes on them."""

    name: DnsLabel | None = None
    """Names the state directory. Unset: the name of the inventory's directory."""
    namespace: Namespace = "data-miner"
    k3s_version: K3sVersion = "v1.31.0+k3s1"
    api_vip: Ipv4 | None = None
    """With several masters: a free address in their network; keepalived gives it to one that is well."""
    api_address: HostAddress | None = None
    """With several masters, instead of api_vip: your load balancer, which passes port 6443 on to them."""
    prometheus_namespace: Namespace | None = None
    """Whose pods may read /metrics of workers and volume servers. Unset: nobody; volume servers have none."""
    ignore_firewalls: bool = False
    """Preflight refuses machines whose firewall does not let in all of the others, pods and services. true
    where rules that it does not understand do, such as those for single ports."""
    ssh: Ssh = Ssh()
    nodes: Annotated[dict[NodeName, Node], Field(min_length=1)]


class Storage(Section):
    """Where things lie on the machines."""

    seaweedfs_mount: MountPath = "/swdfs_mnt/swshared"
    """The shared file system, on every machine and in every worker."""
    db_path: DataPath = "/data/data_miner_db"
    """On the first master: the databases' files."""


class Image(Section):
    """The image of the workers, built by this project."""

    name: ImageName = "data-miner"
    tag: ImageTag = "local"
    base: ImageReference = "python:3.12-slim"
    """What it is built on, with python3 and its venv module; lab.local/... is built by the artifact store."""
    models_base: ImageReference | None = None
    """What the image with models is built on; one with PyTorch spares it the build with CUDA. Unset: base."""
    models: Text | None = None
    """Directory of models, <name>/config.json, that become part of that image; counts from the checkout."""
    pull_policy: Literal["Never", "IfNotPresent", "Always"] = "Never"
    bandwidth_mbit: Annotated[float, Field(ge=1)] | None = None
    """What leaves the controller at the most while images travel, in Mbit/s. Unset: all that it can. k3s and
    its own image archives, which come to new machines and with upgrades, are not among them."""


class Seaweedfs(Section):
    """The shared file system's servers."""

    namespace: Namespace = "seaweedfs"
    image: ImageReference = "chrislusf/seaweedfs:4.48"
    data_dir: DataPath = "/data/seaweed"
    default_disk_limit_mb: Megabytes = 0
    """For machines without disk_limit_mb; 0 is unlimited."""
    volume_size_limit_mb: Annotated[int, Field(ge=1, le=30_000)] = 1024
    """SeaweedFS fills volumes of this size; a disk limit holds whole ones only."""
    replication: Replication | None = None
    """Copies beside the first one: in other data centers, other racks, on other machines of the rack.
    Unset: one copy more where files can be written also while a machine is away, from three machines on;
    else none."""
    preset: Text = "small"
    """Resources of each of its pods."""


class ResourcePreset(Section):
    """Request and limit, written `request-limit`."""

    cpu: CpuRange
    memory: MemoryRange
    ephemeral_storage: MemoryRange = "64Mi-2Gi"
    """What a pod may write to its machine's own disk: temporary files and logs."""


class Autoscale(Section):
    """Lets KEDA, which the cluster has to have, set the number of pods by what waits in the queue."""

    min: Annotated[int, Field(ge=0, le=1000)] = 0
    """Pods while nothing waits."""
    max: Annotated[int, Field(ge=1, le=1000)]
    """Pods at the most."""
    items_per_replica: Annotated[int, Field(ge=1)] = 10
    """Items, waiting or worked on, for each pod."""


class Worker(Section):
    """One kind of worker."""

    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    replicas: Replicas | None = 1
    """null leaves the number to `kubectl scale`."""
    autoscale: Autoscale | None = None
    """Leaves the number to KEDA."""
    schedule_on: Literal["all", "master", "gpu"] = "all"
    hf_token: bool = False
    """Gives the pods HF_TOKEN, for models that are not public."""
    tolerations: list[NodeTaint] = []
    """Taints of machines that its pods may run on all the same; without =value, whatever the value is."""
    preset: Text | None = None
    """Unset: gpu where schedule_on is gpu, medium for extract, else small."""
    node_port: NodePort | None = None
    """Of the monitor only: its web page's port on every machine's address. Unset: 30090; null: no page."""


class Infrastructure(Section):
    """One service beside the workers."""

    kind: Literal["Deployment", "StatefulSet"]
    image: ImageReference
    port: Port | None = None
    node_port: NodePort | None = None
    """Reachable from outside on every machine's address. Unset: only from within."""
    replicas: Annotated[int, Field(ge=0, le=1)] = 1
    """These services keep their files on one machine, so there is one of each."""
    preset: Text = "small"


class Nvidia(Section):
    """What machines with a GPU get."""

    device_plugin: ImageReference | None = None
    """Image of NVIDIA's device plugin, for pods that ask for nvidia.com/gpu; workers share GPUs."""
    preset: Text = "small"
    """Resources of its pods."""


class Backup(Section):
    """What playbooks/backup.yml keeps, on the controller."""

    dir: Text = "~/data-miner-backups"
    """Backups go to a directory of the cluster's name in it."""
    keep: Annotated[int, Field(ge=1, le=10_000)] | None = 14
    """How many backups are kept; null keeps all."""
    remote: Text | None = None
    """An rclone remote, as in nas:backups, that gets a copy of each. Unset: none."""
    daily_at: TimeOfDay | None = None
    """When cron on the controller makes one each day, by the controller's clock. Unset: only by hand."""


class LabSection(Section):
    """Makes the cluster a lab on this machine."""

    disk_mb: Annotated[int, Field(ge=2_000)]
    """Size of each node's disk."""
    site_ip: Ipv4 | None = None
    """Address of the video site, in the nodes' subnet. Unset: there is no site."""


def _default_presets() -> dict[DnsLabel, ResourcePreset]:
    return {
        "small": ResourcePreset(cpu="250m-1000m", memory="512Mi-2Gi"),
        "medium": ResourcePreset(cpu="500m-2000m", memory="1Gi-4Gi"),
        "gpu": ResourcePreset(cpu="500m-2000m", memory="2Gi-8Gi"),
    }


class ClusterFile(Section):
    """cluster_config.yaml."""

    cluster: ClusterSection
    lab: LabSection | None = None
    run_config: Text = "run_configs/glass_door.yaml"
    """What to mine; a path that counts from the checkout. -e run_config=PATH chooses another one."""
    yt_dlp_plugins: Text | None = None
    """Directory of yt-dlp plugins (extractor/*.py) for other sites; a path that counts from the checkout."""
    storage: Storage = Storage()
    image: Image = Image()
    seaweedfs: Seaweedfs = Seaweedfs()
    backup: Backup = Backup()
    resource_presets: dict[DnsLabel, ResourcePreset] = Field(default_factory=_default_presets)
    workers: dict[WorkerName, Worker] = {}
    infrastructure: dict[InfrastructureName, Infrastructure] = {}
    nvidia: Nvidia = Nvidia()
    k3s_app_overrides: dict[str, Any] = {}
    """The strongest of the three layers of the application's configuration."""
