"""The images that a node's containerd has: a plan that makes them the wanted ones, and ctr to follow it."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from typing import Any

PINNED = "io.cri-containerd.pinned"
#: on images of ours: when they came, in seconds since 1970
IMPORTED = "data-miner.imported"
#: how long containerd's CRI plugin may take to notice an image
SETTLE_S = 10.0
_ROW = re.compile(r"^(?P<ref>\S+)\s+\S+\s+(?P<digest>sha256:[0-9a-f]{64})\s.*?(?P<labels>\S+)\s*$")


class CtrError(Exception):
    """A command failed; the text says which and why."""


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
    pin = [name for name in ours if name in touched or not _ours(current[name])]
    return Plan(
        discard=[name for name in missing if name in current],
        missing=missing,
        move=move,
        pin=pin,
        remove=superfluous(current, set(ours), set(wanted.values()), spares),
    )


def superfluous(current: dict[str, Image], wanted: set[str], wanted_ids: set[str], spares: int) -> list[str]:
    """Return which images of ours to remove: all but the newest spares of each repository."""
    others = {ref: image for ref, image in current.items() if _ours(image) and ref not in wanted}
    kept: dict[str, set[str]] = {}
    for ref, image in sorted(others.items(), key=lambda entry: (-int(entry[1].labels[IMPORTED]), entry[0])):
        ids = kept.setdefault(repository(ref), set())
        if image.image_id not in {*wanted_ids, ""} and len(ids) < spares:
            ids.add(image.image_id)
    remove = [ref for ref, image in others.items() if image.image_id not in kept[repository(ref)]]
    used = wanted_ids.union(*kept.values())
    used |= {image.image_id for ref, image in current.items() if not _ours(image) and ref != image.image_id}
    unnamed = {others[ref].image_id for ref in remove} - used
    return sorted(remove) + sorted(unnamed & set(current))


def own_name(reference: str, image_id: str) -> str:
    """Return the name that an image of ours keeps whatever its reference means later."""
    return f"{repository(reference)}:id-{image_id.removeprefix('sha256:')[:12]}"


def repository(reference: str) -> str:
    """Return a full reference without its tag."""
    return reference.rpartition(":")[0]


class Containerd:
    """containerd, through ``ctr``."""

    def __init__(self, command: list[str]) -> None:
        self._command = [*command, "--namespace", "k8s.io"]

    def __call__(self, *arguments: str) -> str:
        """Run one command and return what it prints.

        Raises:
            CtrError: it can't be run or fails.
        """
        argv = [*self._command, *arguments]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        except OSError as error:
            raise CtrError(f"{argv[0]}: {error.strerror}") from error
        if done.returncode:
            raise CtrError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def images(self) -> dict[str, Image]:
        """Return what it has, by reference."""
        return parse_images(self("images", "ls"))

    def blobs(self) -> list[str]:
        """Return the digests of all blobs."""
        return self("content", "ls", "--quiet").split()

    def apply(self, steps: Plan, archive: str | None, now: int) -> None:
        """Carry out a plan."""
        if steps.discard:
            self("images", "rm", *steps.discard)
        if archive:
            self("images", "import", archive)
        for reference, name in steps.move.items():
            self("images", "tag", "--force", name, reference)
        for reference in steps.pin:
            self("images", "label", reference, f"{PINNED}=pinned", f"{IMPORTED}={now}")
        if steps.remove:
            self("images", "rm", *steps.remove)

    def settle(self, wanted: dict[str, str]) -> dict[str, Image]:
        """Return what it has, once the CRI plugin knows the wanted images or has had the time to."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            found = self.images()
            if all(_id(found, ref) for ref in wanted) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def converge(
    containerd: Containerd, wanted: dict[str, str], *, spares: int, archive: str | None, look_only: bool
) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        CtrError: containerd does not answer, refuses, or has other images than the wanted ones in the end.
    """
    try:
        before = containerd.images()
    except CtrError as error:
        if wanted and not look_only:
            raise CtrError(f"{error}; is k3s running here? If not, run site.yml --tags k3s") from error
        before = {}  # a bare machine has nothing to remove, and under --check it lacks everything
    steps = plan(before, wanted, spares=spares)
    result = {
        "changed": bool(steps.sentences()),
        "changes": steps.sentences(),
        "missing": steps.missing,
        "image_ids": {ref: image_id or _id(before, ref) for ref, image_id in wanted.items()},
        "diff": {"before": _before(before, wanted), "after": _after(before, wanted, steps)},
    }
    if look_only or not result["changed"]:
        return result
    if steps.missing and not archive:
        return result | {"changed": False, "blobs": containerd.blobs()}
    containerd.apply(steps, archive, int(time.time()))
    after = containerd.settle(wanted)
    wrong = [
        f"{ref} is {_id(after, ref) or 'not there'} instead of {image_id}"
        for ref, image_id in wanted.items()
        if _id(after, ref) != image_id
    ]
    if wrong:
        raise CtrError(f"after the import {'; '.join(wrong)}")
    return result


def _labels(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _before(current: dict[str, Image], wanted: dict[str, str]) -> str:
    """Return what --diff shows: the wanted references and all that is ours."""
    return _lines({ref: image.image_id for ref, image in current.items() if ref in wanted or _ours(image)})


def _after(current: dict[str, Image], wanted: dict[str, str], steps: Plan) -> str:
    """Return the same as it will be."""
    ids = {ref: image.image_id for ref, image in current.items() if _ours(image)} | wanted
    ids |= {name: wanted[ref] for name, ref in steps.missing.items()}
    return _lines({ref: image_id for ref, image_id in ids.items() if ref not in steps.remove})


def _lines(ids: dict[str, str]) -> str:
    return "".join(f"{ref} {image_id or 'not known yet'}\n" for ref, image_id in sorted(ids.items()))


def _has(images: dict[str, Image], reference: str, image_id: str) -> bool:
    return bool(image_id) and _id(images, reference) == image_id


def _id(images: dict[str, Image], reference: str) -> str:
    return images[reference].image_id if reference in images else ""


def _ours(image: Image) -> bool:
    return PINNED in image.labels and image.labels.get(IMPORTED, "").isdigit()
