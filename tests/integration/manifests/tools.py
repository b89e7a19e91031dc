"""The scanners, and what they find."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import kubernetes_validate
import yaml

from miner_cluster.artifacts.golang import compiler, go, go_build
from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.recipe import Recipe, Workshop, files_digest
from miner_cluster.cluster import CHECKOUT

SCANNERS = CHECKOUT / "tests" / "scanners"
PROGRAMS = {
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score",
}
#: the module whose CustomResourceDefinitions our objects of KEDA have to fit, and its checksum
KEDA = "github.com/kedacore/keda/v2@v2.16.1"
KEDA_SUM = "h1:LfYsxfSX8DjetLW8q9qnriImH936POrQJvE+caRoScI="
#: grades below are findings; a check that does not apply has 0 and says so
_BEST_GRADE = 10


class Finding(NamedTuple):
    """What a scanner does not like, and where: NAMESPACE/KIND/NAME."""

    scanner: str
    check: str
    obj: str


def recipe() -> Recipe:
    """Return the recipe of the programs that are Go modules."""
    toolchain = compiler(LAB)

    def build(shop: Workshop) -> dict[str, Any]:
        for name, package in PROGRAMS.items():
            go_build(shop, toolchain, SCANNERS, shop.output / name, package=package)
        keda = json.loads(go(shop, toolchain, SCANNERS, "mod", "download", "-json", KEDA))
        assert keda["Sum"] == KEDA_SUM, f"{KEDA} has the checksum {keda['Sum']}"
        shutil.copytree(Path(keda["Dir"]) / "config/crd/bases", shop.output / "keda")
        return {}

    return Recipe(
        name="scanners",
        version="1",
        source=", ".join(PROGRAMS.values()),
        inputs={
            "modules": files_digest(SCANNERS, ["go.mod", "go.sum"]),
            "keda": KEDA_SUM,
            "compiler": toolchain.key,
            "architecture": architecture(),
        },
        estimate="about 2 minutes",
        build=build,
    )


def kubeconform(programs: Path, tree: Path, schemas: Path, *, kubernetes: str) -> str:
    """Return what kubeconform says about a tree; empty where all is valid.

    Args:
        programs: the directory of what the recipe makes.
        tree: of manifests.
        schemas: a directory for the schemas, as kubeconform can read them.
        kubernetes: version, such as 1.31.0.
    """
    _write_schemas(schemas, kubernetes)
    for path in (programs / "keda").glob("*.yaml"):
        _write_custom(schemas, yaml.safe_load(path.read_text("utf-8")))
    location = str(schemas / "{{.ResourceKind}}{{.KindSuffix}}.json")
    return _run(
        *(
            str(programs / "kubeconform"),
            "-strict",
            "-kubernetes-version",
            kubernetes,
            "-schema-location",
            location,
            str(tree),
        ),
        accepted={0, 1},
    )


def kube_score(program: Path, tree: Path, *, kubernetes: str) -> Iterator[Finding]:
    """Yield the findings of kube-score."""
    version = "v" + kubernetes.rpartition(".")[0]
    files = sorted(str(path) for path in tree.rglob("*.yaml"))
    printed = _run(
        *(str(program), "score", "--output-format", "json", "--kubernetes-version", version, *files),
        accepted={0, 1},
    )
    for scored in json.loads(printed):
        meta = scored["object_meta"]
        obj = f"{meta.get('namespace', '')}/{scored['type_meta']['kind']}/{meta['name']}"
        for check in scored["checks"]:
            if check["grade"] < _BEST_GRADE and not check["skipped"]:
                yield Finding("kube-score", check["check"]["id"], obj)


def checkov(tree: Path) -> Iterator[Finding]:
    """Yield the findings of checkov."""
    program = Path(sys.executable).parent.parent / "checkov" / "bin" / "checkov"
    assert program.is_file(), "there is no checkov; run: scripts/bootstrap test"
    arguments = ("--framework", "kubernetes", "--output", "json", "--quiet", "--compact", "--skip-download")
    report = json.loads(_run(str(program), "--directory", str(tree), *arguments, accepted={0, 1}))
    for failed in report["results"]["failed_checks"]:
        kind, namespace, name = failed["resource"].split(".", 2)
        yield Finding("checkov", failed["check_id"], f"{namespace}/{kind}/{name}")


def _write_schemas(target: Path, kubernetes: str) -> None:
    """Write kubernetes-validate's schemas so that they refer to each other by file instead of by URL."""
    source = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    for path in (source / f"v{kubernetes}-local-strict").glob("*.json"):
        schema = json.loads(path.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
        schema.pop("$id", None)
        (target / path.name).write_text(json.dumps(schema))


def _write_custom(target: Path, definition: dict[str, Any]) -> None:
    """Write the schemas of a CustomResourceDefinition, which refuse keys that it does not name."""
    spec = definition["spec"]
    group = spec["group"].partition(".")[0]
    for version in spec["versions"]:
        schema = _closed(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        name = f"{spec['names']['kind']}-{group}-{version['name']}.json".lower()
        (target / name).write_text(json.dumps(schema))


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def _run(*argv: str, accepted: set[int]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in accepted, f"{argv[0]}: exit code {done.returncode}\n{done.stderr}"
    return done.stdout
