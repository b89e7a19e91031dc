#!/usr/bin/python
"""Ansible module: what a cluster needs from outside, in this user's cache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifacts
short_description: Fetch or build what a cluster needs from outside, once
description:
  - Makes what the configuration names and the cache lacks. The k3s program is the real release where it can
    be reached, and else, in a lab, a stand-in that is compiled here; images named C(lab.local/) are built
    from Debian packages; a lab also gets the file system of its machines and the clips of its video site.
  - The cache is C($DATA_MINER_CACHE), else C(data-miner) in the user's cache directory. Artifacts are found
    there by what they are made of, so that every clone of the repository shares them.
  - Files of a k3s release that were put into C(downloads/k3s/<version>/) of the cache need no internet.
    C($DATA_MINER_K3S_RELEASES) names a mirror of the releases.
  - Runs on the controller.
extends_documentation_fragment: [cluster]
options:
  directory:
    description:
      - A directory that has all that is needed where there is no internet. What the cache lacks is taken over
        from it, and machines get also the images that they would pull from registries.
    type: path
  fill:
    description: Make everything, the workers' images and their packages too, and copy it to O(directory).
    type: bool
    default: false
  nvidia_toolkit:
    description: Whether a machine gets NVIDIA's container toolkit.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Makes nothing, and says what would be made; its checksums and image IDs are empty then.
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Fetch or build what the cluster needs
  artifacts:
    cluster: "{{ cluster }}"
  register: artifacts
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
made:
  description: Names of the artifacts that were made, or that would be.
  type: list
  elements: str
  returned: always
copied:
  description: Names of what was copied between the cache and O(directory).
  type: list
  elements: str
  returned: always
artifacts:
  description:
    - C(k3s), the program, as path, sha256, version, source and stand_in.
    - C(airgap), archives of images that each node imports when it starts, as paths with their sha256.
    - C(images), archives of the images that pods run, as reference, path, image_id and stand_in.
    - C(base_image), the archive that the workers' image is built on, as reference, path and image_id; null
      where the base comes from a registry.
    - C(models_base_image), the same for the image with models; null also where no worker needs that.
    - C(node_image), the file system of a lab's machines, as reference and path; null for other clusters.
    - C(clips), the path of the directory of a lab's video clips; null for other clusters.
    - C(nvidia_toolkit), NVIDIA's container toolkit as the path of a directory, version, and the SHA-256 of
      its files by their names; null where no machine gets it.
    - C(stand_ins), a sentence about each thing that stands in for another one.
  type: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from miner_cluster.artifacts import portable
from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.plan import Plan, missing, plan, result
from miner_cluster.artifacts.progress import Progress
from miner_cluster.artifacts.store import Store
from miner_cluster.cluster import as_cluster

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "nvidia_toolkit": {"type": "bool", "default": False},
    "directory": {"type": "path"},
    "fill": {"type": "bool", "default": False},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Make what is missing in the user's cache; return what the module returns."""
    progress = Progress(write=Display().display)
    directory = Path(params["directory"]) if params["directory"] else None
    return make(
        params["cluster"],
        Store(progress=progress),
        nvidia=params["nvidia_toolkit"],
        directory=Store(root=directory, progress=progress) if directory else None,
        fill=params["fill"],
        check_mode=check,
    )


def make(
    data: dict[str, Any],
    store: Store,
    *,
    nvidia: bool = False,
    directory: Store | None = None,
    fill: bool = False,
    check_mode: bool,
) -> dict[str, Any]:
    """Make what the cluster needs, unless in check mode, and return what the module returns.

    Raises:
        MinerError: something can't be had.
    """
    cluster = as_cluster(data)

    def look(*, look_only: bool) -> Plan:
        return plan(cluster, store, look_only=look_only, nvidia=nvidia, directory=directory)

    copied = []
    if directory and not check_mode:
        copied = portable.take_over(look(look_only=True), cluster, store, directory)
    wanted = look(look_only=check_mode)
    lacking = missing(wanted, store)
    if not check_mode:
        ensure_all(store, wanted.recipes())
        if directory and fill:
            copied += portable.fill(wanted, cluster, store, directory, store.progress.say)
    return {
        "changed": bool(lacking or copied),
        "made": [recipe.name for recipe in lacking],
        "copied": copied,
        "diff": {"before": "", "after": "".join(f"{recipe.name}: {recipe.source}\n" for recipe in lacking)},
        "artifacts": result(wanted, store),
    }
