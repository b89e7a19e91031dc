"""A cluster of three machines that have everything, to take things away from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.preflight import Trouble, node_troubles

GIB = 1 << 30
NOW_S = 1_000_000.0

Look = Callable[..., dict[str, Any]]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    path = tmp_path / "lab" / "cluster_config.yaml"
    path.parent.mkdir()
    path.write_text((CHECKOUT / "inventory/lab/cluster_config.yaml").read_text())
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


@pytest.fixture
def facts() -> Look:
    """What node_check returns for a good machine, with changes."""

    def make(**changes: Any) -> dict[str, Any]:
        disk = {"device": 1, "free_bytes": 100 * GIB, "total_bytes": 200 * GIB}
        paths = ("/var/lib/rancher", "/data/seaweed", "/data/data_miner_db")
        good: dict[str, Any] = {
            "uid": 0,
            "python": [3, 11],
            "os": ["debian", "12"],
            "os_name": "Debian GNU/Linux 12 (bookworm)",
            "arch": "x86_64",
            "cores": 4,
            "memory_bytes": 8 * GIB,
            "time_s": NOW_S,
            "fuse": True,
            "systemd": True,
            "disks": {path: dict(disk) for path in paths},
            "data_dirs": [],
            "recorded_data": [],
            "nvidia": {"gpus": [], "missing": [], "toolkit": ""},
            "volume_bytes": 0,
            "volumes": 0,
            "ports": {},
            "k3s_units": [],
            "foreign_units": [],
            "cluster_init": False,
            "recorded_names": [],
            "container": "",
            "clock": ["chrony"],
            "docker": False,
            "kubernetes": [],
            "firewall": {"name": "", "allows": []},
            "missing_modules": [],
            "missing_controllers": [],
            "addresses": [
                {"interface": "lo", "address": "127.0.0.1", "prefix": 8, "mtu": 65536},
                {"interface": "eth0", "address": "172.31.77.10", "prefix": 24, "mtu": 1500},
            ],
            "nameservers": ["172.31.77.1"],
        }
        return good | changes

    return make


def troubles(cluster: Cluster, facts: dict[str, Any], name: str = "lab-server") -> list[Trouble]:
    return node_troubles(cluster, name, facts, arch="x86_64", sent_s=NOW_S - 1, received_s=NOW_S + 1)
