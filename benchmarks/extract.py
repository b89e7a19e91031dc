"""How long cutting frames takes, against the ffmpeg command line writing the same frames; and the memory.

    uv pip install -r benchmarks/requirements.lock && python benchmarks/extract.py [--runs 3] [--seconds 60]

Prints both commands, and Markdown rows for docs/benchmarks.md. The video is the lab's clip of a rabbit, over
and over, H.264 with 1280x720 pixels. Both sides take turns, each in a process of its own, and both have all
cores; seconds are of the clock and of the processor. Ours are without the start of Python, which workers do
once; ffmpeg's are with its start, which every video needs. The memory is that of a process that cuts a small
video of 10 seconds, and one of 2 hours.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from data_miner.config import Layer, load_app_config, validate
from data_miner.workers.extract import cut_frames
from miner_cluster.artifacts import clips
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.store import Store

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
#: what ffmpeg is told for the same frames
MODES = {
    "fps": ([], ["-vf", "fps=1:round=up:start_time=0"]),
    "keyframes": (["-skip_frame", "nokey"], ["-fps_mode", "passthrough"]),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one side took for a video."""

    wall_s: float
    cpu_s: float
    frames: int
    rss_mib: float


def main() -> None:
    """Time both sides and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="of the video")
    parser.add_argument("--cut", nargs=2, metavar=("MODE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cut:
        print(json.dumps(vars(cut(*arguments.cut))))
        return
    with tempfile.TemporaryDirectory(prefix="dm-extract-") as name:
        directory = Path(name)
        video = encode(directory / "video.mp4", 1280, 720, arguments.seconds)
        for mode in MODES:
            print(*compare(mode, video, directory, runs=arguments.runs), sep="\n", flush=True)
        for mode in MODES:
            print(memory_row(mode, directory), flush=True)


def compare(mode: str, video: Path, directory: Path, *, runs: int) -> list[str]:
    """Return both commands, and a row of the table."""
    frames = directory / "frames"
    before, after = MODES[mode]
    theirs = [FFMPEG, "-loglevel", "error", *before, "-i", str(video), "-an", *after, "-q:v", "2"]
    theirs.append(str(frames / "%09d.jpg"))
    mine, others = [], []
    for _ in range(runs):
        mine.append(ours(mode, video))
        frames.mkdir()
        others.append(timed(theirs, frames))
        for file in frames.iterdir():
            file.unlink()
        frames.rmdir()
    wall, cpu = ratio(mine, others, "wall_s"), ratio(mine, others, "cpu_s")
    cells = [mode, runs, f"{mine[0].frames} and {others[0].frames}"]
    cells += [seconds(mine), seconds(others), f"{wall:.2f}", f"{cpu:.2f}"]
    shown = [Path(theirs[0]).name.split("-")[0], *theirs[1:]]
    return [
        f"ours:   {shlex.join(own_command(mode, video))}",
        f"ffmpeg: {shlex.join(shown)}",
        f"| {head()} | {' | '.join(map(str, cells))} |",
    ]


def memory_row(mode: str, directory: Path) -> str:
    """Return a row about the memory for a short and a long video."""
    short = encode(directory / "short.mp4", 320, 180, 10)
    long = directory / "long.mp4"
    copies = ["-stream_loop", "719", "-i", str(short), "-c", "copy", str(long)]
    subprocess.run([FFMPEG, "-y", "-loglevel", "error", *copies], check=True)  # noqa: S603 - the arguments are ours
    less, more = ours(mode, short), ours(mode, long)
    cells = [mode, f"{less.frames} and {more.frames}", f"{less.rss_mib:.0f}", f"{more.rss_mib:.0f}"]
    return f"| {head()} | {' | '.join(cells)} | {more.rss_mib / less.rss_mib:.2f} |"


def encode(file: Path, width: int, height: int, seconds_long: int) -> Path:
    """Make a video of the lab's clip, over and over.

    Raises:
        SystemExit: the clips are not there.
    """
    found = Store(progress=Progress(write=None)).find(clips.recipe(LAB))
    if found is None:
        sys.exit("the lab's clips are not there; `make site` gets them")
    source = ["-stream_loop", "-1", "-i", str(found.path / "bigbuckbunny.mp4"), "-t", str(seconds_long)]
    target = [
        "-an",
        "-vf",
        f"scale={width}:{height}",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-b:v",
        "2500k",
    ]
    subprocess.run([FFMPEG, "-y", "-loglevel", "error", *source, *target, str(file)], check=True)  # noqa: S603 - the arguments are ours
    return file


def own_command(mode: str, video: Path) -> list[str]:
    """Return what cuts a video in a process of its own."""
    return ["python", "benchmarks/extract.py", "--cut", mode, str(video)]


def ours(mode: str, video: Path) -> Run:
    """Cut a video with our code, in a process of its own."""
    argv = [sys.executable, __file__, *own_command(mode, video)[2:]]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)  # noqa: S603 - the arguments are ours
    return Run(**json.loads(done.stdout))


def cut(mode: str, file: str) -> Run:
    """Cut a video in this process."""
    layer = Layer(
        name="benchmark", data={"project": "benchmark", "extract": {"mode": mode, "min_difference": 0}}
    )
    config = validate(load_app_config(None, layer)).extract.model_copy(update={"max_frames": 1_000_000})
    with tempfile.TemporaryDirectory() as directory:
        wall, cpu = time.monotonic(), time.process_time()
        done = cut_frames(Path(file), Path(directory), config, lambda _=0: None)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Run(wall_s=wall, cpu_s=cpu, frames=done.frames, rss_mib=rss_mib)


def timed(argv: Sequence[str], frames: Path) -> Run:
    """Run ffmpeg."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(argv, check=True)  # noqa: S603 - the arguments are ours
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall_s=wall, cpu_s=cpu, frames=len(list(frames.iterdir())), rss_mib=after.ru_maxrss / 1024)


def ratio(mine: Sequence[Run], others: Sequence[Run], what: str) -> float:
    """Return how the medians of both sides compare."""
    ours_median, theirs = (statistics.median(getattr(run, what) for run in runs) for runs in (mine, others))
    return float(ours_median / theirs)


def seconds(runs: Sequence[Run]) -> str:
    """Return the medians of a side in words."""
    wall, cpu = (statistics.median(getattr(run, what) for run in runs) for what in ("wall_s", "cpu_s"))
    return f"{wall:.2f} ({cpu:.2f})"


def head() -> str:
    """Return the first cells of a row."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return f"{today} | {os.cpu_count()} cores, Linux {platform.release()}"


if __name__ == "__main__":
    main()
