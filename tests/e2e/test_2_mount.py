"""The mount of the shared storage: it cures itself, workers wait, nothing is written beneath it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.lab import Busy, Lab, left, wait_for
from tests.e2e.storage_faults import MOUNT, kill, server, traffic, weed
from tests.e2e.test_2_faults import all_ready

#: within which a stale mount is cured without a person
CURE_S = 60


def last(lab: Lab) -> str:
    return list(lab.nodes())[-1]


def mount_pods(lab: Lab) -> dict[str, Any]:
    """The mounts' pods by node."""
    pods = lab.get("pods", "-n", "seaweedfs", "-l", "app.kubernetes.io/component=mount")["items"]
    return {pod["spec"]["nodeName"]: pod for pod in pods}


def restarts(pods: dict[str, Any]) -> dict[str, int]:
    return {
        name: sum(container["restartCount"] for container in pod["status"].get("containerStatuses", []))
        for name, pod in pods.items()
    }


def works(lab: Lab, node: str) -> bool:
    done = lab.ssh(node, f"cd / && timeout 10 sh -c 'echo x > {MOUNT}/.mount-test && rm {MOUNT}/.mount-test'")
    return done.returncode == 0


@contextmanager
def stopped(lab: Lab, node: str, command_line: str) -> Iterator[None]:
    """A process on a node that does nothing, but is there."""
    assert lab.ssh(node, f"pkill -STOP -f -- '{command_line}'").returncode == 0
    try:
        yield
    finally:
        lab.ssh(node, f"pkill -CONT -f -- '{command_line}'")


def test_a_mount_that_dies_while_files_are_open_is_cured(lab: Lab) -> None:
    node = last(lab)
    # Keeps a file open, and its working directory there, for as long as the test takes.
    hold = f"cd {MOUNT} && exec 3>.held && sleep 300"
    assert lab.ssh(node, f"systemd-run --quiet --unit=held sh -c '{hold}'").returncode == 0
    try:
        wait_for("the file is open", lambda: lab.ssh(node, f"test -e {MOUNT}/.held").returncode == 0)
        killed = time.monotonic()
        kill(lab, node, weed("mount"))
        wait_for("the mount is back", lambda: works(lab, node), timeout_s=CURE_S)
        print(f"cured in {time.monotonic() - killed:.1f} s")
    finally:
        lab.ssh(node, f"systemctl stop held; rm -f {MOUNT}/.held")


def test_a_mount_that_somebody_unmounted_comes_back(lab: Lab) -> None:
    node = last(lab)
    assert lab.ssh(node, f"umount -l {MOUNT}").returncode == 0
    wait_for("the mount is back", lambda: works(lab, node), timeout_s=CURE_S)


@pytest.mark.parametrize("seconds", [25, pytest.param(75, marks=pytest.mark.soak)])
def test_a_filer_that_hangs_restarts_no_mount(lab: Lab, seconds: int) -> None:
    before = restarts(mount_pods(lab))
    with stopped(lab, server(lab), weed("filer")):
        time.sleep(seconds)
    wait_for("the storage works", lambda: works(lab, last(lab)), timeout_s=CURE_S)
    assert restarts(mount_pods(lab)) == before


def test_beneath_the_mount_nobody_but_root_can_write(lab: Lab) -> None:
    for node in lab.nodes():
        beneath = "/run/beneath"
        looked = lab.ssh(
            node,
            f"mkdir -p {beneath} && mount --bind {MOUNT.rpartition('/')[0]} {beneath} && "
            f"stat -c '%a %U' {beneath}/swshared; ls -A {beneath}/swshared | wc -l; "
            f"setpriv --reuid 10001 --regid 10001 --clear-groups touch {beneath}/swshared/file; echo $?; "
            f"umount {beneath}; rmdir {beneath}",
        )
        mode, count, code = looked.stdout.splitlines()[:3]
        assert (mode, count, code) == ("555 root", "0", "1"), looked.stderr


def workers_on(lab: Lab, node: str) -> dict[str, Any]:
    pods = lab.get("pods", "-n", "data-miner", "-l", "app.kubernetes.io/component=worker")["items"]
    return {pod["metadata"]["name"]: pod for pod in pods if pod["spec"]["nodeName"] == node}


def ready(pod: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def waits(lab: Lab, pod: str) -> bool:
    """Whether a worker itself says that it can't work now; the kubelet takes half a minute to hear of it."""
    program = (
        "import urllib.error, urllib.request\n"
        "try: urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=5)\n"
        "except urllib.error.HTTPError as error: print(error.read().decode())\n"
    )
    return "waiting" in lab.kubectl("exec", "-n", "data-miner", pod, "--", "python", "-c", program)


def test_workers_wait_while_the_mount_is_away_and_go_on(lab: Lab) -> None:
    node = last(lab)
    before = workers_on(lab, node)
    # The shell that would start the mount anew does nothing for a while.
    with stopped(lab, node, "^/bin/sh -c room[(][)]"):
        kill(lab, node, weed("mount"))
        wait_for(
            "the workers say that they wait",
            lambda: all(not ready(pod) or waits(lab, name) for name, pod in workers_on(lab, node).items()),
            timeout_s=CURE_S,
        )
    wait_for("the mount is back", lambda: works(lab, node), timeout_s=CURE_S)
    wait_for("the workers go on", lambda: all_ready(lab))
    assert restarts(workers_on(lab, node)) == restarts(before)


def tried_again(lab: Lab, project: str) -> int:
    """Items of a project that were begun more than once; one that a worker gives back is not."""
    query = "SELECT project, count(*) FROM item WHERE attempts > 1 GROUP BY project"
    psql = ("psql", "--username=postgres", "--no-psqlrc", "-At", "-c", query, "data_miner")
    printed = lab.kubectl("exec", "-n", "data-miner", "postgres-0", "-c", "postgres", "--", *psql)
    return int(dict(line.split("|") for line in printed.splitlines()).get(project, "0"))


@pytest.mark.soak
def test_mounts_are_replaced_without_cutting_off_a_worker(lab: Lab, busy: Busy) -> None:
    project, chosen = busy
    wait_for("there is work", lambda: left(lab, project))
    before = mount_pods(lab)
    writing = Workers(lab)
    lab.kubectl("rollout", "restart", "-n", "seaweedfs", "daemonset/mount")
    with writing:
        run = lab.play("site.yml", "--tags", "seaweedfs", *chosen).ok()
    after = mount_pods(lab)
    assert all(after[node]["metadata"]["uid"] != pod["metadata"]["uid"] for node, pod in before.items())
    assert writing.cut_off == []
    assert not any("unschedulable" in node["spec"] for node in lab.get("nodes")["items"])
    wait_for("all work is done", lambda: not left(lab, project), timeout_s=600)
    assert tried_again(lab, project) == 0
    print(f"all mounts replaced in {run.seconds:.0f} s")


class Workers:
    """Watches, from `with` to its end, that no worker runs on a machine whose mount is not there."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cut_off: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60)

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            pods = self.lab.get("pods", "-A")["items"]
            mounted = {
                pod["spec"]["nodeName"]
                for pod in pods
                if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "mount"
                and pod["status"]["phase"] == "Running"
                and "deletionTimestamp" not in pod["metadata"]
            }
            self.cut_off += [
                pod["metadata"]["name"]
                for pod in pods
                if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "worker"
                and pod["status"]["phase"] == "Running"
                and pod["spec"].get("nodeName") not in mounted
            ]


def test_a_writer_through_another_mount_is_not_disturbed_by_a_replacement(lab: Lab) -> None:
    """While one machine's mount is replaced, the others go on; files written before are there afterwards."""
    nodes = list(lab.nodes())
    with traffic(lab, writer=nodes[1], reader=nodes[0]) as both:
        began = time.monotonic()
        pod = mount_pods(lab)[nodes[2]]["metadata"]["name"]
        lab.kubectl("delete", "pod", "-n", "seaweedfs", pod)
        wait_for("its mount is back", lambda: works(lab, nodes[2]))
        assert both.errors(began) == 0
        both.stop()
        assert both.lost(nodes[2]) == []
