#!/usr/bin/python
"""Ansible module: files of a machine, and the database of its k3s, in one archive."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_archive
short_description: Put files and directories of a machine into an archive that only root can read
description:
  - Writes a compressed tar archive, whole or not at all. What is not there is left out; nothing at all is an
    error.
  - With O(k3s_server), also the database of that server, copied as it is at one moment while the server goes
    on; a database in SQLite is C(datastore/state.db), a snapshot of etcd C(datastore/etcd.snapshot).
options:
  path:
    description: The archive. Its directory must be there.
    type: path
    required: true
  sources:
    description: Files and directories, which keep their paths in the archive.
    type: list
    elements: path
    default: []
  k3s_server:
    description: Where a k3s server keeps its state; empty for none.
    type: path
    default: ""
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Save the state of k3s
  node_archive:
    path: /root/k3s.tar.gz
    sources: [/var/lib/rancher/k3s/server/token, /var/lib/rancher/k3s/server/tls]
    k3s_server: /var/lib/rancher/k3s/server
"""

RETURN = r"""
datastore:
  description: What database k3s has, V(sqlite) or V(etcd); empty for none.
  type: str
  returned: always
members:
  description: How many files are in the archive.
  type: int
  returned: always
"""

import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.datastore import DatastoreError, copy, kind

NAMES = {"sqlite": "datastore/state.db", "etcd": "datastore/etcd.snapshot"}


def save(path: Path, sources: list[str], server: str) -> dict[str, Any]:
    """Write the archive and return what the module returns.

    Raises:
        DatastoreError: the database can't be copied.
        OSError: a file can't be read or written.
    """
    database = kind(Path(server)) if server else ""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(str(partial), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for source in sources:
                if os.path.lexists(source):
                    archive.add(source)
            if database:
                with tempfile.TemporaryDirectory(dir=str(path.parent)) as directory:
                    copied = Path(directory) / "copy"
                    copy(Path(server), copied)
                    archive.add(str(copied), NAMES[database])
            members = len(archive.getmembers())
        if not members:
            raise DatastoreError(f"Nothing of this is there: {', '.join(sources)}")
        partial.rename(path)
    finally:
        if partial.exists():
            partial.unlink()
    return {"changed": True, "datastore": database, "members": members}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "sources": {"type": "list", "elements": "path", "default": []},
            "k3s_server": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    options = module.params
    if module.check_mode:
        there = kind(Path(options["k3s_server"])) if options["k3s_server"] else ""
        module.exit_json(changed=True, datastore=there, members=0)
    try:
        result = save(Path(options["path"]), options["sources"], options["k3s_server"])
    except (DatastoreError, tarfile.TarError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or options['path']}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
