"""An archive of images for one node, with only the blobs that the node lacks.

containerd reads the index and finds the blobs that are not in the archive in its own store, so that a changed
line of code moves kilobytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

from miner_cluster.images.layout import INDEX, LAYOUT, MARKER, OciImage, blob_name, encode, open_blob

#: names an image in full when containerd imports it
_NAME = "io.containerd.image.name"


def missing_blobs(images: Mapping[str, OciImage], present: Collection[str]) -> dict[str, int]:
    """Return the size of each blob that a node lacks, by its digest."""
    wanted = {digest: size for image in images.values() for digest, size in image.blobs.items()}
    return {digest: size for digest, size in wanted.items() if digest not in present}


def write_archive(path: Path, images: Mapping[str, OciImage], present: Collection[str]) -> None:
    """Write an archive that ``ctr images import`` reads.

    Args:
        path: the file to write.
        images: by full reference, see ``names.normalise``.
        present: digests of the blobs that the node has already.
    """
    written = set(present)
    index = {
        "schemaVersion": 2,
        "manifests": [
            image.manifest | {"annotations": {_NAME: reference}} for reference, image in images.items()
        ],
    }
    with tarfile.open(path, "w") as archive:
        for name, content in ((MARKER, encode(LAYOUT)), (INDEX, encode(index))):
            _add(archive, name, io.BytesIO(content), len(content))
        for image in images.values():
            for digest in missing_blobs({"": image}, written):
                with open_blob(image, digest) as file:
                    _add(archive, blob_name(digest), file, image.blobs[digest])
                written.add(digest)


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    archive.addfile(member, file)
