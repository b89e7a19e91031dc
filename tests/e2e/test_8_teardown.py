"""Teardown keeps data unless told to wipe it, works in parts and on what is broken, and may be run twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from miner_cluster.lab.host import look
from miner_cluster.lab.podman import podman
from tests.e2e.lab import Lab, wait_for
from tests.e2e.test_7_backup import OUTPUT, backup, checksums, place, restore, rows

MOUNT = "/swdfs_mnt/swshared"
#: what k3s and SeaweedFS could leave on a machine; prints nothing where nothing is left
RESIDUE = r"""
ps -eo comm= | grep -E 'k3s|containerd|kube|weed'
grep -E ' /(var/lib/kubelet|run/k3s|run/netns)/|seaweedfs' /proc/self/mountinfo
ip -o link | grep -E 'cni0|flannel|veth|kube-'
ip route show root 10.42.0.0/16
iptables-save | grep -E 'KUBE-|CNI-'; ipset list -name | grep -E 'KUBE-|kube-router-'
systemctl list-unit-files --no-legend 'k3s*'; systemctl --failed --no-legend list-units 'k3s*'
ls -d /usr/local/bin/k3s /etc/rancher 2>/dev/null
find /var/lib/{rancher,kubelet,cni} /var/log/{pods,containers} /run/{k3s,flannel} -mindepth 1 2>/dev/null
find /sys/fs/cgroup -maxdepth 3 -name 'kubepods*'
"""


def residue(lab: Lab, node: str) -> str:
    """What is left on a node."""
    return lab.ssh(node, RESIDUE).stdout


def mounted(lab: Lab, node: str) -> bool:
    return lab.ssh(node, f"grep -q ' {MOUNT} ' /proc/self/mountinfo").returncode == 0


def killed_teardown(lab: Lab, after_s: float) -> None:
    """Start a teardown and kill it, with all that it started, after a while."""
    with lab.start_play("teardown.yml", quiet=True) as process:
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.soak
def test_the_shared_storage_alone_goes_while_it_is_busy_and_comes_back_with_its_files(lab: Lab) -> None:
    sums, node = checksums(lab), list(lab.nodes())[-1]
    name = next(iter(sums))
    lab.ssh(node, f"setsid sh -c 'exec 3<{OUTPUT}/{name}; exec sleep 900' >/dev/null 2>&1 </dev/null &")
    lab.play("teardown.yml", "--tags", "seaweedfs").ok()
    assert not any(mounted(lab, node) for node in lab.nodes())
    assert "seaweedfs" not in lab.kubectl("get", "namespaces")
    assert "NotReady" not in lab.kubectl("get", "nodes")
    assert set(lab.play("teardown.yml", "--tags", "seaweedfs").ok().changed.values()) == {0}
    lab.play("site.yml").ok()
    assert checksums(lab) == sums


def test_teardown_in_parts_or_whole_keeps_the_data_for_a_new_site(lab: Lab) -> None:
    before = wait_for("counts", lambda: lab.status()["projects"]["demo"])
    lab.play("teardown.yml", "--tags", "deploy").ok()
    assert "data-miner" not in lab.kubectl("get", "namespaces")
    assert "Ready" in lab.kubectl("get", "nodes")
    assert set(lab.play("teardown.yml", "--tags", "deploy").ok().changed.values()) == {0}
    killed_teardown(lab, 8)
    lab.play("teardown.yml").ok()
    for node in lab.nodes():
        assert residue(lab, node) == ""
    assert set(lab.play("teardown.yml").ok().changed.values()) == {0}
    lab.play("site.yml").ok()
    after = lab.status()["projects"]["demo"]
    assert (after["frames"], after["videos"]) == (before["frames"], before["videos"])


@pytest.mark.soak
def test_names_without_their_volumes_are_not_taken_for_files(lab: Lab, tmp_path: Path) -> None:
    kept = place(tmp_path / "backups")
    backup(lab, kept)
    before = rows(lab)
    lab.play("teardown.yml", "-e", "wipe_data=true").ok()
    lab.play("site.yml", "--skip-tags", "workers,verify").ok()
    refused = restore(lab, kept)
    assert refused.code != 0
    assert "lie in volumes that are not there" in refused.output
    restore(lab, kept, "--skip-tags", "filer").ok()
    assert rows(lab) == before
    lab.play("site.yml", "--skip-tags", "verify").ok()


@pytest.mark.soak
def test_a_machine_that_is_away_is_named_and_the_others_are_taken_down(lab: Lab) -> None:
    *here, away = lab.nodes()
    podman(look(), "stop", "--time=0", f"{lab.name}-{away}")
    try:
        run = lab.play("teardown.yml")
        assert run.code != 0
        assert "Everything else was done. Left out:" in " ".join(run.output.split())
        assert [residue(lab, node) for node in here] == ["" for _ in here]
    finally:
        podman(look(), "start", f"{lab.name}-{away}")
    # Its k3s goes on starting, as the server is gone.
    wait_for("the machine is back", lambda: lab.ssh(away, "true").returncode == 0)
    lab.play("teardown.yml", "--limit", away).ok()
    assert residue(lab, away) == ""


@pytest.mark.soak
def test_what_somebody_mounted_into_our_directories_survives_a_wipe(lab: Lab) -> None:
    node = list(lab.nodes())[-1]
    theirs = "/data/seaweed/volume/theirs"
    made = f"mkdir -p /data/own {theirs} && echo precious > /data/own/file && mount --bind /data/own {theirs}"
    assert lab.ssh(node, made).returncode == 0
    run = lab.play("teardown.yml", "-e", "wipe_data=true")
    assert run.code != 0
    assert "NOT WIPED: /data/seaweed/volume" in " ".join(run.output.split())
    assert lab.ssh(node, f"cat {theirs}/file /data/own/file").stdout == "precious\nprecious\n"
    assert lab.ssh(node, f"umount {theirs}").returncode == 0
    lab.play("teardown.yml", "-e", "wipe_data=true").ok()
    assert lab.ssh(node, "cat /data/own/file; rm -r /data/own").stdout == "precious\n"


def test_a_wiping_teardown_leaves_nothing(lab: Lab) -> None:
    wipe = ("teardown.yml", "-e", "wipe_data=true")
    lab.play(*wipe).ok()
    for node in lab.nodes():
        assert residue(lab, node) == ""
        assert lab.ssh(node, "find /data /var/lib/data-miner -mindepth 1").stdout == ""
    assert set(lab.play(*wipe).ok().changed.values()) == {0}
