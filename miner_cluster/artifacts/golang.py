"""Programs from Go modules, by a compiler that comes as a wheel."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import Recipe, Workshop
from miner_cluster.artifacts.wheels import unpack_tree, wheels

#: the greater part of the compiler's files: its own sources and tests
_UNUSED = r"^go/(test|misc|doc|src/cmd)/|/testdata/"


def compiler(lab: Path) -> Recipe:
    """Return the recipe of the compiler's wheel, from the directory lab/ of the repository."""
    return wheels("go", lab / "go-requirements.lock", estimate="about half a minute")


def go_build(
    shop: Workshop,
    toolchain: Recipe,
    module: Path,
    output: Path,
    *,
    package: str = ".",
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> None:
    """Build a static program from the directory of a go.mod, which is not written to.

    Args:
        shop: where to work.
        toolchain: the compiler.
        module: the directory.
        output: the program.
        package: the program's, as seen from the directory.
        options: more of ``go build``.
        variables: values that the linker sets, by the full names of Go variables.

    Raises:
        ArtifactError: a module can't be fetched, or doesn't compile.
    """
    flags = ["-s", "-w", *(f"-X={name}={value}" for name, value in (variables or {}).items())]
    all_options = [*options, "-trimpath", f"-ldflags={' '.join(flags)}"]
    go(shop, toolchain, module, "build", *all_options, "-o", output, package)


def go(shop: Workshop, toolchain: Recipe, module: Path, *argv: str | Path, cgo: bool = False) -> str:
    """Run the compiler's program in the directory of a go.mod and return what it printed.

    Args:
        shop: where to work.
        toolchain: the compiler.
        module: the directory.
        argv: arguments of the program ``go``.
        cgo: whether C code of the modules is compiled in, by this machine's gcc.

    Raises:
        ArtifactError: it failed; with the end of what it printed.
    """
    root = shop.scratch / "go"
    unpack_tree(shop, shop.need(toolchain), "go/", root, without=_UNUSED)
    # Two builds of nearly the same sources take as long side by side as one after the other, where the second
    # finds most of it compiled.
    with shop.alone(f"go-{module.name}"):
        return shop.run(root / "bin" / "go", *argv, cwd=module, env=_environment(shop, root, cgo=cgo))


def _environment(shop: Workshop, root: Path, *, cgo: bool) -> dict[str, str]:
    """Return what makes the result depend on nothing but the sources and the compiler."""
    modules = os.environ.get("GOMODCACHE") or str(shop.cache / "go" / "modules")
    return {
        "CGO_ENABLED": "1" if cgo else "0",
        "GOARCH": architecture(),
        "GOCACHE": str(shop.cache / "go" / "build"),
        "GOFLAGS": "-buildvcs=false -mod=readonly -modcacherw",
        "GOMODCACHE": modules,
        "GOOS": "linux",
        "GOPATH": str(shop.cache / "go"),
        "GOROOT": str(root),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
