"""What tests of upgrades look at, and how they break the new k3s on one machine."""

from __future__ import annotations

from tests.e2e.lab import Lab

_DROP_IN = "broken.conf"


def versions(lab: Lab) -> dict[str, str]:
    """Return which k3s each node says that it runs."""
    nodes = lab.get("nodes")["items"]
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}


def closed(lab: Lab) -> list[str]:
    """Return the nodes that take no pods."""
    nodes = lab.get("nodes")["items"]
    return [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]


def break_k3s(lab: Lab, node: str, version: str, *, unit: str = "k3s-agent") -> None:
    """Have k3s fail on a machine in one version only."""
    directory = f"/etc/systemd/system/{unit}.service.d"
    fails = f"ExecStartPre=/bin/sh -c '! /usr/local/bin/k3s --version | grep -F {version}'"
    write = f"cat >{directory}/{_DROP_IN} <<'EOF' && systemctl daemon-reload\n[Service]\n{fails}\nEOF"
    done = lab.ssh(node, f"mkdir -p {directory} && {write}")
    assert done.returncode == 0, done.stderr


def mend_k3s(lab: Lab, node: str, *, unit: str = "k3s-agent") -> None:
    """Undo what `break_k3s` did."""
    done = lab.ssh(node, f"rm /etc/systemd/system/{unit}.service.d/{_DROP_IN} && systemctl daemon-reload")
    assert done.returncode == 0, done.stderr
