"""OCI images at rest: a layout in a directory, or the same in a tar archive."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from miner_cluster.artifacts.recipe import ArtifactError

MARKER = "oci-layout"
INDEX = "index.json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYOUT = {"imageLayoutVersion": "1.0.0"}
Descriptor = dict[str, Any]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class OciImage:
    """One image of a layout."""

    path: Path
    #: of the manifest, as index.json names it
    manifest: Descriptor
    #: digest of the configuration: what kubelet and containerd call the image's ID
    image_id: str
    #: size of every blob by its digest: manifest, configuration, layers
    blobs: dict[str, int]


def read_image(path: Path) -> OciImage:
    """Read the one image of a layout or an archive.

    Raises:
        ArtifactError: there is not exactly one, or it can't be read.
    """
    try:
        if path.is_dir():
            return _image(path, lambda name: (path / name).read_bytes())
        with tarfile.open(path, "r:") as archive:
            return _image(path, lambda name: _member(archive, name).read())
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path} holds no OCI image ({error}); remove it and run again to make it anew"
        ) from error


def all_blobs(images: Iterable[OciImage]) -> dict[str, int]:
    """Return the size of every blob of some images, by its digest."""
    return {digest: size for image in images for digest, size in image.blobs.items()}


@contextmanager
def open_blob(image: OciImage, digest: str) -> Iterator[IO[bytes]]:
    """Open a blob for reading."""
    name = blob_name(digest)
    if image.path.is_dir():
        with (image.path / name).open("rb") as file:
            yield file
    else:
        with tarfile.open(image.path, "r:") as archive:
            yield _member(archive, name)


def blob_name(digest: str) -> str:
    """Return the path of a blob in a layout.

    Raises:
        ValueError: a digest would lead elsewhere, as only our own lead to files here and on machines.
    """
    if not _DIGEST.fullmatch(str(digest)):
        raise ValueError(f"{digest!r} is no SHA-256")
    return f"blobs/{digest.replace(':', '/', 1)}"


def encode(value: object) -> bytes:
    """Return the one JSON text that we write for a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest_of(content: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _image(path: Path, read: Callable[[str], bytes]) -> OciImage:
    manifests = json.loads(read(INDEX))["manifests"]
    if len(manifests) != 1:
        raise ValueError(f"its index lists {len(manifests)} images instead of one")
    entry = manifests[0]
    manifest = json.loads(read(blob_name(entry["digest"])))
    parts = [entry, manifest["config"], *manifest["layers"]]
    for part in parts:
        blob_name(part["digest"])
    return OciImage(
        path=path,
        manifest={key: entry[key] for key in ("mediaType", "digest", "size")},
        image_id=manifest["config"]["digest"],
        blobs={part["digest"]: part["size"] for part in parts},
    )


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """Return a member; some tools write their names with ``./`` in front."""
    try:
        member = archive.getmember(name)
    except KeyError:
        member = archive.getmember(f"./{name}")
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file
