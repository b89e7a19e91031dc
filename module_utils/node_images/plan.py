"""A plan that makes a node's containerd have the wanted images: pure functions that touch no machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

PINNED = "io.cri-containerd.pinned"
#: on images of ours: when they came, in seconds since 1970
IMPORTED = "data-miner.imported"
_ROW = re.compile(r"^(?P<ref>\S+)\s+\S+\s+(?P<digest>sha256:[0-9a-f]{64})\s.*?(?P<labels>\S+)\s*$")


@dataclass(frozen=True)
class Image:
    """One reference that containerd has."""

    image_id: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """What to do, in this order."""

    #: what stands in the way of an import
    discard: list[str]
    #: references by the name under which their image is imported
    missing: dict[str, str]
    #: names of images by the reference that is to mean them
    move: dict[str, str]
    pin: list[str]
    remove: list[str]

    def sentences(self) -> list[str]:
        """Return the plan in words; empty where there is nothing to do."""
        return [
            *(f"import {ref} as {name}" for name, ref in self.missing.items()),
            *(f"let {ref} mean {name}" for ref, name in self.move.items()),
            *(f"pin {ref}" for ref in self.pin),
            *(f"remove {ref}" for ref in self.remove),
        ]


def parse_images(listing: str) -> dict[str, Image]:
    """Read what ``ctr images ls`` prints.

    It shows digests of manifests. The CRI plugin makes a second entry for each new image, named by the
    image's ID, with the same digest: that is how the ID is known. Both are returned.
    """
    rows = [found for line in listing.splitlines() if (found := _ROW.match(line))]
    ids = {row["digest"]: row["ref"] for row in rows if row["ref"].startswith("sha256:")}
    return {
        row["ref"]: Image(image_id=ids.get(row["digest"], ""), labels=_labels(row["labels"])) for row in rows
    }


def plan(current: dict[str, Image], wanted: dict[str, str], *, spares: int) -> Plan:
    """Return what makes the node have the wanted images.

    An image is imported under a name of its own, made from its ID, and the reference is then moved to it: the
    CRI plugin looks up the ID of new names only. A replaced image lives on under that name.

    Args:
        current: what it has, by full reference.
        wanted: the IDs by full reference; an empty one is not known yet.
        spares: how many replaced images of each repository stay.
    """
    names = {ref: own_name(ref, image_id) for ref, image_id in wanted.items()}
    missing = {name: ref for ref, name in names.items() if not _has(current, name, wanted[ref])}
    move = {ref: name for ref, name in names.items() if not _has(current, ref, wanted[ref])}
    touched = {*missing, *move, *move.values()}
    ours = sorted({*names, *names.values()})
    pin = [name for name in ours if name in touched or not is_ours(current[name])]
    return Plan(
        discard=[name for name in missing if name in current],
        missing=missing,
        move=move,
        pin=pin,
        remove=superfluous(current, set(ours), set(wanted.values()), spares),
    )


def superfluous(current: dict[str, Image], wanted: set[str], wanted_ids: set[str], spares: int) -> list[str]:
    """Return which images of ours to remove: all but the newest spares of each repository."""
    others = {ref: image for ref, image in current.items() if is_ours(image) and ref not in wanted}
    kept: dict[str, set[str]] = {}
    for ref, image in sorted(others.items(), key=lambda entry: (-int(entry[1].labels[IMPORTED]), entry[0])):
        ids = kept.setdefault(repository(ref), set())
        if image.image_id not in {*wanted_ids, ""} and len(ids) < spares:
            ids.add(image.image_id)
    remove = [ref for ref, image in others.items() if image.image_id not in kept[repository(ref)]]
    used = wanted_ids.union(*kept.values())
    used |= {image.image_id for ref, image in current.items() if not is_ours(image) and ref != image.image_id}
    unnamed = {others[ref].image_id for ref in remove} - used
    return sorted(remove) + sorted(unnamed & set(current))


def own_name(reference: str, image_id: str) -> str:
    """Return the name that an image of ours keeps whatever its reference means later."""
    return f"{repository(reference)}:id-{image_id.removeprefix('sha256:')[:12]}"


def repository(reference: str) -> str:
    """Return a full reference without its tag and digest."""
    host, slash, name = reference.partition("@")[0].rpartition("/")
    return host + slash + name.partition(":")[0]


def _labels(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _has(images: dict[str, Image], reference: str, image_id: str) -> bool:
    return bool(image_id) and id_of(images, reference) == image_id


def id_of(images: dict[str, Image], reference: str) -> str:
    """Return the ID of an image; empty where it is not there or containerd does not know it."""
    return images[reference].image_id if reference in images else ""


def is_ours(image: Image) -> bool:
    """Return whether we brought an image."""
    return PINNED in image.labels and image.labels.get(IMPORTED, "").isdigit()
