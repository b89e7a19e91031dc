"""A real control plane of Kubernetes without a node of its own, and kwok, which plays nodes and their pods.

etcd, API server, controller manager and scheduler are those of the lab's k3s; kwok is compiled from its Go
module, whose version is in ``benchmarks/kwok/go.mod``. All end with the context.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from miner_cluster.artifacts.golang import compiler, go, go_build
from miner_cluster.artifacts.k3s import stand_in, stand_ins
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.recipe import Recipe, Workshop, files_digest
from miner_cluster.artifacts.store import Store
from miner_cluster.kube.api import Api, KubeError

KWOK = Path(__file__).parent / "kwok"
#: what nodes and pods go through: at once Ready, with a sign of life now and then
STAGES = (
    "kustomize/stage/node/fast/node-initialize.yaml",
    "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "kustomize/stage/pod/fast/pod-*.yaml",
)
#: Kubernetes' own controllers ask 20 to 50 times a second; what is measured here is not how long that takes
UNTHROTTLED = ("--kube-api-qps=2000", "--kube-api-burst=4000")
LOCALHOST = "127.0.0.1"
READY_S = 60.0


def kwok() -> Recipe:
    """Return the recipe of kwok."""
    toolchain = compiler(LAB)
    module = "sigs.k8s.io/kwok"

    def build(shop: Workshop) -> dict[str, Any]:
        go_build(shop, toolchain, KWOK, shop.output / "kwok", package=f"{module}/cmd/kwok")
        sources = go(shop, toolchain, KWOK, "list", "-m", "-f", "{{.Dir}}", module).strip()
        stages = [path.read_text("utf-8") for name in STAGES for path in Path(sources).glob(name)]
        (shop.output / "stages.yaml").write_text("---\n".join(stages), "utf-8")
        return {}

    return Recipe(
        name="kwok",
        version="1",
        source=module,
        inputs={
            "modules": files_digest(KWOK, ["go.mod", "go.sum"]),
            "compiler": toolchain.key,
            "architecture": architecture(),
            "stages": list(STAGES),
        },
        estimate="about a minute",
        build=build,
    )


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """One that runs."""

    kubeconfig: Path
    processes: list[int]

    def processor_s(self) -> float:
        """Return the seconds of the processor that its programs have had until now."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.processes]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def control_plane(directory: Path) -> Iterator[ControlPlane]:
    """Run a control plane that has its data in an empty directory."""
    store = Store()
    k3s = store.ensure(stand_in(LAB, next(iter(stand_ins(LAB))))).path / "k3s"
    player = store.ensure(kwok()).path
    client, peer, api, manager, scheduler = _free_ports(5)
    kubeconfig = directory / "kubeconfig"
    files = _write_files(directory, f"https://{LOCALHOST}:{api}")
    etcd = _etcd_settings(directory, client, peer)
    local = ("--bind-address=" + LOCALHOST, "--profiling=false")
    commands = {
        "etcd": [str(k3s), "etcd", f"--config-file={etcd}"],
        "kube-apiserver": [
            *(str(k3s), "kube-apiserver", *local, f"--secure-port={api}"),
            *(f"--etcd-servers=http://{LOCALHOST}:{client}", "--authorization-mode=RBAC"),
            *("--allow-privileged=true", "--service-cluster-ip-range=10.43.0.0/16"),
            f"--advertise-address={_own_address()}",
            f"--service-account-issuer=https://{LOCALHOST}",
            *(f"--{flag}={path}" for flag, path in files.items()),
        ],
        "kube-controller-manager": [
            *(str(k3s), "kube-controller-manager", *local, f"--secure-port={manager}"),
            *(f"--kubeconfig={kubeconfig}", "--leader-elect=false", *UNTHROTTLED),
            f"--service-account-private-key-file={files['service-account-signing-key-file']}",
        ],
        "kube-scheduler": [
            *(str(k3s), "kube-scheduler", *local, f"--secure-port={scheduler}"),
            *(f"--kubeconfig={kubeconfig}", "--leader-elect=false", *UNTHROTTLED),
        ],
        "kwok": [
            *(str(player / "kwok"), f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true"),
            *(f"--config={player / 'stages.yaml'}", "--node-lease-duration-seconds=40"),
        ],
    }
    with contextlib.ExitStack() as running:
        processes = []
        for name, command in commands.items():
            processes.append(running.enter_context(_running(command, directory / f"{name}.log")))
            if name == "kube-apiserver":
                _await_ready(kubeconfig, directory / f"{name}.log")
        yield ControlPlane(kubeconfig=kubeconfig, processes=processes)


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[int]:
    """Run a program as long as the context lasts; yield its process."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603 - our own arguments
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_ready(kubeconfig: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            Api(kubeconfig).raw("GET", "/readyz")
        except KubeError as error:
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"The API server is not ready: {error}\n{log.read_text()[-2000:]}"
                ) from error
            time.sleep(0.2)
        else:
            return


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOCALHOST, 0))
        return [one.getsockname()[1] for one in sockets]


def _own_address() -> str:
    """Return an address of this machine for the API's own Service, which takes none of the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))
        return str(one.getsockname()[0])


def _etcd_settings(directory: Path, client: int, peer: int) -> Path:
    path = directory / "etcd.json"
    clients, peers = (f"http://{LOCALHOST}:{port}" for port in (client, peer))
    settings = {
        "name": "fleet",
        "data-dir": str(directory / "etcd"),
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"fleet={peers}",
        "logger": "zap",
        "log-level": "warn",
    }
    path.write_text(json.dumps(settings))
    return path


def _write_files(directory: Path, server: str) -> Mapping[str, Path]:
    """Write keys, certificates, a token and the kubeconfig; return what the API server takes, by flag."""
    token = secrets.token_hex(16)
    certificate = _authority(directory, "server-ca")
    # The lab's API server also answers nodes that join; here none does.
    shutil.copyfile(directory / "server-ca.crt", directory / "client-ca.crt")
    shutil.copyfile(directory / "server-ca.key", directory / "client-ca.key")
    join = directory / "join.json"
    join.write_text(json.dumps({"tlsDir": str(directory), "secretFiles": [], "cluster": {}}))
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{token},fleet,fleet,"system:masters"\n')
    kubeconfig = {
        "current-context": "fleet",
        "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "fleet"}}],
        "clusters": [
            {"name": "fleet", "cluster": {"server": server, "certificate-authority": str(certificate)}}
        ],
        "users": [{"name": "fleet", "user": {"token": token}}],
    }
    (directory / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    key = directory / "server-ca.key"
    return {
        "k3s-join-config": join,
        "tls-cert-file": certificate,
        "tls-private-key-file": key,
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "token-auth-file": tokens,
    }


def _authority(directory: Path, name: str) -> Path:
    """Write a certificate that signs itself, for an API server at the loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now, subject = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOCALHOST))]), critical=False)
        .sign(key, SHA256())
    )
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    path = directory / f"{name}.crt"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path
