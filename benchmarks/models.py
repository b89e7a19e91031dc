"""What the filter and the detect stage take on top of their models, against bare loops over the same models.

    python -m miner_cluster.images.inside -- python benchmarks/models.py [--runs 3] [--frames 64]
    python benchmarks/models.py --device cuda --frames 2048     # where this Python has PyTorch and a GPU

Prints Markdown rows for docs/benchmarks.md. The architectures are SigLIP base (224 pixels) and OWL-ViT base
(768 pixels), the weights random, on one thread of the processor or in half precision on a GPU. Both sides
read and decode the same frames of 1280x720 pixels, in batches of the same size, and take turns. Ours is the
stage as a worker calls it: it reads in threads of its own, stores embeddings, applies thresholds and
non-maximum suppression. Seconds are of the clock; in brackets those of the processor, which other work on the
machine changes less.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from PIL import Image
from transformers import (
    OwlViTConfig,
    OwlViTForObjectDetection,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from data_miner.config import AppConfig, Layer, Stage, load_app_config, validate
from data_miner.frames import frame_path
from data_miner.models.provider import LoadedModels
from data_miner.queue.items import Item, Outcome, params_hash
from data_miner.queue.records import FoundBox, KnownCandidate, Scores
from data_miner.store import MANIFEST, Store
from data_miner.workers import detect
from data_miner.workers import filter as filtering
from data_miner.workers.job import Job

LAB_MODELS = Path(__file__).parents[1] / "lab/models"
PROMPTS = ["a photo of a bicycle", "a cartoon rabbit", "planet earth from space"]
VIDEO, FRAMES_HASH = "ab" * 32, "0123456789abcdef"
FILTER_BATCH, DETECT_BATCH = 32, 4

Timed = tuple[float, float]


class NothingFound:
    """Findings of a project that has none yet."""

    def scores(self, _video: str, **_: str) -> Scores | None:
        """Return nothing."""
        return None

    def passed(self, _video: str, **_: str) -> list[int]:
        """Return nothing."""
        return []

    def candidates(self, _scope: str, **_: int) -> list[KnownCandidate]:
        """Return nothing."""
        return []

    def raw_boxes(self, _video: str, **_: Any) -> dict[int, list[FoundBox]]:
        """Return nothing."""
        return {}


def main() -> None:
    """Time both stages and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--frames", type=int, default=64, help="that the filter looks at; detect: an eighth")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory(prefix="dm-models-") as name:
        root = Path(name)
        make_siglip(root / "models/siglip")
        make_owlvit(root / "models/owlvit")
        times_ms = make_frames(Store(root, mount=None), arguments.frames)
        config = make_config(root, arguments.device)
        models = LoadedModels(config, lambda: None)
        few = times_ms[: max(DETECT_BATCH, len(times_ms) // 8)]
        sides = {
            "filter": (filter_stage(config, models), filter_loop(config, models, times_ms), times_ms),
            "detect": (detect_stage(config, models, few), detect_loop(config, models, few), few),
        }
        for stage, (ours, bare, frames) in sides.items():
            seconds = compare(ours, bare, arguments.runs)
            print(row(arguments.device, stage, len(frames), seconds), flush=True)


def make_siglip(directory: Path) -> None:
    """Save a SigLIP of the base size, with the lab's tokenizer."""
    SiglipModel(SiglipConfig()).save_pretrained(directory)
    SiglipImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(directory)
    for file in (LAB_MODELS / "tiny-siglip").glob("tokenizer*"):
        shutil.copy(file, directory)


def make_owlvit(directory: Path) -> None:
    """Save an OWL-ViT of the base size, with the lab's tokenizer."""
    model = OwlViTForObjectDetection(OwlViTConfig())
    head = model.class_head
    with torch.no_grad():
        for parameter in (*head.logit_scale.parameters(), *head.logit_shift.parameters()):
            parameter.zero_()
        # A frame has some boxes above the floor, as with weights that were learnt, and not all of them.
        head.logit_shift.bias.fill_(-2.28)
    model.save_pretrained(directory)
    for file in (LAB_MODELS / "tiny-owlvit").glob("*.json"):
        if file.name != "config.json":
            shutil.copy(file, directory)
    processor = directory / "processor_config.json"
    processor.write_text(processor.read_text().replace("128", "768"))


def make_frames(store: Store, count: int) -> list[int]:
    """Write pictures with some structure; returns their times."""
    directory = store.frames_path(VIDEO, FRAMES_HASH)
    directory.mkdir(parents=True)
    random = np.random.default_rng(1)
    times_ms = [number * 1000 for number in range(count)]
    for time_ms in times_ms:
        small = Image.fromarray(random.integers(0, 256, (45, 80, 3), np.uint8))
        small.resize((1280, 720)).save(frame_path(directory, time_ms), quality=90)
    (directory / MANIFEST).write_text("{}")
    return times_ms


def make_config(root: Path, device: str) -> AppConfig:
    """Return a configuration with both models."""
    data = {
        "project": "benchmark",
        "output_dir": str(root),
        "device": device,
        "filter": {"model": "siglip", "positive_prompts": PROMPTS, "batch_size": FILTER_BATCH},
        "detect": {"model": "owlvit", "prompts": PROMPTS, "batch_size": DETECT_BATCH},
    }
    return validate(load_app_config(None, Layer(name="benchmark", data=data)))


def stage_call(
    stage: Stage, function: Callable[[Job], Outcome], params: dict[str, Any], config: AppConfig, models: Any
) -> Callable[[], object]:
    """Return what a worker does with an item, without the queue."""
    store = Store(config.output_dir, mount=None)
    nothing: Any = NothingFound()
    memory: dict[str, Any] = {}

    def call() -> Outcome:
        shutil.rmtree(store.root / "embeddings", ignore_errors=True)
        item = Item(
            id=1,
            lane=1,
            project=config.project,
            stage=stage,
            key=VIDEO,
            params_text=json.dumps(params),
            params_hash=params_hash(params),
            payload_text="{}",
            site=None,
            attempts=1,
            blocks=0,
            lease_token=uuid4(),
            config_hash="",
        )
        return function(
            Job(
                item=item,
                config=config,
                store=store,
                workspace=lambda: store.workspace(stage, 1, item.lease_token),
                tick=lambda _=0: None,
                models=models,
                findings=nothing,
                memory=memory,
            )
        )

    return call


def filter_stage(config: AppConfig, models: LoadedModels) -> Callable[[], object]:
    """Return our filter."""
    params = filtering.params_for(config, FRAMES_HASH)
    return stage_call(Stage.FILTER, filtering.run, params, config, models)


def detect_stage(config: AppConfig, models: LoadedModels, times_ms: list[int]) -> Callable[[], object]:
    """Return our detector."""
    params = {**detect.params_for(config, FRAMES_HASH), "times_ms": times_ms}
    return stage_call(Stage.DETECT, detect.run, params, config, models)


def filter_loop(config: AppConfig, models: LoadedModels, times_ms: list[int]) -> Callable[[], object]:
    """Return a bare loop over the filter's model; the prompts are known already."""
    matcher: Any = models.matcher("siglip")
    texts = torch.from_numpy(matcher.embed_texts(PROMPTS)).to(matcher.model.device)
    directory = Store(config.output_dir, mount=None).frames_path(VIDEO, FRAMES_HASH)

    def call() -> object:
        found = []
        for start in range(0, len(times_ms), FILTER_BATCH):
            images = read(directory, times_ms[start : start + FILTER_BATCH])
            pixels = matcher.image_processor(images=images, return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                output = matcher.model.get_image_features(
                    pixel_values=pixels.to(matcher.model.device, matcher.model.dtype)
                )
                features = getattr(output, "pooler_output", output).float()
                features = torch.nn.functional.normalize(features, dim=-1)
                found.append(torch.sigmoid(features @ texts.T * matcher.scale + matcher.bias).cpu())
        return torch.cat(found).numpy()

    return call


def detect_loop(config: AppConfig, models: LoadedModels, times_ms: list[int]) -> Callable[[], object]:
    """Return a bare loop over the detector's model."""
    detector: Any = models.detector("owlvit")
    device = detector.model.device
    directory = Store(config.output_dir, mount=None).frames_path(VIDEO, FRAMES_HASH)

    def call() -> object:
        found = []
        for start in range(0, len(times_ms), DETECT_BATCH):
            images = read(directory, times_ms[start : start + DETECT_BATCH])
            texts = [PROMPTS] * len(images)
            inputs = detector.processor(text=texts, images=images, return_tensors="pt").to(device)
            inputs["pixel_values"] = inputs["pixel_values"].to(detector.model.dtype)
            with torch.inference_mode():
                outputs, sizes = detector.model(**inputs), [(image.height, image.width) for image in images]
                found += detector.processor.post_process_grounded_object_detection(
                    outputs,
                    threshold=detect.FLOOR,
                    target_sizes=sizes,
                )
        return found

    return call


def read(directory: Path, times_ms: Sequence[int]) -> list[Image.Image]:
    """Decode frames."""
    return [Image.open(frame_path(directory, time_ms)).convert("RGB") for time_ms in times_ms]


def compare(
    ours: Callable[[], object], bare: Callable[[], object], runs: int
) -> tuple[list[Timed], list[Timed]]:
    """Return the seconds of each side, of the clock and of the processor, after a run to get warm."""
    ours(), bare()
    seconds: tuple[list[Timed], list[Timed]] = ([], [])
    for _ in range(runs):
        for side, call in zip(seconds, (ours, bare), strict=True):
            wall, cpu = time.monotonic(), time.process_time()
            call()
            side.append((time.monotonic() - wall, time.process_time() - cpu))
    return seconds


def row(device: str, stage: str, frames: int, seconds: tuple[list[Timed], list[Timed]]) -> str:
    """Return a row of the table."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    if device == "cuda":
        machine += f", {torch.cuda.get_device_name()}, PyTorch {torch.__version__}"
    (wall, cpu), (bare_wall, bare_cpu) = (
        tuple(statistics.median(column) for column in zip(*side, strict=True)) for side in seconds
    )
    cells = [stage, frames, len(seconds[0]), f"{wall:.1f} ({cpu:.1f})", f"{bare_wall:.1f} ({bare_cpu:.1f})"]
    cells += [f"{wall / bare_wall:.2f}", f"{cpu / bare_cpu:.2f}"]
    return f"| {today} | {machine} | {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
