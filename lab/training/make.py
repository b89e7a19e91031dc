#!/usr/bin/env python3
"""Trains the lab's models anew: fetches what they learn from, and trains in the image with models.

    python lab/training/make.py [siglip|owlvit]

On one idle core it takes ten to fifteen minutes. lab/models/README.md says what comes of it.
"""

from __future__ import annotations

import sys

from miner_cluster.artifacts import clips
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.store import Store
from miner_cluster.artifacts.wheels import wheels
from miner_cluster.images import inside


def main() -> int:
    """Train, and return an exit code."""
    store = Store()
    videos = store.ensure(clips.recipe(LAB))
    photos = store.ensure(
        wheels("training-photos", LAB / "training/photos-requirements.lock", estimate="half a minute")
    )
    built = inside.image(build=True)
    if built is None:
        return 1
    command = ["python", str(LAB / "training/train.py"), str(LAB / "models"), *sys.argv[1:]]
    return inside.run(built, [*command, "--clips", str(videos.path), "--photos", str(photos.path)])


if __name__ == "__main__":
    sys.exit(main())
