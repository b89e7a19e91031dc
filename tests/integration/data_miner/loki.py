"""A real Loki for tests: the program out of the lab's image, with the configuration that clusters get."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster.artifacts import lab_images
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.store import Store
from miner_cluster.loki_config import loki_config

PATIENCE_S = 120.0


def loki_program(directory: Path) -> Path:
    """Take the program out of the image; skips the test where the image was not built."""
    store = Store()
    recipe = lab_images.recipes(LAB)[lab_images.LOKI]
    if shutil.which("zstd") is None:
        pytest.skip("there is no zstd to unpack Loki's image with; apt-get install zstd")
    if store.find(recipe) is None:
        pytest.skip("Loki's image is not in the artifact store; make lab builds it")
    archive = store.directory(recipe) / recipe.file
    with tarfile.open(archive) as image:
        image.extractall(directory / "image", filter="data")
    blobs = directory / "image" / "blobs" / "sha256"
    index = json.loads((directory / "image" / "index.json").read_text())
    manifest = json.loads(_blob(blobs, index["manifests"][0]).read_text())
    layer = _blob(blobs, manifest["layers"][-1])
    subprocess.run(["zstd", "-q", "-d", layer, "-o", directory / "layer.tar"], check=True)
    with tarfile.open(directory / "layer.tar") as files:
        files.extractall(directory / "root", filter="data")
    return directory / "root" / "usr" / "bin" / "loki"


def _blob(blobs: Path, descriptor: dict[str, Any]) -> Path:
    return blobs / str(descriptor["digest"]).partition(":")[2]


class RealLoki:
    """Loki as a process that can be stopped and started again with its data.

    Args:
        program: as from ``loki_program``.
        directory: for its files.
    """

    def __init__(self, program: Path, directory: Path) -> None:
        self._program = program
        self._directory = directory
        port, grpc_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        config = json.loads(json.dumps(loki_config(port)).replace('"/loki', f'"{directory}/data'))
        # Beside what clusters have only what lets several run on one machine.
        config["server"] |= {
            "http_listen_address": "127.0.0.1",
            "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": grpc_port,
        }
        (directory / "config.yaml").write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, f"-config.file={self._directory}/config.yaml"],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._ready():
            log_end = (self._directory / "log").read_text()[-2000:]
            assert self._process.poll() is None, f"Loki ended: {log_end}"
            assert time.monotonic() < deadline, f"Loki does not get ready: {log_end}"
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop it politely, and wait until it has ended."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None

    def lines(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the log lines that a query finds, the oldest first, each as the object that it is."""
        given = {"query": query, "limit": 5000, "direction": "forward", "since": "1h"} | parameters
        url = f"{self.url}/loki/api/v1/query_range?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
        entries = [(int(at), line) for stream in found for at, line in stream["values"]]
        return [json.loads(line) for _, line in sorted(entries)]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
