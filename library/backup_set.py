#!/usr/bin/python
"""Ansible module: one backup as a whole, begun, finished, or chosen and verified."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set
short_description: Begin, finish or verify a backup
description:
  - A backup is a directory named by date and time in UTC. V(begun) makes it as C(DATE.partial), readable by
    its owner only; parts are put into it; V(finished) writes the manifest with each file's checksum, renames
    the directory, copies it to a remote where one is given, and removes older backups.
  - V(verified) chooses a backup, brings it from the remote where it is not here, and compares every file
    with the manifest.
options:
  state:
    description: What is wanted.
    type: str
    choices: [begun, finished, verified]
    required: true
  dir:
    description: The directory of this cluster's backups.
    type: path
    required: true
  cluster:
    description: The cluster's name. A backup of another one is refused.
    type: str
    required: true
  path:
    description: Of V(finished), the directory that was begun.
    type: path
    default: ""
  parts:
    description: Of V(finished), what is known of each part.
    type: dict
    default: {}
  keep:
    description: Of V(finished), how many backups stay; 0 keeps all.
    type: int
    default: 0
  remote:
    description: An rclone remote for copies; empty for none.
    type: str
    default: ""
  name:
    description: >-
      Of V(verified), the backup; empty for the latest, here or at the remote, or a path that holds a slash.
    type: str
    default: ""
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Begin a backup
  backup_set:
    state: begun
    dir: /root/data-miner-backups/lab
    cluster: lab
  register: backup

- name: Finish it
  backup_set:
    state: finished
    dir: /root/data-miner-backups/lab
    cluster: lab
    path: "{{ backup.path }}"
    keep: 14
"""

RETURN = r"""
path:
  description: Where the backup lies.
  type: str
  returned: always
parts:
  description: What is known of each part.
  type: dict
  returned: with state verified
made_at:
  description: When it was begun.
  type: str
  returned: with state verified
bytes:
  description: Size of all files.
  type: int
  returned: with state finished and verified
removed:
  description: Names of older backups that were removed, here and at the remote.
  type: list
  elements: str
  returned: with state finished
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miner_cluster.backup import remote, sets
from miner_cluster.backup.errors import BackupError

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["begun", "finished", "verified"], "required": True},
    "dir": {"type": "path", "required": True},
    "cluster": {"type": "str", "required": True},
    "path": {"type": "path", "default": ""},
    "parts": {"type": "dict", "default": {}},
    "keep": {"type": "int", "default": 0},
    "remote": {"type": "str", "default": ""},
    "name": {"type": "str", "default": ""},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        BackupError: a backup can't be made, or is not as it was made.
    """
    states = {"begun": _begin, "finished": _finish, "verified": _verify}
    try:
        return states[params["state"]](params, check)
    except OSError as error:
        raise BackupError(f"{error.filename or params['dir']}: {error.strerror}") from error


def _begin(params: dict[str, Any], check: bool) -> dict[str, Any]:
    root = Path(params["dir"])
    if check:
        return {"changed": True, "path": str(root)}
    return {"changed": True, "path": str(sets.begin(root, now=datetime.now(UTC)))}


def _finish(params: dict[str, Any], check: bool) -> dict[str, Any]:
    if check:
        return {"changed": True, "path": params["path"], "bytes": 0, "removed": []}
    path = sets.finish(Path(params["path"]), cluster=params["cluster"], parts=params["parts"])
    keep = params["keep"] or None
    removed = sets.prune(path.parent, keep, spare=path.name)
    if params["remote"]:
        try:
            removed += remote.send(path, _remote(params), keep)
        except BackupError as error:
            raise BackupError(f"The backup {path} is whole, but not copied. {error}") from error
    return {"changed": True, "path": str(path), "bytes": _bytes(sets.read(path)), "removed": removed}


def _verify(params: dict[str, Any], check: bool) -> dict[str, Any]:  # noqa: ARG001 - it only reads
    path = _chosen(params)
    manifest = sets.verify(path)
    if manifest.cluster != params["cluster"]:
        raise BackupError(
            f"{path} is a backup of the cluster {manifest.cluster}, and this is {params['cluster']}; "
            f"if that is meant: -e from_cluster={manifest.cluster}"
        )
    return {
        "changed": False,
        "path": str(path),
        "parts": manifest.parts,
        "made_at": manifest.made_at,
        "bytes": _bytes(manifest),
    }


def _chosen(params: dict[str, Any]) -> Path:
    """Return the backup; one that is only at the remote is brought from there, also as the latest."""
    root, name = Path(params["dir"]), params["name"]
    here = [path.name for path in sets.complete(root)]
    if not params["remote"] or "/" in name or name in here:
        return sets.choose(root, name)
    try:
        if here and not name and max(remote.names(_remote(params)), default="") <= here[-1]:
            return sets.choose(root, name)
        return remote.receive(_remote(params), name, root)
    except BackupError as error:
        if not here or name:
            raise
        raise BackupError(
            f"Nobody knows whether the remote has a later backup. {error}. To take the latest that is here: "
            f"-e backup={here[-1]}"
        ) from error


def _remote(params: dict[str, Any]) -> str:
    return f"{params['remote'].rstrip('/')}/{params['cluster']}"


def _bytes(manifest: sets.Manifest) -> int:
    return sum(file["bytes"] for file in manifest.files.values())
