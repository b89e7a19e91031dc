"""buildah, which keeps its images and layers in a storage of our own below the cache, never in the user's."""

from __future__ import annotations

import fcntl
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from miner_cluster.artifacts.commands import require_command
from miner_cluster.artifacts.recipe import ArtifactError, Workshop
from miner_cluster.artifacts.store import remove_tree
from miner_cluster.images import pip_settings
from miner_cluster.images.layout import MARKER

_ID = re.compile(r"^[0-9a-f]{64}$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """What the workers' image stands on; ``path`` None is pulled from its registry."""

    reference: str
    path: Path | None = None
    image_id: str | None = None

    @property
    def name(self) -> str:
        """What tells it from every other: its ID where that is known."""
        return self.image_id or self.reference


@dataclass(frozen=True, kw_only=True)
class Buildah:
    """buildah, with a storage of a name below the compilers' caches."""

    shop: Workshop
    storage: str
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        """Find its storage."""
        require_command("buildah")
        object.__setattr__(self, "home", self.shop.cache / self.storage)

    def __call__(self, command: str, *arguments: str, cwd: Path | None = None) -> str:
        """Run one of its commands, and return what it prints."""
        storage = ("--root", str(self.home / "storage"), "--runroot", str(self.home / "run"))
        return self.shop.run("buildah", *storage, command, *arguments, cwd=cwd)

    @contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        """Keep other builds out of the storage, and clear away what a killed one left in it.

        Args:
            purpose: while it stays the same, layers of earlier builds are of use; else they go.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self("rm", "--all")
                self._begin(purpose)
            except ArtifactError:  # a kill left it inconsistent; everything in it can be made again
                remove_tree(self.home / "storage")
                remove_tree(self.home / "run")
            yield

    def _begin(self, purpose: str) -> None:
        note = self.home / "purpose"
        if note.exists() and note.read_text("utf-8") != purpose:
            self("rmi", "--all", "--force")
        note.write_text(purpose, "utf-8")


def pull(buildah: Buildah, base: BaseImage) -> str:
    """Return the ID, as buildah writes it, of the base image in its storage.

    Raises:
        ArtifactError: it can't be had, or is another one.
    """
    if base.image_id and base.image_id in buildah("images", "--quiet", "--no-trunc").split():
        return base.image_id.removeprefix("sha256:")  # an archive would be unpacked to see that it is there
    if base.path is None:
        said = buildah("pull", "--quiet", "--policy", "missing", base.reference)
    else:
        said = buildah("pull", "--quiet", f"{_transport(base.path)}:{base.path}")
    found = _ID.search(said)
    if found is None:
        raise ArtifactError(f"buildah pulled {base.reference} but named no image: {said!r}")
    if base.image_id not in (None, f"sha256:{found[0]}"):
        raise ArtifactError(
            f"the base image {base.reference} is sha256:{found[0]} instead of {base.image_id}; "
            f"remove {base.path} and run again"
        )
    return found[0]


def _transport(archive: Path) -> str:
    try:
        with tarfile.open(archive) as tar:
            names = {name.removeprefix("./") for name in tar.getnames()}
    except (OSError, tarfile.TarError) as error:
        raise ArtifactError(f"{archive} can't be read ({error}); remove it and run again") from error
    return "oci-archive" if MARKER in names else "docker-archive"


def pip_secrets(scratch: Path, environment: Mapping[str, str], **more: str) -> dict[str, Path]:
    """Return files with what pip needs to reach packages: certificates (``ca``) and settings (``pip``).

    Args:
        scratch: where they are written.
        environment: with the user's own settings.
        more: further settings.
    """
    found = {}
    if bundle := pip_settings.ca_bundle(environment):
        found["ca"] = bundle
    if text := pip_settings.pip_conf(environment, more):
        found["pip"] = scratch / "pip.conf"
        found["pip"].touch(0o600)
        found["pip"].write_text(text, "utf-8")
    return found
