"""`python -m miner_cluster.images.inside -- COMMAND`: run a command where the workers with models run.

For training and tests on a machine without PyTorch. The command sees the checkout and the cache under their
own paths, runs in the checkout, and finds its code before the image's.
"""

from __future__ import annotations

import argparse
import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data_miner.errors import MinerError
from miner_cluster.artifacts import lab_images
from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.images import cache
from miner_cluster.images.buildah import BaseImage

#: apart from that of builds, which clear theirs
_STORAGE = "buildah-inside"
LAB_CONFIG = CHECKOUT / "inventory/lab/cluster_config.yaml"


@dataclass(frozen=True, kw_only=True)
class _Buildah:
    home: Path

    def argv(self, *arguments: str) -> list[str]:
        storage = ("--root", str(self.home / "storage"), "--runroot", str(self.home / "run"))
        return ["buildah", *storage, *arguments]

    def __call__(self, *arguments: str, cwd: Path | None = None) -> str:
        return subprocess.run(  # noqa: S603 - the arguments are ours
            self.argv(*arguments), check=True, capture_output=True, text=True, cwd=cwd
        ).stdout.strip()


def image(*, build: bool) -> cache.BuiltImage | None:
    """Return the lab's image with models for the sources as they are, or None where it is not built yet.

    Args:
        build: make it, and what it stands on, where it is not there.

    Raises:
        MinerError: it can't be built.
    """
    cluster = resolve_cluster(load_cluster_file(LAB_CONFIG).file, config_file=LAB_CONFIG)
    store = Store()
    recipe = lab_images.recipes(CHECKOUT / "lab").get(cluster.image.models_base or "")
    if recipe is None:
        return None
    if build:
        ensure_all(store, [recipe])
    found = store.find(recipe)
    if found is None:
        return None
    base = BaseImage(
        reference=recipe.reference,
        path=found.path / recipe.file,
        image_id=found.manifest.facts["image_id"],
    )
    models = Path(cluster.image.models) if cluster.image.models else None
    if not build:
        return cache.find(CHECKOUT, base, target="models", models=models)
    log = Path(cluster.state_dir) / "image-build.log"
    return cache.build(
        CHECKOUT, base, log, target="models", models=models, tell=lambda line: print(line, file=sys.stderr)
    )


def run(built: cache.BuiltImage, command: Sequence[str], *, volumes: Sequence[Path] = ()) -> int:
    """Run a command in an image and return its exit code.

    Args:
        built: the image.
        command: with its arguments.
        volumes: what it sees besides the checkout and the cache, under their own paths.
    """
    store = Store()
    buildah = _Buildah(home=store.root / "tools" / _STORAGE)
    with _container(buildah, built) as container:
        shared = [f"{path}:{path}" for path in (CHECKOUT, store.root, *volumes)]
        settings = [f"PYTHONPATH={CHECKOUT}", "HF_HUB_OFFLINE=1", "PYTHONDONTWRITEBYTECODE=1"]
        arguments = buildah.argv(
            *("run", "--isolation", "chroot", "--user", "0:0", "--workingdir", str(CHECKOUT)),
            *(part for volume in shared for part in ("--volume", volume)),
            *(container, "--", "env", *settings, *command),
        )
        return subprocess.run(arguments, check=False).returncode  # noqa: S603 - the command is the user's own


@contextmanager
def _container(buildah: _Buildah, built: cache.BuiltImage) -> Iterator[str]:
    """Make a container of an image, which replaces those that were used before."""
    name = built.image_id.removeprefix("sha256:")
    buildah.home.mkdir(parents=True, exist_ok=True)
    with (buildah.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = buildah("images", "--all", "--no-trunc", "--quiet").replace("sha256:", "").split()
        if name not in known:
            with suppress(subprocess.CalledProcessError):  # one in use stays
                buildah("rmi", *known)
            # It names the image by its path, which may hold what names may not, such as a dot in front.
            buildah("pull", "--quiet", f"oci:{built.path.name}", cwd=built.path.parent)
        container = buildah("from", "--pull-never", name)
    try:
        yield container
    finally:
        buildah("rm", container)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code of the command."""
    parser = argparse.ArgumentParser(prog="python -m miner_cluster.images.inside", description=__doc__)
    parser.add_argument(
        "--volume", type=Path, action="append", default=[], help="a directory that it sees too"
    )
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    try:
        built = image(build=True)
    except MinerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if built is None:
        print(f"error: image.models_base of {LAB_CONFIG} is not made here", file=sys.stderr)
        return 1
    return run(built, options.command, volumes=options.volume)


if __name__ == "__main__":
    sys.exit(main())
