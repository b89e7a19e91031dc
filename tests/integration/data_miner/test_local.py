"""`data-miner run --local`: from a run config to a dataset, with nothing but this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .commands import Commands
from .site import Site, make_video

CHILD = "data_miner.local.child"


class Local:
    """A run config and its output directory."""

    def __init__(self, directory: Path) -> None:
        self.config, self.output = directory / "run.yaml", directory / "out"

    def write(self, **changes: Any) -> None:
        base = {"project": "p", "extract": {"fps": 5}, "download": {"min_duration_s": None, "retries": 0}}
        self.config.write_text(yaml.safe_dump(base | changes))

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "data_miner.cli", "run", str(self.config), "--local"),
                *("--output", str(self.output), "--json", *options),
            ],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, **environment: str) -> tuple[int, Any, str]:
        """Run to the end; returns exit code, what it printed, and its messages."""
        out, err = (process := self.start(*options, **environment)).communicate(timeout=90)
        return process.returncode, json.loads(out) if out else None, err

    def processes(self, word: str) -> list[int]:
        """Those that have the output directory and a word in their command line."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if word in line and str(self.output) in line:
                found.append(int(entry.name))
        return found


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    run = Local(tmp_path)
    yield run
    assert run.processes(CHILD) == []
    assert run.processes("postgres") == []


def wait_until(condition: Callable[[], Any]) -> None:
    pause = threading.Event()
    for _ in range(600):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("waited for half a minute")


def test_it_ends_with_a_dataset_and_the_next_run_does_nothing_twice(local: Local, site: Site) -> None:
    local.write(urls=[site.add("/a.mp4", make_video()), site.add("/gone.mp4", b"", status=404)])
    code, said, messages = local.run()
    assert code == 3  # one is gone for good
    assert "404" in messages
    assert said["stages"]["extract"]["done"] == 1
    assert said["dataset"]["frames"] == 10
    assert (Path(said["dataset"]["directory"]) / "annotations.json").is_file()
    asked = len(site.requests)
    assert local.run()[1]["dataset"]["frames"] == 10
    assert len(site.requests) == asked


def test_a_local_run_is_looked_at_by_the_commands_of_a_cluster(
    local: Local, site: Site, tmp_path: Path
) -> None:
    local.write(urls=[site.add("/a.mp4", make_video()), site.add("/gone.mp4", b"", status=404)])
    local.run()
    commands, of_it = Commands("postgresql://nobody@127.0.0.1:1/none"), ("--local", str(local.output))
    assert commands.json("status", *of_it)["projects"]["p"]["stages"]["download"]["done"] == 1
    assert len(commands.json("failed", "p", *of_it)) == 1
    assert commands.json("export", "p", *of_it, "--to", str(tmp_path / "set"))["frames"] == 10
    assert commands.json("retry", "p", *of_it) == {"ready": 1}
    nothing = commands.run("status", "--local", str(tmp_path), check=False)
    assert nothing.returncode == 1
    assert "is no output directory of `data-miner run --local`" in nothing.stderr


def test_what_failed_for_good_is_tried_again_when_asked(local: Local, site: Site) -> None:
    local.write(urls=[site.add("/a.mp4", make_video(), status=404)])
    assert local.run()[0] == 3
    site.pages["/a.mp4"].status = 200
    assert local.run()[0] == 3
    code, said, _ = local.run("--retry")
    assert (code, said["dataset"]["frames"]) == (0, 10)


def test_an_interrupted_run_ends_cleanly_and_the_next_one_goes_on(local: Local, site: Site) -> None:
    quick, slow = site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(shade=9), speed=400)
    local.write(urls=[quick, slow])
    process = local.start()
    wait_until(lambda: site.fetched("/b.mp4") and list(local.output.glob("frames/*/*/frames.json")))
    code, _, messages = local.run()
    assert (code, "another run works in" in messages) == (1, True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("", 130)
    assert f"what is done is kept in {local.output}, and the same command goes on" in " ".join(err.split())
    site.pages["/b.mp4"].speed = None
    fetched = site.fetched("/a.mp4")
    code, said, _ = local.run()
    assert (code, said["stages"]["download"]["done"]) == (0, 2)
    assert site.fetched("/a.mp4") == fetched


def test_a_killed_worker_is_started_again(local: Local, site: Site) -> None:
    local.write(urls=[site.add("/a.mp4", make_video(), speed=4000)], queue={"lease_s": 2, "heartbeat_s": 0.5})
    process = local.start()
    wait_until(lambda: site.fetched("/a.mp4"))
    for pid in local.processes(CHILD):
        os.kill(pid, signal.SIGKILL)
    site.pages["/a.mp4"].speed = None
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["dataset"]["frames"] == 10, err


def test_workers_end_when_whoever_started_them_is_killed(local: Local, site: Site) -> None:
    local.write(urls=[site.add("/a.mp4", make_video(), speed=1000)])
    process = local.start()
    wait_until(lambda: site.fetched("/a.mp4"))
    process.kill()
    process.communicate()
    wait_until(lambda: not local.processes(CHILD))
    site.pages["/a.mp4"].speed = None
    assert local.run()[0] == 0


def test_a_missing_pytorch_is_said_before_anything_begins(local: Local, site: Site, tmp_path: Path) -> None:
    if __import__("importlib.util").util.find_spec("torch") is not None:
        pytest.skip("this Python has PyTorch")
    stages = ["search", "download", "extract", "filter"]
    local.write(urls=[site.url], stages=stages, filter={"positive_prompts": ["a door"]})
    code, _, messages = local.run(PATH=str(tmp_path))
    assert code == 1
    assert "filter need PyTorch and transformers" in messages
    assert site.requests == []
