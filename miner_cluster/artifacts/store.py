"""The cache on disk.

``artifacts/<name>/<key>/``          an artifact and its manifest.json: complete, or not there
``artifacts/<name>/<key>.partial/``  one being made, by whoever holds the lock
``artifacts/<name>/<key>.lock``      locked while it is made or thrown away
``tools/``                           caches of compilers, shared by all builds
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from miner_cluster.artifacts.commands import Commands
from miner_cluster.artifacts.progress import Progress, megabytes
from miner_cluster.artifacts.recipe import ArtifactError, Recipe, file_sha256

MANIFEST = "manifest.json"
#: sizes and times of the files when their checksums were last found right
STAMP = ".verified.json"
LOG = "build.log"


class StoredFile(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    size: int


class Manifest(BaseModel):
    """What manifest.json holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    key: str
    version: str
    source: str
    stand_in: str
    #: of the file where there is one, else of the list of files
    sha256: str
    size: int
    files: dict[str, StoredFile]
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One that is there, whole."""

    path: Path
    manifest: Manifest


def cache_root(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's cache: $DATA_MINER_CACHE, else data-miner below the XDG cache directory."""
    env = os.environ if environment is None else environment
    if own := env.get("DATA_MINER_CACHE"):
        return Path(own).expanduser().absolute()
    base = env.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()).absolute() / "data-miner"


@dataclass(kw_only=True)
class Store:
    """A user's artifacts."""

    root: Path = field(default_factory=cache_root)
    progress: Progress = field(default_factory=Progress)
    commands: Commands = field(default_factory=Commands)

    def directory(self, recipe: Recipe) -> Path:
        """Return where the artifact lies, or will lie."""
        return self.root / "artifacts" / recipe.name / recipe.key

    def find(self, recipe: Recipe) -> Artifact | None:
        """Return the artifact where it is there and its checksums are right."""
        return _load(self.directory(recipe))

    def ensure(self, recipe: Recipe) -> Artifact:
        """Return the artifact; make it first where it is not there, or damaged.

        Raises:
            ArtifactError: it can't be made; nothing of it is left.
        """
        if found := self.find(recipe):
            return found
        try:
            with self._locked(recipe) as lock:
                return self.find(recipe) or self._make(recipe, lock)
        except OSError as error:
            raise ArtifactError(
                f"{recipe.name}: {error.filename or self.root}: {error.strerror}; make room or rights there, "
                "or set DATA_MINER_CACHE to another directory"
            ) from error

    def take_over(self, recipe: Recipe, other: Store) -> bool:
        """Copy an artifact from another store; return whether it was there, whole, and lacked here.

        Raises:
            ArtifactError: there is no room or right to write.
        """
        found = None if self.find(recipe) else other.find(recipe)
        if found is None:
            return False
        directory = self.directory(recipe)
        partial = directory.with_suffix(".partial")
        self.progress.say(f"{recipe.name}: copying {megabytes(found.manifest.size)} to {self.root}")
        try:
            with self._locked(recipe):
                remove_tree(directory)
                remove_tree(partial)
                with self.progress.during(recipe.name, "copying"):
                    shutil.copytree(found.path, partial, ignore=shutil.ignore_patterns(STAMP))
                if _load(partial) is None:
                    raise ArtifactError(f"{recipe.name}: the copy in {partial} is damaged; look at the disk")
                partial.rename(directory)
        except (OSError, shutil.Error) as error:
            raise ArtifactError(f"{recipe.name} can't be copied to {self.root}: {error}") from error
        return True

    def manifests(self) -> Iterator[Artifact]:
        """Yield every artifact that is there, whole or not: only manifests are read."""
        for path in sorted(self.root.glob(f"artifacts/*/*/{MANIFEST}")):
            if manifest := _manifest(path.parent):
                yield Artifact(path=path.parent, manifest=manifest)

    @contextmanager
    def _locked(self, recipe: Recipe) -> Iterator[int]:
        """Hold the lock of a recipe's key; it is let go when this process and its children have ended."""
        directory = self.directory(recipe)
        directory.parent.mkdir(parents=True, exist_ok=True)
        lock = _open_lock(directory.with_suffix(".lock"))
        try:
            self._wait_for(lock, recipe)
            yield lock
        finally:
            os.close(lock)

    def _wait_for(self, lock: int, recipe: Recipe) -> None:
        if _try_lock(lock):
            return
        self.progress.say(f"{recipe.name}: another process makes it, waiting")
        with self.progress.during(recipe.name, "waiting"):
            while not _try_lock(lock):
                self.commands.check()
                time.sleep(0.2)

    def _make(self, recipe: Recipe, lock: int) -> Artifact:
        directory = self.directory(recipe)
        partial = directory.with_suffix(".partial")
        if directory.exists():
            self.progress.say(f"{recipe.name}: the one in the cache is damaged, making it anew")
            remove_tree(directory)
        self._sweep(directory.parent)
        remove_tree(partial)
        shop = _Workshop(self, recipe, partial, lock)
        self.progress.say(f"{recipe.name}: {recipe.verb}, {recipe.estimate} the first time")
        start = time.monotonic()
        try:
            with self.progress.during(recipe.name, recipe.verb):
                facts = _in_workshop(recipe, shop)
                manifest = _complete(recipe, shop.output, facts)
            shop.output.rename(directory)
        except ArtifactError as error:
            raise ArtifactError(f"{recipe.name}: {error}") from error
        finally:
            remove_tree(partial)
        seconds = time.monotonic() - start
        self.progress.say(f"{recipe.name}: done in {seconds:.0f} s, {megabytes(manifest.size)}")
        return Artifact(path=directory, manifest=manifest)

    def _sweep(self, parent: Path) -> None:
        """Remove what killed builds of other versions left; the lock tells that nobody works on it."""
        for partial in parent.glob("*.partial"):
            lock = _open_lock(partial.with_suffix(".lock"))
            try:
                if _try_lock(lock):
                    remove_tree(partial)
            finally:
                os.close(lock)


class _Workshop:
    """The directory of a build, and the commands that it runs."""

    def __init__(self, store: Store, recipe: Recipe, partial: Path, lock: int) -> None:
        self._store = store
        self._recipe = recipe
        self._lock = lock
        self.output = partial / "output"
        self.scratch = partial / "scratch"
        self.cache = store.root / "tools"
        self._log = partial / LOG
        for directory in (self.output, self.scratch, self.cache):
            directory.mkdir(parents=True, exist_ok=True)

    def run(self, *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a command with a scratch directory for its temporary files."""
        return self._store.commands.run(
            [str(part) for part in argv],
            cwd=cwd or self.scratch,
            env={**os.environ, "TMPDIR": str(self.scratch), "LC_ALL": "C.UTF-8", **(env or {})},
            log=self._log,
            pass_fds=[self._lock],
        )

    def check(self) -> None:
        """Raise Interrupted where the builds were given up."""
        self._store.commands.check()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold a lock beside the caches of compilers."""
        lock = _open_lock(self.cache / f"{name}.lock")
        try:
            while not _try_lock(lock):
                self.check()
                time.sleep(0.2)
            yield
        finally:
            os.close(lock)

    def need(self, recipe: Recipe) -> Path:
        """Return the directory of another artifact."""
        return self._store.ensure(recipe).path


def remove_tree(path: Path) -> None:
    """Remove a directory with all that is in it, but nothing that is mounted there.

    Raises:
        ArtifactError: something is mounted below it that can't be unmounted.
    """
    if not path.exists():
        return
    for mount in _mounts_below(path):
        unmount = subprocess.run(  # noqa: S603 - our own path
            ["umount", "--lazy", mount],  # noqa: S607 - found on the user's PATH
            check=False,
            capture_output=True,
        )
        if unmount.returncode:
            raise ArtifactError(f"{mount} is left mounted by an interrupted build; unmount it")
    shutil.rmtree(path)


def _mounts_below(path: Path) -> list[str]:
    """Return the mount points in a directory, the deepest first."""
    prefix = f"{path.resolve()}/"
    mounts = [
        line.split(" ")[4].encode().decode("unicode_escape")
        for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    ]
    return sorted((mount for mount in mounts if mount.startswith(prefix)), reverse=True)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_workshop(recipe: Recipe, shop: _Workshop) -> dict[str, Any]:
    facts = recipe.build(shop)
    if not any(shop.output.iterdir()):
        raise ArtifactError("the recipe made nothing")
    return facts


def _complete(recipe: Recipe, output: Path, facts: dict[str, Any]) -> Manifest:
    """Write the manifest of what was made, and see to it that all is on disk."""
    files = {str(path.relative_to(output)): _stored(path) for path in _files(output)}
    manifest = Manifest(
        name=recipe.name,
        key=recipe.key,
        version=recipe.version,
        source=recipe.source,
        stand_in=recipe.stand_in,
        sha256=_overall(files),
        size=sum(file.size for file in files.values()),
        files=files,
        facts=facts,
    )
    (output / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
    _stamp(output, manifest)
    for path in output.rglob("*"):
        _sync(path)
    return manifest


def _sync(path: Path) -> None:
    """See to it that a file or a directory is on disk before it counts as complete."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(directory: Path) -> list[Path]:
    own = {MANIFEST, STAMP}
    return sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in own)


def _stored(path: Path) -> StoredFile:
    return StoredFile(sha256=file_sha256(path), size=path.stat().st_size)


def _overall(files: Mapping[str, StoredFile]) -> str:
    if len(files) == 1:
        return next(iter(files.values())).sha256
    lines = "".join(f"{file.sha256}  {name}\n" for name, file in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _load(directory: Path) -> Artifact | None:
    manifest = _manifest(directory)
    if manifest is None or not _verified(directory, manifest):
        return None
    return Artifact(path=directory, manifest=manifest)


def _manifest(directory: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((directory / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _verified(directory: Path, manifest: Manifest) -> bool:
    """Return whether the files are those of the manifest.

    Reading all of them takes seconds, so checksums are compared only where a size or a time differs from when
    they were last found right.
    """
    try:
        if _read_stamp(directory) == _times(directory, manifest):
            return True
        if any(file_sha256(directory / name) != file.sha256 for name, file in manifest.files.items()):
            return False
    except OSError:
        return False
    with suppress(OSError):  # a cache that only others may write to is as good
        _stamp(directory, manifest)
    return True


def _times(directory: Path, manifest: Manifest) -> dict[str, list[int]]:
    found = {name: (directory / name).stat() for name in manifest.files}
    return {name: [stat.st_size, stat.st_mtime_ns, stat.st_ino] for name, stat in found.items()}


def _read_stamp(directory: Path) -> dict[str, list[int]] | None:
    try:
        stamp: dict[str, list[int]] = json.loads((directory / STAMP).read_bytes())
    except (OSError, ValueError):
        return None
    return stamp


def _stamp(directory: Path, manifest: Manifest) -> None:
    new = directory / f"{STAMP}.{os.getpid()}"
    new.write_text(json.dumps(_times(directory, manifest)), "utf-8")
    new.replace(directory / STAMP)
