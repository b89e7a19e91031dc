"""The packages that the workers' images are built of, as files: with them a build needs no package index.

They are fetched by the base image's own Python, so they are those that it would install.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from miner_cluster.artifacts.machine import architecture
from miner_cluster.artifacts.recipe import Recipe, Workshop
from miner_cluster.images.buildah import BaseImage, Buildah, pip_secrets, pull
from miner_cluster.images.sources import LOCKS, Target, locks_digest

#: a PyTorch of the base's own is not fetched again, as in the Dockerfile
_SCRIPT = """
set -eu
python3 -m venv /tmp/pip
for lock in "$@"; do
  if [ "$lock" = image/torch.lock ] && python3 -c 'import torch' 2>/dev/null; then continue; fi
  /tmp/pip/bin/python -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir \\
    --no-deps --only-binary :all: --require-hashes --dest /wheels --requirement "/checkout/$lock"
done
"""
_STORAGE = "buildah-wheels"


def wheelhouse(checkout: Path, base: BaseImage, target: Target) -> Recipe:
    """Return the recipe of the packages for an image, as its locks name them now.

    Raises:
        ArtifactError: a lock is missing.
    """

    def build(shop: Workshop) -> dict[str, Any]:
        buildah = Buildah(shop=shop, storage=_STORAGE)
        with buildah.alone(base.name):
            base_id = pull(buildah, base)
            container = buildah("from", "--quiet", "--pull-never", base_id).split()[-1]
            secrets = pip_secrets(shop.scratch, os.environ)
            buildah(
                *("run", "--isolation", "chroot", "--network", "host", "--user", "0:0"),
                *("--volume", f"{checkout}:/checkout:ro", "--volume", f"{shop.output}:/wheels"),
                *(word for name, path in secrets.items() for word in ("--volume", f"{path}:/tmp/{name}:ro")),
                *(word for name in secrets for word in ("--env", f"{_VARIABLES[name]}=/tmp/{name}")),
                *(container, "--", "sh", "-c", _SCRIPT, "sh", *LOCKS[target]),
            )
        return {}

    return Recipe(
        name=f"wheels-{target}",
        version="1",
        source=f"PyPI, as {' and '.join(LOCKS[target])} say, for the Python of {base.reference}",
        inputs={"locks": locks_digest(checkout, target), "base": base.name, "machine": architecture()},
        estimate="a minute",
        build=build,
        verb="fetching",
    )


_VARIABLES = {"ca": "PIP_CERT", "pip": "PIP_CONFIG_FILE"}
