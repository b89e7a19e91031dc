"""Everything that is rendered passes the scanners, but for what exceptions.yaml names with a reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import CHECKOUT, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.config_model import Autoscale, Nvidia
from miner_cluster.rendering import to_files
from tests.integration.manifests import tools
from tests.unit.cluster.conftest import Render, lab

#: the version that the lab runs; schemas are the same for all its patches
KUBERNETES = lab().k3s_version.removeprefix("v").rpartition(".")[0] + ".0"


@pytest.fixture(scope="module")
def programs() -> Path:
    return Store().ensure(tools.recipe()).path


@pytest.fixture(scope="module")
def tree(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both shipped inventories, rendered; the second with everything that it leaves out."""
    root = tmp_path_factory.mktemp("manifests")
    for name in ("lab", "production"):
        config = CHECKOUT / "inventory" / name / "cluster_config.yaml"
        cluster = resolve_cluster(load_cluster_file(config).file, config_file=config)
        if name == "production":
            cluster = cluster.model_copy(update={"nvidia": Nvidia(device_plugin="registry.example/plugin:1")})
        for path, text in to_files(render(cluster)).items():
            file = root / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return root


def exceptions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((tools.SCANNERS / "exceptions.yaml").read_text())
    return found


def excepted(finding: tools.Finding, exception: dict[str, Any]) -> bool:
    return (
        finding.scanner == exception["scanner"]
        and finding.check in exception["checks"]
        and any(fnmatchcase(finding.obj, pattern) for pattern in exception["objects"])
    )


def test_every_object_is_valid_for_kubeconform(programs: Path, tree: Path, tmp_path: Path) -> None:
    assert tools.kubeconform(programs, tree, tmp_path, kubernetes=KUBERNETES) == ""


def test_kubeconform_sees_a_key_that_there_is_not(programs: Path, tree: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    text = (tree / "lab" / "workers" / "monitor-deployment.yaml").read_text()
    (broken / "one.yaml").write_text(text.replace("  revisionHistoryLimit:", "  revisionHistoryLimits:"))
    said = tools.kubeconform(programs, broken, tmp_path, kubernetes=KUBERNETES)
    assert "revisionHistoryLimits" in said


def test_objects_of_keda_fit_its_definitions(programs: Path, render: Render, tmp_path: Path) -> None:
    worker = lab().workers["extract"].model_copy(update={"autoscale": Autoscale(max=4)})
    found = to_files(render(lab().model_copy(update={"workers": {"extract": worker}}), "workers"))
    ours = {path: text for path, text in found.items() if "keda.sh" in text}
    assert len(ours) == 2
    for broken in (False, True):
        tree = tmp_path / f"tree-{broken}"
        tree.mkdir()
        for path, text in ours.items():
            wrong = text.replace("maxReplicaCount", "maxReplicas").replace("parameter:", "param:")
            (tree / Path(path).name).write_text(wrong if broken else text)
        said = tools.kubeconform(programs, tree, tmp_path, kubernetes=KUBERNETES)
        assert ("maxReplicas" in said and "param" in said) if broken else said == ""


def test_what_the_scanners_find_has_a_written_reason(programs: Path, tree: Path) -> None:
    findings = [
        *tools.kube_score(programs / "kube-score", tree / "lab", kubernetes=KUBERNETES),
        *tools.kube_score(programs / "kube-score", tree / "production", kubernetes=KUBERNETES),
        *tools.checkov(tree),
    ]
    known = exceptions()
    assert not [finding for finding in findings if not any(excepted(finding, one) for one in known)]
    for exception in known:
        assert exception["reason"].strip()
        for check in exception["checks"]:
            used = [one for one in findings if one.check == check and excepted(one, exception)]
            assert used, f"{check} of {exception['objects']} is not found any more: remove the exception"
