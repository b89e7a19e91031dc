"""Container images as OCI archives, from tars of root file systems; the same layers give the same bytes.

containerd, podman, buildah and skopeo read them. The layers are compressed by zstd.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.debian import EPOCH
from miner_cluster.artifacts.recipe import Workshop, file_sha256

_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A compressed layer in a file."""

    path: Path
    #: of the compressed file
    digest: str
    #: of the tar in it
    diff_id: str


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """How a container of the image starts."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    #: what ends the container politely; empty is SIGTERM
    stop_signal: str = ""

    def plain(self) -> dict[str, Any]:
        """Return what the image's configuration says of it."""
        values = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Env": [f"{name}={value}" for name, value in sorted(self.env.items())],
            "User": self.user,
            "StopSignal": self.stop_signal,
        }
        return {key: value for key, value in values.items() if value}


def files_tar(files: Mapping[str, tuple[Path, int]], tar: Path, *, directories: Mapping[str, int]) -> None:
    """Make a tar of a layer.

    Args:
        tar: the result.
        files: the file to read and its mode, by absolute path in the image.
        directories: modes of directories to make, by absolute path in the image.
    """
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in sorted(directories.items()):
            entry = _entry(name, mode)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, (path, mode) in sorted(files.items()):
            entry = _entry(name, mode)
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)


def compress(shop: Workshop, tar: Path) -> Layer:
    """Make a layer of a tar, which is left as it is.

    Raises:
        ArtifactError: there is no zstd, or it failed.
    """
    target = tar.with_suffix(".zst")
    shop.run("zstd", "-q", "-T2", "-6", tar, "-o", target)
    return Layer(path=target, digest=f"sha256:{file_sha256(target)}", diff_id=f"sha256:{file_sha256(tar)}")


def write_archive(
    target: Path, reference: str, layers: Sequence[Layer], config: ImageConfig, *, architecture: str
) -> str:
    """Write an archive of one image, and return the image's ID: the digest of its configuration.

    Args:
        target: the archive.
        reference: the full name of the image, such as ``docker.io/rancher/mirrored-pause:3.6``.
        layers: the lowest first.
        config: how a container starts.
        architecture: as Go names it.
    """
    config_blob = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "created": _CREATED,
            "config": config.plain(),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": _CREATED, "created_by": "data-miner artifacts"} for _ in layers],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, _digest(config_blob), len(config_blob)),
            "layers": [_descriptor(_LAYER, layer.digest, layer.path.stat().st_size) for layer in layers],
        }
    )
    names = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
    }
    entry = _descriptor(_MANIFEST, _digest(manifest), len(manifest)) | {"annotations": names}
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]})
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", index)
        _add(archive, _blob(_digest(manifest)), manifest)
        _add(archive, _blob(_digest(config_blob)), config_blob)
        for layer in {layer.digest: layer for layer in layers}.values():
            with layer.path.open("rb") as file:
                blob = _entry(_blob(layer.digest), 0o644)
                blob.size = layer.path.stat().st_size
                archive.addfile(blob, file)
    return _digest(config_blob)


_CREATED = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.mode = mode
    entry.mtime = EPOCH
    return entry


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name, 0o644)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
