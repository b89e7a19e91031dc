"""playbooks/render.yml: the tree it writes, what it explains, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.inventory.conftest import Play, Run
from tests.unit.cluster.conftest import GOOD

RENDER = CHECKOUT / "playbooks" / "render.yml"
HANDOFF = CHECKOUT / "tests" / "fixtures" / "handoff_cluster_config.yaml"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "manifests"


def texts(tree: Path) -> dict[str, str]:
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


def changed(run: Run) -> int:
    assert run.code == 0, run.output
    return int(run.output.partition("changed=")[2].split()[0])


def test_the_second_run_changes_no_byte(play: Play, tree: Path) -> None:
    assert changed(play("-e", f"manifests_dir={tree}", playbook=RENDER)) == 1
    first = texts(tree)
    assert len(first) > 20
    assert changed(play("-e", f"manifests_dir={tree}", playbook=RENDER)) == 0
    assert texts(tree) == first


def test_what_is_no_longer_rendered_is_removed_and_other_files_stay(
    play: Play, inventory: Path, tree: Path
) -> None:
    play("-e", f"manifests_dir={tree}", playbook=RENDER)
    (tree / "workers" / "mine.yaml").write_text("a: 1\n")
    (inventory / "cluster_config.yaml").write_text(
        GOOD.replace("  extract: {replicas: 2, schedule_on: master}\n", "")
    )
    assert changed(play("-e", f"manifests_dir={tree}", playbook=RENDER)) == 1
    assert not (tree / "workers" / "extract-deployment.yaml").exists()
    assert (tree / "workers" / "mine.yaml").exists()


def test_check_mode_writes_nothing_and_shows_the_difference(play: Play, tree: Path) -> None:
    run = play("-e", f"manifests_dir={tree}", "--check", "--diff", playbook=RENDER)
    assert changed(run) == 1
    assert "+kind: StatefulSet" in run.output
    assert not tree.exists()


def test_a_file_of_someone_else_is_not_overwritten(play: Play, tree: Path) -> None:
    tree.mkdir()
    (tree / "namespace.yaml").write_text("mine: true\n")
    run = play("-e", f"manifests_dir={tree}", playbook=RENDER)
    assert run.code != 0
    assert "namespace.yaml was not written by this" in " ".join(run.output.split())
    assert texts(tree) == {"namespace.yaml": "mine: true\n"}


def test_explain_says_which_file_and_line_set_a_value(play: Play, inventory: Path, tree: Path) -> None:
    run = play("-e", "explain=output_dir", "-e", f"manifests_dir={tree}", playbook=RENDER)
    assert run.code == 0
    assert f"{inventory}/cluster_config.yaml:34" in run.output
    assert not tree.exists()


def test_a_run_config_that_does_not_exist_is_named_once(play: Play, tree: Path) -> None:
    run = play("-e", "run_config=/nowhere.yaml", "-e", f"manifests_dir={tree}", playbook=RENDER)
    assert run.code != 0
    assert run.output.count("[ERROR]") == 1
    assert "/nowhere.yaml: no such file" in run.output
    assert "Traceback" not in run.output


def test_an_empty_string_where_a_list_is_meant_is_refused_with_its_line(play: Play, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("project: demo\ndownload:\n  blocked_hashtag_patterns: ''\n")
    run = play("-e", f"run_config={wrong}", "-e", f"manifests_dir={tmp_path}/m", playbook=RENDER)
    assert run.code != 0
    assert f"{wrong}:3:3: download.blocked_hashtag_patterns" in run.output
    assert not (tmp_path / "m").exists()


def test_the_file_that_we_started_from_gives_its_whole_tree(play: Play, tree: Path) -> None:
    run = play("-e", f"manifests_dir={tree}", playbook=RENDER, on=HANDOFF)
    assert run.code == 0, run.output
    wanted = {"namespace.yaml", "config/configmap.yaml", "workers/download-statefulset.yaml"}
    wanted |= {f"infrastructure/{name}-statefulset.yaml" for name in ("postgres", "loki")}
    wanted |= {f"infrastructure/{name}-deployment.yaml" for name in ("grafana", "adminer")}
    wanted |= {f"infrastructure/{name}-service.yaml" for name in ("postgres", "loki", "grafana", "adminer")}
    stages = ("extract", "filter", "dedup", "detect", "monitor")
    wanted |= {f"workers/{name}-deployment.yaml" for name in stages}
    wanted |= {
        f"seaweedfs/{name}-{kind}.yaml" for name in ("master", "filer") for kind in ("statefulset", "service")
    }
    wanted |= {f"seaweedfs/volume-{name}-statefulset.yaml" for name in ("pavanjci", "manthana", "arsenal")}
    wanted |= {"seaweedfs/namespace.yaml", "seaweedfs/mount-daemonset.yaml"}
    assert wanted - set(texts(tree)) == set()
