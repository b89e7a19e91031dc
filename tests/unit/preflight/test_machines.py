"""What is in a cluster's way on one machine: found, named, and with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from miner_cluster.cluster import Cluster
from miner_cluster.preflight import wanted_paths, wanted_ports
from tests.unit.preflight.conftest import GIB, NOW_S, Look, troubles


def test_a_good_machine_is_in_nobodys_way(cluster: Cluster, facts: Look) -> None:
    assert troubles(cluster, facts()) == []


@pytest.mark.parametrize(
    ("changes", "found", "remedy"),
    [
        ({"os": ["fedora", "41"], "os_name": "Fedora Linux 41"}, "runs Fedora Linux 41", "Debian 12 or 13"),
        ({"os": ["debian", "11"], "os_name": "Debian 11"}, "runs Debian 11", "Ubuntu 22.04 or 24.04"),
        ({"arch": "riscv64"}, "is a riscv64 machine", "x86_64 or aarch64"),
        ({"arch": "aarch64"}, "images are built here for x86_64", "from a aarch64 machine"),
        ({"python": [3, 9]}, "is Python 3.9", "Python 3.10 or newer"),
        ({"uid": 1000}, "does not make us root", "sudo rules"),
        ({"systemd": False}, "systemd does not run", "systemd"),
        ({"fuse": False}, "has no FUSE", "/dev/fuse"),
        ({"memory_bytes": GIB}, "has 1.0 GiB of memory", "resource_presets"),
        ({"time_s": NOW_S + 60}, "59 s ahead of", "set-ntp true"),
        ({"time_s": NOW_S - 3600}, "3599 s behind", "set-ntp true"),
        ({"foreign_units": ["/etc/systemd/system/k3s.service"]}, "did not install", "k3s-uninstall.sh"),
        (
            {"recorded_data": ["/data/seaweed/volume", "/old/postgres"]},
            "data of this cluster lies in /old/postgres, and storage.db_path is /data/data_miner_db",
            "write the old path back",
        ),
        (
            {"ports": {"6443": {"who": "haproxy (process 7)", "k3s": False}}},
            "port 6443 is taken by haproxy (process 7)",
            "stop it",
        ),
    ],
)
def test_each_thing_in_the_way_is_named_with_what_to_do(
    cluster: Cluster, facts: Look, changes: dict[str, Any], found: str, remedy: str
) -> None:
    (only,) = troubles(cluster, facts(**changes))
    assert only.where == "lab-server"
    assert found in only.found
    assert remedy in only.remedy


@pytest.mark.parametrize("skew_s", [-5.5, -1, 0, 1, 5.5])
def test_a_slow_answer_is_no_skew(cluster: Cluster, facts: Look, skew_s: float) -> None:
    assert troubles(cluster, facts(time_s=NOW_S + skew_s)) == []


def test_ports_of_our_own_k3s_are_not_taken(cluster: Cluster, facts: Look) -> None:
    assert troubles(cluster, facts(ports={"6443": {"who": "k3s (process 1)", "k3s": True}})) == []


def test_what_shares_a_disk_is_added_up(cluster: Cluster, facts: Look) -> None:
    look = facts()
    for disk in look["disks"].values():
        disk["free_bytes"] = 6 * GIB  # 4 for k3s and 2.06 for the volumes and 1 for the database
    (only,) = troubles(cluster, look)
    assert "has 6.0 GiB free" in only.found
    assert "disk_limit_mb: 2048" in only.found
    assert "cluster.nodes.lab-server.disk_limit_mb" in only.remedy


def test_separate_disks_are_looked_at_separately(cluster: Cluster, facts: Look) -> None:
    look = facts()
    for number, disk in enumerate(look["disks"].values()):
        disk.update(device=number, free_bytes=5 * GIB)
    assert troubles(cluster, look) == []
    look["disks"]["/data/seaweed"]["free_bytes"] = GIB
    (only,) = troubles(cluster, look)
    assert "/data/seaweed has 1.0 GiB free" in only.found


def test_volumes_that_are_there_already_need_no_space_again(cluster: Cluster, facts: Look) -> None:
    look = facts(volume_bytes=2 * GIB, k3s_units=["/etc/systemd/system/k3s.service"])
    for disk in look["disks"].values():
        disk["free_bytes"] = GIB
    assert troubles(cluster, look) == []


def test_a_limit_below_what_lies_there_is_refused_with_the_numbers(cluster: Cluster, facts: Look) -> None:
    assert troubles(cluster, facts(volumes=32, volume_bytes=GIB)) == []
    (only,) = troubles(cluster, facts(volumes=33, volume_bytes=GIB))
    assert "disk_limit_mb: 2048 has room for 32 volumes of 64 MB" in only.found
    assert "it holds 33 with 1.0 GiB, which may grow to 2112 MB" in only.found
    assert "set cluster.nodes.lab-server.disk_limit_mb to 2112 or more" in only.remedy


def test_a_limit_above_the_disk_is_refused(cluster: Cluster, facts: Look) -> None:
    look = facts()
    for number, disk in enumerate(look["disks"].values()):
        disk.update(device=number, free_bytes=100 * GIB, total_bytes=100 * GIB)
    look["disks"]["/data/seaweed"].update(free_bytes=2 * GIB, total_bytes=2 * GIB)
    (only,) = troubles(cluster, look)
    assert "/data/seaweed has 2.0 GiB free and 2.1 GiB (disk_limit_mb: 2048) are needed" in only.found


def test_only_a_server_needs_the_ports_of_the_api(cluster: Cluster) -> None:
    assert 6443 in wanted_ports(cluster, cluster.nodes["lab-server"])
    assert wanted_ports(cluster, cluster.nodes["lab-agent-1"]) == [10250, 30080, 30090, 30300]


def test_only_the_first_server_needs_room_for_the_databases(cluster: Cluster) -> None:
    assert "/data/data_miner_db" in wanted_paths(cluster, cluster.nodes["lab-server"])
    assert "/data/data_miner_db" not in wanted_paths(cluster, cluster.nodes["lab-agent-1"])
