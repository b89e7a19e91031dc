"""Teardown keeps data unless told to wipe it, and may be run twice."""

from __future__ import annotations

from tests.e2e.lab import Lab, wait_for


def residue(lab: Lab, node: str) -> str:
    """Processes, mounts and interfaces of k3s and SeaweedFS that are left on a node."""
    return lab.ssh(
        node,
        "ps -eo comm= | grep -E 'k3s|containerd|kube|weed';"
        " grep -E ' /(var/lib/kubelet|run/k3s)/|seaweedfs' /proc/self/mountinfo;"
        " ip -o link | grep -E 'cni0|flannel|veth'; ls -d /usr/local/bin/k3s /etc/rancher 2>/dev/null",
    ).stdout


def test_teardown_in_parts_or_whole_keeps_the_data_for_a_new_site(lab: Lab) -> None:
    before = wait_for("counts", lambda: lab.status()["projects"]["demo"])
    lab.play("teardown.yml", "--tags", "deploy").ok()
    assert "data-miner" not in lab.kubectl("get", "namespaces")
    assert "Ready" in lab.kubectl("get", "nodes")
    assert set(lab.play("teardown.yml", "--tags", "deploy").ok().changed.values()) == {0}
    lab.play("teardown.yml").ok()
    for node in lab.nodes():
        assert residue(lab, node) == ""
    assert set(lab.play("teardown.yml").ok().changed.values()) == {0}
    lab.play("site.yml").ok()
    after = lab.status()["projects"]["demo"]
    assert (after["frames"], after["videos"]) == (before["frames"], before["videos"])


def test_a_wiping_teardown_leaves_nothing(lab: Lab) -> None:
    wipe = ("teardown.yml", "-e", "wipe_data=true")
    lab.play(*wipe).ok()
    for node in lab.nodes():
        assert residue(lab, node) == ""
        assert lab.ssh(node, "find /data /var/lib/data-miner -mindepth 1").stdout == ""
    assert set(lab.play(*wipe).ok().changed.values()) == {0}
