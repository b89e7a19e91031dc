"""Container images made of Debian packages and files of wheels; lab/images/<name>/image.yaml says of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from miner_cluster.artifacts.debian import RootFilesystem, build_root_filesystem, mirror
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.oci import ImageConfig, compress, files_tar, write_archive
from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop, files_digest
from miner_cluster.artifacts.wheels import unpack, wheels

#: what the names of the images start with that are made here
REGISTRY = "lab.local/"
#: bump when the code here gives other bytes for the same files
_VERSION = "1"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Mode = Annotated[str, Field(pattern=r"^[0-7]{4}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _File(_Model):
    """Where a file goes."""

    path: str
    mode: Mode


class _Config(_Model):
    """How a container starts."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: dict[str, str] = {}
    user: str = ""
    stop_signal: str = ""


class ImageFile(_Model):
    """What image.yaml holds; paths are next to it, and lock files in lab/."""

    reference: Annotated[str, Field(pattern=rf"^{REGISTRY}[a-z-]+:[\w.-]+$")]
    source: str
    suite: Literal["bookworm", "trixie"]
    variant: Literal["essential", "minbase"]
    packages: tuple[str, ...]
    leave_out: tuple[str, ...] = ()
    #: scripts that get the root file system's directory, before and after the packages are installed
    prepare: str | None = None
    customize: str | None = None
    #: by the name of the file next to image.yaml
    files: dict[str, _File] = {}
    #: directories of lab/, whose files go to a directory of the image
    trees: dict[str, str] = {}
    #: a lock file, and where the files go that match a glob
    wheels: str | None = None
    wheel_files: dict[str, _File] = {}
    #: modes by path
    directories: dict[str, Mode] = {}
    config: _Config = _Config()


def recipes(lab: Path) -> dict[str, Recipe]:
    """Return the recipes of all images, by reference, from the directory lab/ of the repository."""
    files = sorted(lab.glob("images/*/image.yaml"))
    return {recipe.reference: recipe for recipe in (_recipe(lab, path.parent) for path in files)}


def _recipe(lab: Path, directory: Path) -> Recipe:
    text = (directory / "image.yaml").read_text("utf-8")
    image = ImageFile.model_validate(yaml.load(text, Loader=yaml.CSafeLoader))
    wheel = (
        wheels(directory.name, lab / image.wheels, estimate="about half a minute") if image.wheels else None
    )
    return Recipe(
        name=f"image-{directory.name}",
        version=image.reference.rpartition(":")[2],
        source=image.source,
        inputs={
            "recipe": _VERSION,
            "image": image.model_dump(mode="json", exclude={"source", "trees"}),
            "files": files_digest(directory, [*filter(None, (image.prepare, image.customize)), *image.files]),
            "wheels": wheel.key if wheel else "",
            **{f"tree {path}": files_digest(lab / name, ["*"]) for name, path in image.trees.items()},
            "architecture": architecture(),
            "mirror": mirror(),
        },
        estimate="about a minute",
        build=_builder(lab, directory, image, wheel),
        file=f"{directory.name}.tar",
        reference=image.reference,
        stand_in=_stand_in(image),
    )


def _stand_in(image: ImageFile) -> str:
    return f"{image.reference} is {image.source}, in place of the official image"


def _builder(
    lab: Path, directory: Path, image: ImageFile, wheel: Recipe | None
) -> Callable[[Workshop], dict[str, Any]]:
    def build(shop: Workshop) -> dict[str, Any]:
        tars = [_debian_layer(shop, directory, image)]
        files = {file.path: (directory / name, int(file.mode, 8)) for name, file in image.files.items()}
        files |= {file: (source, 0o644) for file, source in _tree_files(lab, image)}
        if files or image.wheel_files or image.directories:
            tars.append(_files_layer(shop, directory, image, wheel, files))
        layers = [compress(shop, tar) for tar in tars]
        archive = shop.output / f"{directory.name}.tar"
        config = ImageConfig(**image.config.model_dump() | {"env": {"PATH": _PATH} | image.config.env})
        image_id = write_archive(archive, image.reference, layers, config, architecture=architecture())
        return {"image_id": image_id}

    return build


def _debian_layer(shop: Workshop, directory: Path, image: ImageFile) -> Path:
    tar = shop.scratch / "debian.tar"
    wanted = RootFilesystem(
        suite=image.suite,
        variant=image.variant,
        packages=image.packages,
        prepare=directory / image.prepare if image.prepare else None,
        customize=directory / image.customize if image.customize else None,
        leave_out=image.leave_out,
    )
    build_root_filesystem(shop, wanted, tar)
    return tar


def _tree_files(lab: Path, image: ImageFile) -> Iterator[tuple[str, Path]]:
    """Return of each file of the trees where it goes in the image, and where it is."""
    for name, target in image.trees.items():
        for path in sorted((lab / name).iterdir()):
            if path.is_file():
                yield f"{target}/{path.name}", path


def _files_layer(
    shop: Workshop,
    directory: Path,
    image: ImageFile,
    wheel: Recipe | None,
    files: dict[str, tuple[Path, int]],
) -> Path:
    if image.wheel_files:
        if wheel is None:
            raise ArtifactError(
                f"{directory}/image.yaml names wheel_files but no wheels; add their lock file"
            )
        taken = {pattern: shop.scratch / f"file-{number}" for number, pattern in enumerate(image.wheel_files)}
        unpack(shop.need(wheel), taken)
        for pattern, file in image.wheel_files.items():
            files[file.path] = (taken[pattern], int(file.mode, 8))
    tar = shop.scratch / "files.tar"
    files_tar(files, tar, directories={path: int(mode, 8) for path, mode in image.directories.items()})
    return tar
