"""The k3s program: the real release where it can be had, else, in a lab, a stand-in compiled here.

The release is had from the network, or from files that somebody put into the cache's directory
``downloads/k3s/<version>/``: ``k3s`` and ``sha256sum-<architecture>.txt``, and for nodes without internet the
release's ``k3s-airgap-images-<architecture>.tar.zst``.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from miner_cluster.artifacts.golang import compiler, go_build
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import ArtifactError, Recipe, Workshop, file_sha256, files_digest
from miner_cluster.artifacts.store import Store

RELEASES = "https://github.com/k3s-io/k3s/releases/download"
#: names another place with the same files, such as a mirror
RELEASES_VARIABLE = "DATA_MINER_K3S_RELEASES"
_PROBE_S = 4.0
_TIMEOUT_S = 30.0
_CHUNK = 1 << 20
_ASSETS = {"amd64": "k3s", "arm64": "k3s-arm64"}


def choose(
    store: Store,
    version: str,
    *,
    lab: Path,
    stand_in_allowed: bool,
    look_only: bool = False,
    directory: Store | None = None,
) -> Recipe:
    """Return the recipe of the k3s program: one that is in the cache already, else the best that can be had.

    A directory counts as the cache does, from which what lacks there is taken over.

    Raises:
        ArtifactError: the release can't be had, and nothing can stand in for it; not where one only looks.
    """
    real = release(store, version)
    stores = [store, *([directory] if directory else [])]
    if any(one.find(real) for one in stores) or _dropped(store, version):
        return real
    replacement = stand_in(lab, version) if stand_in_allowed and version in stand_ins(lab) else None
    if replacement and any(one.find(replacement) for one in stores):
        return replacement
    if reachable(version):
        return real
    if replacement:
        return replacement
    if look_only:
        return real
    raise ArtifactError(_unreachable(store, version, lab, stand_in_allowed=stand_in_allowed))


def release(store: Store, version: str) -> Recipe:
    """Return the recipe of the upstream program, whose checksum is compared with the release's own."""
    return Recipe(
        name="k3s",
        version=version,
        source=_url(version, _ASSETS[architecture()]),
        inputs={"architecture": architecture()},
        estimate="about a minute",
        build=_fetcher(drop_directory(store, version), version, _ASSETS[architecture()], "k3s"),
        verb="fetching",
        file="k3s",
    )


def airgap_images(store: Store, version: str, *, wanted: bool = False) -> Recipe | None:
    """Return the recipe of the release's own images, where they are wanted or somebody put them here."""
    name = f"k3s-airgap-images-{architecture()}.tar.zst"
    recipe = Recipe(
        name="k3s-airgap-images",
        version=version,
        source=_url(version, name),
        inputs={"architecture": architecture()},
        estimate="a few seconds",
        build=_fetcher(drop_directory(store, version), version, name, name),
        verb="fetching",
        file=name,
    )
    there = wanted or (drop_directory(store, version) / name).exists() or store.find(recipe)
    return recipe if there else None


def stand_in(lab: Path, version: str) -> Recipe:
    """Return the recipe of the launcher in lab/k3s, around that release's version of Kubernetes."""
    module = lab / "k3s"
    requirements = stand_ins(lab)[version]
    toolchain = compiler(lab)
    variables = _version_variables(version)
    sources = files_digest(module, _sources(module, requirements))

    def build(shop: Workshop) -> dict[str, Any]:
        program = shop.output / "k3s"
        options = _module_options(requirements)
        go_build(shop, toolchain, module, program, options=options, variables=variables)
        if files_digest(module, _sources(module, requirements)) != sources:
            raise ArtifactError(f"{module} changed while it was compiled; run this again")
        return {}

    return Recipe(
        name="k3s-stand-in",
        version=version,
        source="lab/k3s and Kubernetes' Go modules, compiled here",
        inputs={
            "files": sources,
            "compiler": toolchain.key,
            "architecture": architecture(),
            "variables": variables,
        },
        estimate="about 5 minutes",
        build=build,
        file="k3s",
        stand_in=f"k3s {version} is a launcher around upstream's Kubernetes, as the release can't be reached",
    )


def stand_ins(lab: Path) -> dict[str, Path]:
    """Return the releases that the launcher stands in for, the usual one first.

    Each has a file of required modules, which names its version of Kubernetes: go.mod, and others beside it.
    """
    module = lab / "k3s"
    found = {}
    for file in (module / "go.mod", *sorted(module.glob("kubernetes-*.mod"))):
        text = file.read_text("utf-8")
        match = re.search(r"^\s*(?:require\s+)?k8s\.io/kubernetes (v[0-9.]+)", text, re.MULTILINE)
        if match:
            found[f"{match[1]}+k3s1"] = file
    return found


def drop_directory(store: Store, version: str) -> Path:
    """Return where a person puts files of a release."""
    return store.root / "downloads" / "k3s" / version


def reachable(version: str) -> bool:
    """Return whether the release can be fetched; waits a few seconds for the answer at most."""
    answers: list[bool] = []

    def ask() -> None:
        request = urllib.request.Request(_url(version, _sums_name()), method="HEAD")  # noqa: S310 - http(s), or the user's own choice
        try:
            with urllib.request.urlopen(request, timeout=_PROBE_S):  # noqa: S310 - as above
                answers.append(True)
        except (OSError, ValueError):
            answers.append(False)

    # Looking up a name has no time-out of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PROBE_S)
    return answers == [True]


def _fetcher(drop: Path, version: str, asset: str, name: str) -> Callable[[Workshop], dict[str, Any]]:
    def build(shop: Workshop) -> dict[str, Any]:
        target = shop.output / name
        sums = shop.scratch / "sums"
        sums_origin = _obtain(shop, drop, version, _sums_name(), sums)
        wanted = _checksum(sums, sums_origin, asset)
        origin = _obtain(shop, drop, version, asset, target)
        found = file_sha256(target)
        if found != wanted:
            raise ArtifactError(
                f"{origin}: its SHA-256 is {found}, and the release says {wanted}; it is not used. "
                f"Remove it where it is a file of yours, else try again"
            )
        target.chmod(0o755)
        return {"checksum_of": origin}

    return build


def _obtain(shop: Workshop, drop: Path, version: str, asset: str, target: Path) -> str:
    """Copy a file of the release from where a person put it, else fetch it; return where it came from."""
    if (drop / asset).exists():
        shutil.copyfile(drop / asset, target)
        return str(drop / asset)
    url = _url(version, asset)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:  # noqa: S310 - as above
            while chunk := answer.read(_CHUNK):
                shop.check()
                file.write(chunk)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ArtifactError(f"{url}: {error}; see to the network, or put the file into {drop}") from error
    return url


def _checksum(sums: Path, origin: str, asset: str) -> str:
    text = sums.read_text("utf-8", "replace")
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(asset)}$", text, re.MULTILINE)
    if not found:
        raise ArtifactError(f"{origin}: no checksum of {asset} in it; fetch it from the release again")
    return found[1]


def _dropped(store: Store, version: str) -> bool:
    return (drop_directory(store, version) / _ASSETS[architecture()]).exists()


def _unreachable(store: Store, version: str, lab: Path, *, stand_in_allowed: bool) -> str:
    files = f"{_ASSETS[architecture()]} and {_sums_name()}"
    text = (
        f"k3s {version} can't be fetched from {_releases()}; see to the network, or put the release's files "
        f"{files} into {drop_directory(store, version)}"
    )
    if stand_in_allowed:
        versions = " or ".join(stand_ins(lab))
        text += f", or use cluster.k3s_version: {versions}, for which lab/k3s can stand in"
    return text


def _version_variables(version: str) -> dict[str, str]:
    """Return what the components say of themselves, by the Go variables that hold it."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def _module_options(requirements: Path) -> list[str]:
    """Return what has the compiler take another file of modules, and the code that differs with them."""
    if requirements.name == "go.mod":
        return []
    return [f"-modfile={requirements.name}", f"-tags={re.sub('[-.]', '_', requirements.stem)}"]


def _sources(module: Path, requirements: Path) -> list[str]:
    """Return the paths of all files that may be compiled in with the modules that a file requires."""
    paths = (path for path in module.rglob("*") if path.is_file())
    return sorted(
        str(path.relative_to(module))
        for path in paths
        if path.suffix != ".md"
        and not path.name.endswith("_test.go")
        # Of the files with modules and their digests only its own.
        and (path.parent != module or path.suffix not in {".mod", ".sum"} or path.stem == requirements.stem)
    )


def _releases() -> str:
    return os.environ.get(RELEASES_VARIABLE, RELEASES).rstrip("/")


def _sums_name() -> str:
    return f"sha256sum-{architecture()}.txt"


def _url(version: str, asset: str) -> str:
    return f"{_releases()}/{quote(version)}/{asset}"
