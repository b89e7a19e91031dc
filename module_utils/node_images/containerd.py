"""containerd, through ``ctr``."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from pathlib import Path
from typing import IO, Any

from .plan import IMPORTED, PINNED, Image, Plan, id_of, parse_images

#: names an image in full when containerd imports it
NAME = "io.containerd.image.name"
#: how long containerd's CRI plugin may take to notice an image
SETTLE_S = 10.0
#: what a manifest's entry in an index says: media type, digest, size
Descriptor = dict[str, Any]


class CtrError(Exception):
    """A command failed; the text says which and why."""


class Containerd:
    """containerd, through ``ctr``."""

    def __init__(self, command: list[str], *, timeout_s: float | None = None) -> None:
        self._command = [*command, "--namespace", "k8s.io"]
        self._timeout_s = timeout_s

    def __call__(self, *arguments: str) -> str:
        """Run one command and return what it prints.

        Raises:
            CtrError: it can't be run or fails.
        """
        argv = [*self._command, *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - no shell
                argv, capture_output=True, text=True, check=False, timeout=self._timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise CtrError(f"{' '.join(argv)}: no answer in {self._timeout_s} s") from error
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

    def import_layout(self, manifests: dict[str, Descriptor], blobs: Path) -> None:
        """Import images of which some blobs came and the others are here.

        Raises:
            CtrError: it fails.
        """
        argv = [*self._command, "images", "import", "-"]
        with subprocess.Popen(  # noqa: S603 - no shell
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdin and process.stdout  # noqa: S101, PT018 - they are pipes
            try:
                write_layout(process.stdin, manifests, blobs)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it says why
            said = process.stdout.read().decode(errors="replace").strip()
        if process.returncode:
            raise CtrError(f"{' '.join(argv)}: {said}")

    def apply(self, steps: Plan, manifests: dict[str, Descriptor], blobs: Path, now: int) -> None:
        """Carry out a plan."""
        if steps.discard:
            self("images", "rm", *steps.discard)
        if steps.missing:
            self.import_layout({name: manifests[ref] for name, ref in steps.missing.items()}, blobs)
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
            if all(id_of(found, ref) for ref in wanted) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def write_layout(stream: IO[bytes], manifests: dict[str, Descriptor], blobs: Path) -> None:
    """Write the archive that ``ctr images import`` reads.

    It finds blobs that are not in the archive in containerd's own store.

    Args:
        stream: to write to.
        manifests: of the images, by full reference.
        blobs: directory of files whose names are their SHA-256.
    """
    entries = [{**manifest, "annotations": {NAME: reference}} for reference, manifest in manifests.items()]
    index = {"schemaVersion": 2, "manifests": entries}
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index)):
            content = json.dumps(value).encode()
            _add(archive, name, io.BytesIO(content), len(content))
        # Nothing came where only the name of an image was missing.
        for path in sorted(blobs.iterdir()) if blobs.is_dir() else []:
            with path.open("rb") as file:
                _add(archive, f"blobs/sha256/{path.name}", file, path.stat().st_size)


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    archive.addfile(member, file)
