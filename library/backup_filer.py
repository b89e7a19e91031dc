#!/usr/bin/python
"""Ansible module: the names of the shared storage in a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_filer
short_description: Save the filer's metadata into a backup, or load it from one
description:
  - Of each file the metadata has the name and where its pieces lie. The pieces themselves are on the
    machines' disks and are no part of a backup, so files come back only where these are.
  - V(saved) writes the metadata while everything goes on; V(restorable) checks whether it could be loaded,
    and changes nothing; V(restored) loads it, looks whether all of it is there, and counts the files that
    can be read.
  - Nothing is deleted by loading. A file that has the name of one in the backup is replaced by it. A name of
    the backup whose file has another one by now is left out, as two names can't share a file's pieces.
extends_documentation_fragment: [cluster]
options:
  state:
    description: What is wanted.
    type: str
    choices: [saved, restorable, restored]
    required: true
  path:
    description: The backup.
    type: path
    required: true
  overwrite:
    description: Whether names may be loaded into a storage that has files which the backup does not have.
    type: bool
    default: false
  without_data:
    description: Whether names may come back whose files can't be read, as their volumes are not there.
    type: bool
    default: false
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Save the names of all files
  backup_filer:
    state: saved
    path: "{{ backup.path }}"
    cluster: "{{ cluster }}"
"""

RETURN = r"""
facts:
  description: How many C(directories) and C(files) the backup has, and in which C(volumes) their pieces lie.
  type: dict
  returned: always
readable:
  description: >-
    How many of all files have all their pieces. One that was deleted since the backup counts, until SeaweedFS
    has given back its space.
  type: int
  returned: with state restored
unreadable:
  description: How many have not.
  type: int
  returned: with state restored
renamed:
  description: How many names of the backup were left out, as their files have others by now.
  type: int
  returned: with state restored
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from miner_cluster.backup import filer
from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.filer_meta import read
from miner_cluster.backup.pods import Pod
from miner_cluster.cluster import as_cluster
from miner_cluster.manifests_storage import FILER_PORT, MASTER_PORT, address

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["saved", "restorable", "restored"], "required": True},
    "path": {"type": "path", "required": True},
    "cluster": {"type": "dict", "required": True},
    "overwrite": {"type": "bool", "default": False},
    "without_data": {"type": "bool", "default": False},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        BackupError: the filer does not answer, or the names can't be loaded.
    """
    cluster, path = as_cluster(params["cluster"]), Path(params["path"])
    pod = Pod(
        kubectl=Path(cluster.state_dir) / "bin" / "kubectl",
        namespace=cluster.seaweedfs.namespace,
        # Servers answer only who has a certificate of theirs; the master's pod has one for the shell.
        name="master-0",
        container="master",
    )
    target = filer.Filer(
        pod=pod,
        master=f"{address(cluster, 'master')}:{MASTER_PORT}",
        address=f"{address(cluster, 'filer')}:{FILER_PORT}",
    )
    try:
        if params["state"] == "saved":
            facts = asdict(filer.facts(filer.look(target))) if check else filer.save(target, path)
            return {"changed": True, "facts": facts}
        wanted = read(path / filer.FILE)
        result = {
            "changed": False,
            "facts": asdict(filer.facts(wanted)),
            "readable": 0,
            "unreadable": 0,
            "renamed": 0,
        }
        filer.refuse(
            wanted,
            filer.look(target),
            filer.volumes(target),
            overwrite=params["overwrite"],
            without_data=params["without_data"],
        )
        if check or params["state"] == "restorable":
            return result | {"changed": params["state"] == "restored"}
        return result | asdict(filer.load(target, path))
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror}") from error
