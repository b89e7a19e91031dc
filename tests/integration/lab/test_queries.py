"""What the shipped run configs ask for, the lab's site has: also the one that is meant for the real world."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from data_miner.config import AppConfig
from miner_cluster.app_config import load_miner_config
from miner_cluster.artifacts.clips import read_clips
from miner_cluster.cluster import CHECKOUT
from tests.unit.cluster.conftest import lab

#: prints of each query how many results there are, and how many of them the download stage would take
COUNT = """\
import json, sys
from pathlib import Path
from data_miner.config import load_resolved
from data_miner.fetch import list_videos
from data_miner.workers.download import rejection
config = load_resolved(Path(sys.argv[1]))
search, download = config.search, config.download
taken = {}
for query in search.queries:
    found = list(list_videos(f"{search.prefix}{search.max_results_per_query}:{query}", download, site="lab"))
    taken[query] = [len(found), sum(rejection(entry, download) is None for entry in found)]
print(json.dumps(taken))
"""


@contextmanager
def site(directory: Path) -> Iterator[str]:
    """Serve the lab's index; searching needs no content."""
    clips = read_clips(CHECKOUT / "lab" / "clips.yaml")
    for clip in clips:
        (directory / clip.file).touch()
    index = [clip.model_dump(exclude={"path"}) | {"file": clip.file} for clip in clips]
    (directory / "index.json").write_text(json.dumps(index), "utf-8")
    program = str(CHECKOUT / "lab" / "site" / "server.py")
    argv = [sys.executable, program, str(directory), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split(" at ")[1].strip().rstrip("/")
        process.terminate()


def on_the_lab(run_config: Path) -> AppConfig:
    """Return a run config as the lab's workers get it."""
    return load_miner_config(lab().model_copy(update={"run_config": str(run_config)})).typed


RUN_CONFIGS = sorted((CHECKOUT / "run_configs").glob("*.yaml"))


@pytest.mark.parametrize("run_config", RUN_CONFIGS, ids=lambda path: path.stem)
def test_each_query_of_a_run_config_is_answered_and_its_filters_leave_something(
    run_config: Path, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    with site(tmp_path / "site") as url:
        data = on_the_lab(run_config).model_dump(mode="json", exclude_none=True)
        data["download"]["extractor_args"] = {"labsearch": {"site": [url]}}
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(data), "utf-8")
        done = subprocess.run(
            [sys.executable, "-c", COUNT, file],
            env=os.environ | {"PYTHONPATH": str(CHECKOUT / "lab"), "no_proxy": "*"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert set(answers) == set(data["search"]["queries"])
    assert all(found for found, _ in answers.values()), answers
    # the demo asks for a rabbit too, which is an animation: its filters are seen at work
    refused = [query for query, (_, taken) in answers.items() if not taken]
    assert refused == (["rabbit"] if run_config.stem == "demo" else [])


def test_the_run_config_for_the_real_world_says_all_that_its_stages_need() -> None:
    config = on_the_lab(CHECKOUT / "run_configs" / "glass_door.yaml")
    written = yaml.safe_load((CHECKOUT / "run_configs" / "glass_door.yaml").read_text("utf-8"))
    assert len(config.stages) == 6
    assert len(written["search"]["queries"]) >= 5
    for section, keys in {
        "download": {"max_height", "min_duration_s", "max_duration_s", "blocked_hashtag_patterns"},
        "filter": {"positive_prompts", "negative_prompts", "threshold", "thresholds", "negative_threshold"},
        "dedup": {"hash_max_distance", "embedding_min_similarity"},
        "detect": {"prompts", "box_threshold", "text_threshold"},
    }.items():
        assert keys <= set(written[section]), section
