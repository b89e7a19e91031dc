"""The lab's video site, mined by the application's own code through the real yt-dlp."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.data_miner.site import make_video

CLIPS = [
    {
        "id": "bikes",
        "file": "bikes.mp4",
        "title": "Bicycles in a city",
        "description": "Riders pass. #street",
        "tags": ["street"],
    },
    {
        "id": "render",
        "file": "render.mp4",
        "title": "A bicycle, rendered",
        "description": "Made by a computer. #CGI",
        "tags": ["CGI"],
    },
    {
        "id": "rabbit",
        "file": "rabbit.mp4",
        "title": "A rabbit",
        "description": "It eats & sleeps.",
        "tags": [],
    },
]
LIST = """\
import json, sys
from data_miner.config import load_app_config, validate
from data_miner.fetch import download, list_videos
from data_miner.workers.download import rejection
from pathlib import Path
config = validate(load_app_config(Path(sys.argv[1]))).download
for source in sys.argv[3:]:
    for entry in list_videos(source, config, site="lab"):
        info, file, reason = download(
            entry["url"],
            Path(sys.argv[2]),
            config,
            accept=lambda info: rejection(info, config),
            tick=lambda moved: None,
        )
        size = file.stat().st_size if file else None
        if file:
            file.unlink()
        print(json.dumps([source, info["title"], info.get("duration"), info.get("uploader"), size, reason]))
"""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A directory of three clips with their index."""
    directory = tmp_path / "clips"
    directory.mkdir()
    for shade, clip in enumerate(CLIPS):
        (directory / str(clip["file"])).write_bytes(make_video(seconds=3, shade=shade))
    common = {"duration": 3.0, "upload_date": "20200102", "uploader": "someone"}
    (directory / "index.json").write_text(json.dumps([clip | common for clip in CLIPS]))
    return directory


@pytest.fixture
def site(clips: Path) -> Iterator[str]:
    """The running site's URL."""
    program = str(CHECKOUT / "lab/site/server.py")
    argv = [sys.executable, program, str(clips), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split(" at ")[1].strip().rstrip("/")
        process.terminate()


def mined(site: str, tmp_path: Path, *sources: str) -> list[list[Any]]:
    """Source, title, duration, uploader, bytes and reason of a refusal of each video that was found."""
    config = tmp_path / "run.yaml"
    config.write_text(
        json.dumps({"project": "p", "download": {"extractor_args": {"labsearch": {"site": [site]}}}})
    )
    workspace = tmp_path / "work"
    workspace.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", LIST, config, workspace, *sources],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT / "lab"), "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_search_finds_clips_with_all_that_their_pages_say(site: str, clips: Path, tmp_path: Path) -> None:
    found = mined(site, tmp_path, "labsearch5:rabbits")
    size = (clips / "rabbit.mp4").stat().st_size
    assert found == [["labsearch5:rabbits", "A rabbit", 3, "someone", size, None]]


def test_a_blocked_hashtag_is_refused_before_the_clip_is_fetched(site: str, tmp_path: Path) -> None:
    found = {title: reason for _, title, _, _, _, reason in mined(site, tmp_path, "labsearch5:bicycle")}
    assert found == {"Bicycles in a city": None, "A bicycle, rendered": "hashtag #CGI is blocked"}


def test_a_search_returns_no_more_than_was_asked_for(site: str, tmp_path: Path) -> None:
    assert len(mined(site, tmp_path, "labsearch1:bicycle")) == 1


def test_the_playlist_holds_every_clip(site: str, tmp_path: Path) -> None:
    titles = [title for _, title, *_ in mined(site, tmp_path, f"{site}/playlist.rss")]
    assert titles == [clip["title"] for clip in CLIPS]


def test_part_of_a_clip_can_be_fetched(site: str, clips: Path) -> None:
    request = urllib.request.Request(f"{site}/clips/bikes.mp4", headers={"Range": "bytes=10-19"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 206
        assert answer.read() == (clips / "bikes.mp4").read_bytes()[10:20]


@pytest.mark.parametrize(
    "path", ["clips/index.json", "clips/../index.json", "clips/%2e%2e/x", "watch/nobody"]
)
def test_only_clips_of_the_index_are_served(site: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{site}/{path}")


def test_an_index_that_names_a_missing_clip_is_refused_in_words(clips: Path) -> None:
    (clips / "rabbit.mp4").unlink()
    argv = [sys.executable, str(CHECKOUT / "lab/site/server.py"), str(clips)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "rabbit.mp4 is not there" in done.stderr
    assert "Traceback" not in done.stderr
