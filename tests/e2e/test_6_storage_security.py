"""The storage answers nobody without a key of the cluster's own: no other namespace, no machine.

A NetworkPolicy can't keep a machine from the pods on it, so there tokens and certificates alone must refuse.
Each case is tried from three places; what a NetworkPolicy refuses never connects.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.lab import Lab, wait_for
from tests.e2e.secret_values import shown, values
from tests.e2e.storage_faults import survives
from tests.e2e.test_2_faults import all_ready

MASTER, FILER, VOLUME = ("master-0", 9333), ("filer-0", 8888), ("volume", 8080)
#: method, whom, path; the volume's path is that of a piece which is there
REQUESTS = [
    ("GET", VOLUME, "/{piece}"),
    ("PUT", VOLUME, "/{piece}"),
    ("DELETE", VOLUME, "/{piece}"),
    ("GET", FILER, "/{file}"),
    ("PUT", FILER, "/{file}"),
    ("DELETE", FILER, "/{file}"),
    ("GET", FILER, "/?proxyChunkId={piece}"),
    ("GET", MASTER, "/dir/assign"),
    ("GET", MASTER, "/dir/lookup?volumeId=1"),
    ("POST", MASTER, "/vol/grow?count=1"),
    ("POST", MASTER, "/submit"),
    ("POST", MASTER, "/col/delete?collection=none"),
]
NO_CONNECTION = "000"
#: 404: the master has no such pages any more
REFUSED = {"401", "403", "404"}
TIMEOUT_S = 4
#: all of the storage is replaced, and the mounts wait for the workers of their machines
ROTATION_S = 300.0


@pytest.fixture(scope="module")
def target(deployed: tuple[Lab, Any]) -> dict[str, str]:
    """A file with its first piece, and the addresses of the servers' pods."""
    lab, _ = deployed
    node = next(iter(lab.nodes()))
    file = ".security-test"
    done = lab.ssh(node, f"cd /swdfs_mnt/swshared && head -c 100000 /dev/urandom > {file} && sync {file}")
    assert done.returncode == 0, done.stderr
    listed = shell(lab, "master-0", f"fs.meta.cat /{file}\nvolume.list")
    piece = next(line.split('"')[3] for line in listed.splitlines() if '"fileId"' in line)
    pods = {
        pod["metadata"]["name"]: pod["status"]["podIP"]
        for pod in lab.get("pods", "-n", "seaweedfs")["items"]
        if "podIP" in pod["status"]
    }
    holder = holder_of(listed, piece.partition(",")[0])
    return {
        "file": file,
        "piece": piece,
        "master-0": pods["master-0"],
        "filer-0": pods["filer-0"],
        "volume": pods[holder],
        "volume_node": holder.removeprefix("volume-").removesuffix("-0"),
        "server_node": node,
    }


def holder_of(listed: str, volume: str) -> str:
    """The pod of a volume server that has a volume, from what `volume.list` prints."""
    server = ""
    for line in listed.splitlines():
        words = line.split()
        if words[:1] == ["DataNode"] and "hdd(" in line:
            server = words[1].partition(".")[0]
        if f"volume Id:{volume}," in line:
            return server
    raise AssertionError(f"nobody has volume {volume}: {listed}")


def shell(lab: Lab, pod: str, commands: str) -> str:
    """What `weed shell` prints in the master's pod, which has a certificate for it."""
    master = "master-0.master.seaweedfs:9333"
    script = f"(printf '%s\\n' {shlex.quote(commands)}; sleep 3) | timeout 60 weed shell -master={master}"
    return lab.kubectl("exec", "-n", "seaweedfs", pod, "--", "sh", "-c", script)


def status(lab: Lab, node: str, url: str, method: str) -> str:
    """The HTTP status of a request from a machine; 000 where there is no connection."""
    body = "--form file=@/etc/hostname" if method in {"PUT", "POST"} else ""
    command = f"curl -s -o /dev/null -w '%{{http_code}}' -m {TIMEOUT_S} -X {method} {body} '{url}'"
    return lab.ssh(node, command).stdout


def url(target: dict[str, str], whom: tuple[str, int], path: str) -> str:
    return f"http://{target[whom[0]]}:{whom[1]}{path.format(**target)}"


@pytest.mark.parametrize(("method", "whom", "path"), REQUESTS)
def test_a_pods_own_machine_is_refused_without_a_token(
    lab: Lab, target: dict[str, str], method: str, whom: tuple[str, int], path: str
) -> None:
    node = target["volume_node"] if whom == VOLUME else target["server_node"]
    assert status(lab, node, url(target, whom, path), method) in REFUSED


@pytest.mark.parametrize(("method", "whom", "path"), REQUESTS)
def test_another_machine_does_not_even_connect(
    lab: Lab, target: dict[str, str], method: str, whom: tuple[str, int], path: str
) -> None:
    own = target["volume_node"] if whom == VOLUME else target["server_node"]
    node = next(name for name in lab.nodes() if name != own)
    assert status(lab, node, url(target, whom, path), method) == NO_CONNECTION


REQUEST = """
import sys, urllib.error, urllib.request
try:
    method, url = sys.argv[1:]
    data = b"x" if method in ("PUT", "POST") else None
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=4) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print("000")
"""


@pytest.fixture(scope="module")
def stranger(deployed: tuple[Lab, Any]) -> Iterator[Callable[..., str]]:
    """Runs a program in a pod of a namespace without policies, so that the storage's own must refuse."""
    lab, _ = deployed
    worker = lab.get("deploy", "extract-worker", "-n", "data-miner")["spec"]["template"]["spec"]
    name, image = "storage-stranger", worker["containers"][0]["image"]
    lab.kubectl(
        *("run", name, "-n", "default", f"--image={image}", "--image-pull-policy=Never", "--restart=Never"),
        *("--command", "--", "sleep", "1800"),
    )
    try:
        lab.kubectl("wait", f"pod/{name}", "-n", "default", "--for=condition=Ready", "--timeout=60s")
        yield lambda *argv: lab.kubectl("exec", "-n", "default", name, "--", *argv).strip()
    finally:
        lab.kubectl("delete", "pod", name, "-n", "default", "--grace-period=1")


@pytest.mark.parametrize(("method", "whom", "path"), REQUESTS)
def test_a_pod_of_another_namespace_gets_nothing(
    stranger: Callable[..., str], target: dict[str, str], method: str, whom: tuple[str, int], path: str
) -> None:
    assert stranger("python", "-c", REQUEST, method, url(target, whom, path)) == NO_CONNECTION


CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4).close()
    print("connected")
except OSError:
    print("000")
"""


@pytest.mark.parametrize("whom", [MASTER, FILER, VOLUME])
def test_neither_another_namespace_nor_another_machine_reaches_grpc(
    lab: Lab, stranger: Callable[..., str], target: dict[str, str], whom: tuple[str, int]
) -> None:
    """What `weed shell` and the servers among themselves use."""
    own = target["volume_node"] if whom == VOLUME else target["server_node"]
    other = next(name for name in lab.nodes() if name != own)
    address, port = target[whom[0]], str(whom[1] + 10_000)
    assert stranger("python", "-c", CONNECT, address, port) == NO_CONNECTION
    tried = f"python3 -c {shlex.quote(CONNECT)} {address} {port}"
    assert lab.ssh(other, tried).stdout.strip() == NO_CONNECTION
    # From its own machine it connects, so the address is right; what it is told there see below.
    assert lab.ssh(own, tried).stdout.strip() == "connected"


@pytest.mark.parametrize("own_machine", [True, False])
def test_weed_shell_without_our_certificate_sees_nothing(
    lab: Lab, target: dict[str, str], own_machine: bool
) -> None:
    """The program is there, in the image; without /etc/seaweedfs it has no certificate."""
    server = target["server_node"]
    node = server if own_machine else next(name for name in lab.nodes() if name != server)
    weed = "$(find /proc/*/root/usr/bin/weed -maxdepth 0 2>/dev/null | head -1)"
    assert "version" in lab.ssh(node, f"{weed} version").stdout
    script = f"(echo volume.list; sleep 3) | timeout 10 {weed} shell -master={target['master-0']}:9333"
    printed = lab.ssh(node, f"cd /tmp && {script}").stdout
    assert "DataNode" not in printed


def test_a_mounts_certificate_does_not_open_the_master(lab: Lab, target: dict[str, str]) -> None:
    pods = lab.get("pods", "-n", "seaweedfs", "-l", "app.kubernetes.io/component=mount")["items"]
    pod = next(p for p in pods if p["spec"]["nodeName"] == target["server_node"])["metadata"]["name"]
    script = f"(echo volume.list; sleep 3) | timeout 10 weed shell -master={target['master-0']}:9333 || true"
    printed = lab.kubectl("exec", "-n", "seaweedfs", pod, "--", "sh", "-c", script)
    assert "DataNode" not in printed


def test_with_our_certificate_it_sees_everything(lab: Lab, target: dict[str, str]) -> None:
    """So that the tests before this one fail for the right reason."""
    assert "DataNode" in shell(lab, "master-0", "volume.list")


def test_what_was_refused_left_the_file_alone(lab: Lab, target: dict[str, str]) -> None:
    node = target["volume_node"]
    done = lab.ssh(node, f"timeout 20 wc -c < /swdfs_mnt/swshared/{target['file']}")
    assert done.stdout.strip() == "100000"
    lab.ssh(node, f"rm -f /swdfs_mnt/swshared/{target['file']}")


def test_no_key_is_in_an_object_that_is_not_a_secret(lab: Lab) -> None:
    kinds = "pods,statefulsets,daemonsets,configmaps,events"
    printed = json.dumps(lab.get(kinds, "-n", "seaweedfs"))
    assert "PRIVATE KEY" not in printed
    assert "jwt.signing" not in printed


def keys(lab: Lab) -> dict[str, Any]:
    secrets = lab.get("secrets", "-n", "seaweedfs")["items"]
    return {secret["metadata"]["name"]: secret["data"] for secret in secrets if "data" in secret}


def test_new_keys_are_taken_into_use_and_no_file_is_lost(lab: Lab) -> None:
    before, secrets, said = keys(lab), values(lab), []

    def rotate() -> None:
        run = lab.play("playbooks/rotate_secrets.yml", "-vvv", "--diff", "--tags", "seaweedfs")
        said.append(run.ok().output)

    survives(lab, "keys and certificates of the storage replaced", rotate, within_s=ROTATION_S)
    after = keys(lab)
    assert set(after) == set(before)
    assert shown(said[0], secrets | values(lab)) == set()
    assert all(after[name] != before[name] for name in before)
    wait_for("every pod is ready", lambda: all_ready(lab))
    assert set(lab.play("site.yml", "--tags", "seaweedfs").ok().changed.values()) == {0}


def test_the_end_of_the_certificates_is_shown(lab: Lab) -> None:
    shown = lab.play("playbooks/status.yml")
    assert re.search(r"certificates of the shared storage: valid until 20\d\d-\d\d-\d\d", shown.output)
