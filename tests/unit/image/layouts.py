"""OCI layouts of the tests' own."""

from __future__ import annotations

from pathlib import Path

from miner_cluster.images.layout import INDEX, LAYOUT, MANIFEST_TYPE, MARKER, blob_name, digest_of, encode


def put(root: Path, content: bytes) -> dict[str, object]:
    """Write a blob and return what a manifest says about it."""
    digest = digest_of(content)
    path = root / blob_name(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": "application/x-test", "digest": digest, "size": len(content)}


def layout(root: Path, *layers: bytes) -> str:
    """Write a layout with one image and return the image's ID."""
    config = put(root, encode({"rootfs": {"diff_ids": [digest_of(layer) for layer in layers]}}))
    manifest = {"schemaVersion": 2, "config": config, "layers": [put(root, layer) for layer in layers]}
    entry = put(root, encode(manifest)) | {"mediaType": MANIFEST_TYPE, "annotations": {"a": "b"}}
    (root / INDEX).write_bytes(encode({"schemaVersion": 2, "manifests": [entry]}))
    (root / MARKER).write_bytes(encode(LAYOUT))
    return str(config["digest"])
