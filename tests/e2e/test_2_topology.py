"""Machines and disks that go away or fill up, and machines that leave and join, while files are written.

The lab keeps two copies of each file, so a machine that is away stops nobody.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from miner_cluster.lab.host import look
from miner_cluster.lab.podman import podman
from tests.e2e.lab import Lab, wait_for
from tests.e2e.storage_faults import MOUNT, RECOVERY_S, survives, traffic


def healthy(lab: Lab) -> bool:
    """Whether every node is Ready and every pod of the storage too."""
    objects = [*lab.get("nodes")["items"], *lab.get("pods", "-n", "seaweedfs")["items"]]
    states = [{c["type"]: c["status"] for c in one["status"].get("conditions", [])} for one in objects]
    return all(state.get("Ready") == "True" for state in states)


@contextlib.contextmanager
def switched_off(lab: Lab, node: str) -> Iterator[None]:
    """A machine of the lab without power; afterwards it is on, and part of the cluster again."""
    podman(look(), "stop", "--time=0", f"{lab.name}-{node}")
    try:
        yield
    finally:
        podman(look(), "start", f"{lab.name}-{node}")


@contextlib.contextmanager
def full_disk(lab: Lab, node: str) -> Iterator[None]:
    """The disk of a machine's data is filled by somebody else to its last byte, within the block."""
    fill = (
        "cd /data && avail=$(df -B1 --output=avail . | tail -1)"
        " && fallocate -l $((avail / 100 * 99)) .filled-1"
        " && ! dd if=/dev/zero of=.filled-2 bs=64k 2>/dev/null"
    )
    try:
        done = lab.ssh(node, fill)
        assert done.returncode == 0, done.stderr
        yield
    finally:
        lab.ssh(node, "rm -f /data/.filled-1 /data/.filled-2")


@contextlib.contextmanager
def edited(lab: Lab, edit: Callable[[str], str]) -> Iterator[None]:
    """The lab's cluster_config.yaml with a change, which is taken back at the end."""
    file = lab.inventory / "cluster_config.yaml"
    before = file.read_text("utf-8")
    after = edit(before)
    assert after != before
    file.write_text(after, "utf-8")
    try:
        yield
    finally:
        file.write_text(before, "utf-8")


def limited(node: str, limit_mb: int) -> Callable[[str], str]:
    """An edit that gives a node another limit."""
    return lambda text: re.sub(rf"({node}: .*disk_limit_mb: )\d+", rf"\g<1>{limit_mb}", text)


@pytest.mark.parametrize("away_s", [30, pytest.param(180, marks=pytest.mark.soak)])
def test_a_lost_machine_stops_no_reader_and_no_writer(lab: Lab, away_s: float) -> None:
    server, lost, other = lab.nodes()
    with traffic(lab, writer=other, reader=server) as both:
        began = time.monotonic()
        with switched_off(lab, lost):
            recovered_s = both.wait_until_steady(began, timeout_s=RECOVERY_S)
            steady = time.monotonic()
            time.sleep(max(0.0, began + away_s - steady))
            assert both.errors(steady) == 0
            assert both.lost(other) == []
        returned = time.monotonic()
        returned_s = both.wait_until_steady(returned, timeout_s=RECOVERY_S)
        both.stop()
        figures = {
            "fault": f"machine away for {away_s:.0f} s",
            "recovered_s": round(recovered_s, 1),
            "after_return_s": round(returned_s, 1),
            "longest_operation_s": round(both.longest_s(began), 1),
            "errors": both.errors(began),
            "acknowledged": len(both.acknowledged),
        }
        print(json.dumps(figures))
        wait_for("the machine is back", lambda: healthy(lab))
        assert both.lost(lost) == []


@pytest.mark.soak
def test_full_volumes_are_followed_by_new_ones(lab: Lab) -> None:
    node = list(lab.nodes())[-1]
    # More than all volumes that are open for writing hold in the lab.
    fill = f"cd {MOUNT} && head -c 300M /dev/urandom >.filled-by-a-test && sync .filled-by-a-test"

    def fill_volumes() -> None:
        done = lab.ssh(node, fill)
        assert done.returncode == 0, done.stderr

    try:
        survives(lab, "volumes filled", fill_volumes)
    finally:
        lab.ssh(node, f"rm -f {MOUNT}/.filled-by-a-test")


@pytest.mark.soak
def test_a_full_disk_of_one_machine_stops_no_writer(lab: Lab) -> None:
    server, full, other = lab.nodes()
    with contextlib.ExitStack() as until:
        survives(
            lab,
            "disk full on one machine",
            lambda: until.enter_context(full_disk(lab, full)),
            writer=other,
            reader=server,
        )
        # The mount of the full machine learns only by use that it has no room for what it notes.
        lab.ssh(full, f"timeout 20 find {MOUNT} -name '*.jpg' >/dev/null; touch {MOUNT}/.full-by-a-test")
    works = f"timeout 20 sh -c 'touch {MOUNT}/.full-by-a-test && rm {MOUNT}/.full-by-a-test && ls {MOUNT}'"
    wait_for("the full machine's mount", lambda: lab.ssh(full, works).returncode == 0)


@pytest.mark.soak
def test_a_machine_that_is_taken_out_leaves_its_files_to_the_others(lab: Lab) -> None:
    server, other, leaving = lab.nodes()

    def without(text: str) -> str:
        lines = text.splitlines(keepends=True)
        return "".join(line for line in lines if not line.strip().startswith(f"{leaving}:"))

    with traffic(lab, writer=other, reader=server) as both:
        began = time.monotonic()
        with edited(lab, without):
            removed = lab.play("site.yml").ok()
            assert leaving not in {node["metadata"]["name"] for node in lab.get("nodes")["items"]}
            assert both.lost(server) == []
        added = lab.play("site.yml").ok()
        both.stop()
        figures = {"removed_s": round(removed.seconds), "added_s": round(added.seconds)}
        print(json.dumps(figures | {"errors": both.errors(began), "acknowledged": len(both.acknowledged)}))
        assert both.lost(leaving) == []


def places(lab: Lab, node: str) -> int:
    """How many volumes the volume server of a node may have."""
    spec = lab.get("statefulset", f"volume-{node}", "-n", "seaweedfs")["spec"]["template"]["spec"]
    (argument,) = [word for word in spec["containers"][0]["command"] if word.startswith("-max=")]
    return int(argument.removeprefix("-max="))


def volumes(lab: Lab, node: str) -> int:
    """How many volumes a node has."""
    return int(lab.ssh(node, "ls /data/seaweed/volume/*.dat | wc -l").stdout)


@pytest.mark.soak
def test_a_limit_is_raised_and_lowered_while_files_are_written(lab: Lab) -> None:
    # A limit that holds one volume is refused where there are two.
    *others, changed = sorted(lab.nodes(), key=lambda node: volumes(lab, node))
    assert volumes(lab, changed) > 1
    before = places(lab, changed)
    with traffic(lab, writer=others[0], reader=others[1]) as both:
        began = time.monotonic()
        with edited(lab, limited(changed, 64 * (before + 4))):
            raised = lab.play("site.yml", "--tags", "seaweedfs").ok()
            assert places(lab, changed) == before + 4
        lowered = lab.play("site.yml", "--tags", "seaweedfs").ok()
        assert places(lab, changed) == before
        with edited(lab, limited(changed, 64)):
            refused = lab.play("site.yml", "--tags", "seaweedfs")
        assert refused.code != 0
        assert "disk_limit_mb: 64 has room for 1 volumes of 64 MB" in " ".join(refused.output.split())
        assert places(lab, changed) == before
        both.stop()
        figures = {"raised_s": round(raised.seconds), "lowered_s": round(lowered.seconds)}
        print(json.dumps(figures | {"errors": both.errors(began), "acknowledged": len(both.acknowledged)}))
        assert both.lost(changed) == []
