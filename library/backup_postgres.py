#!/usr/bin/python
"""Ansible module: the database in a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_postgres
short_description: Dump the database into a backup, or put a dump in the database's place
description:
  - V(saved) dumps the database as it is at one moment, while it goes on working.
  - V(restorable) checks whether the dump could replace the database, and changes nothing.
  - V(restored) makes a database of the dump and exchanges the two by name, in one transaction; what is
    interrupted before leaves the old one. An older schema is brought up to date by the Job that does so.
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
  facts:
    description: Of V(restorable) and V(restored), what V(saved) returned.
    type: dict
    default: {}
  overwrite:
    description: Whether a database that is not empty may be replaced.
    type: bool
    default: false
  wait_s:
    description: Seconds that the Job may take.
    type: int
    default: 300
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Dump the database
  backup_postgres:
    state: saved
    path: "{{ backup.path }}"
    cluster: "{{ cluster }}"
"""

RETURN = r"""
facts:
  description: C(server), the major version; C(schema), that of the tables; C(rows), of each table how many.
  type: dict
  returned: always
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from data_miner.db.migrate import migrations
from miner_cluster.backup import postgres
from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.pods import Pod
from miner_cluster.cluster import as_cluster
from miner_cluster.kube.api import Api
from miner_cluster.kube.jobs import run_again
from miner_cluster.kube.waiting import Wait
from miner_cluster.manifest_item import MIGRATION

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["saved", "restorable", "restored"], "required": True},
    "path": {"type": "path", "required": True},
    "cluster": {"type": "dict", "required": True},
    "facts": {"type": "dict", "default": {}},
    "overwrite": {"type": "bool", "default": False},
    "wait_s": {"type": "int", "default": 300},
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        BackupError: the database does not answer, or the dump can't replace it.
        KubeError: the Job fails.
    """
    cluster, path = as_cluster(params["cluster"]), Path(params["path"])
    state_dir = Path(cluster.state_dir)
    pod = Pod(
        kubectl=state_dir / "bin" / "kubectl",
        namespace=cluster.namespace,
        name="postgres-0",
        container="postgres",
    )
    try:
        if params["state"] == "saved":
            facts = postgres.look(pod) if check else postgres.save(pod, path)
            return {"changed": True, "facts": asdict(facts)}
        now, known = postgres.look(pod), len(migrations())
        postgres.refuse(params["facts"], now, known_schema=known, overwrite=params["overwrite"])
        if check or params["state"] == "restorable":
            return {"changed": params["state"] == "restored", "facts": asdict(now)}
        restored = postgres.restore(pod, path)
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror}") from error
    if restored.schema < known:
        api, waiting = Api(state_dir / "kubeconfig"), Wait(Display().display)
        run_again(api, cluster.namespace, MIGRATION, timeout_s=params["wait_s"], waiting=waiting)
    return {"changed": True, "facts": asdict(restored)}
