#!/usr/bin/env python3
"""Trains the lab's two models from scratch, on one thread.

    train.py OUTPUT [siglip|owlvit] --clips DIRECTORY --photos DIRECTORY

Runs in the image with models; make.py beside it does that.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import owlvit
import siglip
import torch
from scenes import scenes

TRAINERS = {"siglip": siglip.train, "owlvit": owlvit.train}
TRUTH = Path(__file__).parent.parent / "truth.yaml"


def main() -> None:
    """Train what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="*", choices=list(TRAINERS), default=[])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    pictures = list(scenes(TRUTH, options.clips, options.photos))
    for name in options.models or TRAINERS:
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        started = time.monotonic()
        directory = options.output / f"tiny-{name}"
        TRAINERS[name]([scene for scene in pictures if not scene.held_out], directory)
        for file in directory.iterdir():
            file.chmod(0o644)
        print(f"{directory}: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
