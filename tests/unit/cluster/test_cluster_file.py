"""Files that load, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_miner.errors import ConfigError
from miner_cluster.app_config import load_miner_config
from miner_cluster.cluster import CHECKOUT, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.inventory import groups, load_inventory
from miner_cluster.manifests import plan
from tests.unit.cluster.conftest import GOOD, Load, Write

HANDOFF = CHECKOUT / "tests" / "fixtures" / "handoff_cluster_config.yaml"


def test_the_file_of_the_earlier_system_loads_with_a_warning_for_each_latest() -> None:
    inventory = load_inventory(HANDOFF)
    assert [warning.key for warning in inventory.warnings] == [
        "seaweedfs.image",
        "infrastructure.adminer.image",
    ]
    assert inventory.groups == {
        "server": ["pavanjci"],
        "agent": ["manthana", "arsenal"],
        "gpu": [],
        "storage_only": [],
        "gone": [],
        "leaving_servers": [],
        "as_wanted": [],
        "upgraded_servers": [],
        "upgraded_agents": [],
        "upgraded_first": [],
    }
    assert inventory.cluster["k3s_app_overrides"]["output_dir"] == "/swdfs_mnt/swshared/data_miner_output"


def test_optional_keys_have_the_meaning_that_the_earlier_system_gave_them() -> None:
    cluster = load_inventory(HANDOFF).cluster
    presets = {name: worker["preset"] for name, worker in cluster["workers"].items()}
    assert presets == {
        "download": "small",
        "extract": "medium",
        "filter": "gpu",
        "dedup": "gpu",
        "detect": "gpu",
        "monitor": "small",
    }
    assert cluster["seaweedfs"]["volume_size_limit_mb"] == 1024
    assert cluster["nodes"]["pavanjci"]["gpu"] is None
    assert cluster["infrastructure"]["grafana"]["port"] == 3000
    assert cluster["ssh"]["user"] == "root"


def test_a_file_with_machines_only_is_enough(load: Load) -> None:
    cluster = load("cluster: {nodes: {one: {ip: 192.0.2.1, role: master}}}\n")
    assert cluster.name == "somewhere"
    assert cluster.storage.seaweedfs_mount == "/swdfs_mnt/swshared"
    assert cluster.nodes["one"].disk_limit_mb == 0


def test_a_directory_that_cannot_name_a_cluster_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "My Lab" / "cluster_config.yaml"
    path.parent.mkdir()
    path.write_text("cluster: {nodes: {one: {ip: 192.0.2.1, role: master}}}\n")
    with pytest.raises(ConfigError, match=r"'My Lab' can't name the cluster.*add name:"):
        load_inventory(path)


def test_every_shipped_inventory_loads_and_can_be_deployed() -> None:
    for name in ("lab", "production"):
        path = CHECKOUT / "inventory" / name / "cluster_config.yaml"
        cluster = resolve_cluster(load_cluster_file(path).file, config_file=path)
        assert cluster.name == name
        assert plan(cluster, load_miner_config(cluster), {})


def test_the_lab_keeps_to_a_key_of_its_own_even_where_the_user_has_one(
    write: Write, tmp_path: Path, monkeypatch: Any
) -> None:
    own = tmp_path / ".ssh" / "id_rsa_dm_k3s"
    own.parent.mkdir()
    own.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(GOOD)
    file = load_cluster_file(path).file
    assert resolve_cluster(file, config_file=path).ssh.key == str(own)
    good = GOOD.replace("192.0.2.1,", "192.0.2.4,")
    lab = load_cluster_file(write(good + "lab: {disk_mb: 200000, site_ip: 192.0.2.99}\n")).file
    assert resolve_cluster(lab, config_file=path).ssh.key.endswith(".state/test/id_ed25519")


def test_labels_say_role_gpu_and_storage_only(load: Load) -> None:
    cluster = load(GOOD.replace("role: master,", "role: master, gpu: true, labels: {rack: a},"))
    assert cluster.nodes["one"].labels == {"rack": "a", "data-miner/role": "server", "data-miner/gpu": "true"}
    assert cluster.nodes["three"].labels == {"data-miner/role": "agent", "data-miner/storage-only": "true"}
    assert groups(cluster)["gpu"] == ["one"]
    assert groups(cluster)["storage_only"] == ["three"]


def test_gpu_work_without_a_node_that_can_have_one_is_refused(write: Write) -> None:
    text = GOOD.replace("role: master,", "role: master, gpu: false,").replace(
        "role: worker, disk", "role: worker, gpu: false, disk"
    )
    with pytest.raises(ConfigError) as caught:
        load_cluster_file(write(text))
    assert [problem.key for problem in caught.value.problems] == ["workers.filter.schedule_on"]


def test_a_number_of_replicas_left_open_stays_open(load: Load) -> None:
    cluster = load(GOOD.replace("replicas: 2", "replicas: null"))
    assert cluster.workers["extract"].replicas is None


def test_machines_are_reached_with_their_host_keys_checked(write: Write) -> None:
    host = load_inventory(write(GOOD)).hosts["two"]
    assert host["ansible_host"] == "192.0.2.2"
    assert host["node"]["name"] == "two"
    assert "StrictHostKeyChecking=yes" in host["ansible_ssh_common_args"]
    assert ".state/test/known_hosts" in host["ansible_ssh_common_args"]


def test_a_kept_connection_is_not_taken_for_one_to_another_cluster_with_the_same_addresses(
    write: Write,
) -> None:
    one, other = (
        load_inventory(write(GOOD.replace("name: test", f"name: {name}"))).hosts for name in ("one", "other")
    )
    assert one["two"]["ansible_host"] == other["two"]["ansible_host"]
    assert one["two"]["ansible_control_path_dir"] != other["two"]["ansible_control_path_dir"]
    assert one["two"]["ansible_control_path_dir"] == one["three"]["ansible_control_path_dir"]


@pytest.mark.parametrize(("length", "kept"), [(59, True), (60, False)])
def test_no_connection_is_kept_by_a_path_that_is_too_long_for_a_socket(
    write: Write, monkeypatch: pytest.MonkeyPatch, length: int, kept: bool
) -> None:
    monkeypatch.setenv("HOME", "/" + "h" * (length - 1))
    host = load_inventory(write(GOOD)).hosts["two"]
    socket = Path(host["ansible_control_path_dir"]).expanduser() / ("0" * 10 + ".0123456789abcdef")
    assert (len(str(socket)) <= 107) == kept
    assert ("ControlPath=none" not in host["ansible_ssh_common_args"]) == kept
