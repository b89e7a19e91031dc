"""The launcher that stands in for k3s passes its own tests, with the compiler that builds it."""

from __future__ import annotations

from typing import Any

from miner_cluster.artifacts.golang import compiler, go
from miner_cluster.artifacts.recipe import Recipe, Workshop, files_digest
from miner_cluster.artifacts.store import Store
from tests.e2e.lab import ROOT


def test_the_launchers_own_tests_pass() -> None:
    module, toolchain = ROOT / "lab" / "k3s", compiler(ROOT / "lab")

    def build(shop: Workshop) -> dict[str, Any]:
        (shop.output / "log").write_text(go(shop, toolchain, module, "test", "./internal/..."))
        return {}

    # Kept like an artifact: the tests of the same sources need not be compiled and run twice on a machine.
    passed = Recipe(
        name="k3s-stand-in-tests",
        version="1",
        source="lab/k3s",
        inputs={"files": files_digest(module, ["**/*.go", "go.sum"]), "compiler": toolchain.key},
        estimate="about a minute",
        build=build,
        file="log",
    )
    log = (Store().ensure(passed).path / passed.file).read_text()
    assert log.count("ok  \t") == len({path.parent for path in module.glob("internal/**/*_test.go")})
