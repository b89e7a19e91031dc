#!/usr/bin/python
"""Ansible module: the k3s program that ran before an upgrade."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_previous
short_description: Keep the k3s program that runs, and put it back
description:
  - With O(state=kept), copies the program beside k3s' data, and the image archives that it may need. Unless
    it is the next one already, or one that never ran; then an earlier run was interrupted, and what it kept
    stays.
  - With O(state=restored), puts both in place of the next ones and restarts k3s. Where the machine does not
    have the next program, nothing is done. Fails where what was kept is of another version than the one that
    ran, as of an upgrade long ago, since a later one may have written to the database.
  - With O(state=forgotten), removes the archives that were kept; the program stays.
extends_documentation_fragment: [k3s_unit]
options:
  state:
    description: See above.
    type: str
    choices: [kept, restored, forgotten]
    required: true
  next_sha256:
    description: Digest in hex of the program that takes its place.
    type: str
  version:
    description: The version that runs, or did before the next one. It alone is kept, and put back.
    type: str
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Put the program back that ran before
  k3s_previous:
    state: restored
    unit: k3s-agent
    next_sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
    version: v1.31.0+k3s1
"""

RETURN = r"""
"""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.k3s_unit import ARGUMENTS, K3S, start
from ansible.module_utils.node_state.files import look
from ansible.module_utils.node_state.model import StateError
from ansible.module_utils.node_state.run import run

#: in a directory that goes with k3s
KEPT = Path("/var/lib/rancher/k3s/previous/k3s")
#: the archives that k3s imports when it starts, and those of before: links where one file system has both
ARCHIVES = Path("/var/lib/rancher/k3s/agent/images")
KEPT_ARCHIVES = KEPT.with_name("images")


def sha256(path: Path) -> str:
    """Return a file's digest in hex; empty where there is none."""
    return look(str(path), sha256=True).sha256 or ""


def ran(program: Path, version: str) -> bool:
    """Return whether a program is of the version that runs: one that was copied may never have started."""
    words: list[str] = run(str(program), "--version").stdout.split()
    return words[:3] == ["k3s", "version", version]


def link_archives(source: Path, target: Path) -> bool:
    """Give a directory the archives of another, as long as these stay, and return whether it lacked any."""
    lacking = [path for path in files_of(source) if not same_file(path, target / path.name)]
    for path in lacking:
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        partial = target / f".{path.name}.partial"
        partial.unlink(missing_ok=True)
        try:
            os.link(path, partial)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copy2(path, partial)
        partial.replace(target / path.name)
    return bool(lacking)


def keep_archives(archives: Path, kept: Path) -> bool:
    """Keep these archives and no others, and return whether that changed anything."""
    names = {path.name for path in files_of(archives)}
    old = [path for path in files_of(kept) if path.name not in names]
    for path in old:
        path.unlink()
    return link_archives(archives, kept) or bool(old)


def files_of(directory: Path) -> list[Path]:
    """Return the plain files of a directory, none where it is not there; hidden ones are others' notes."""
    if not directory.is_dir():
        return []
    return [path for path in sorted(directory.iterdir()) if path.is_file() and path.name[0] != "."]


def same_file(one: Path, other: Path) -> bool:
    """Return whether two paths are one file."""
    return other.exists() and one.samefile(other)


def must_keep(running: str, kept: str, following: str) -> bool:
    """Return whether the program is to be copied, by the digests."""
    return bool(running) and running not in {following, kept}


def must_restore(running: str, kept: str, following: str) -> bool:
    """Return whether the copy is to be put back, by the digests.

    Raises:
        StateError: there is none.
    """
    if running != following:
        return False
    if kept in {"", following}:
        raise StateError(f"there is no other program in {KEPT} to put back")
    return True


def put(source: Path, target: Path) -> None:
    """Copy a program so that the target is never half of it, also while it runs."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.chmod(0o755)
    partial.replace(target)


def keep(params: dict[str, Any], *, check: bool) -> bool:
    """Keep program and archives, and return whether that changes anything."""
    digests = sha256(K3S), sha256(KEPT), params["next_sha256"]
    if digests[0] in {"", digests[2]} or not ran(K3S, params["version"]):
        return False
    changed = must_keep(*digests)
    if check:
        return changed
    if changed:
        put(K3S, KEPT)
    return keep_archives(ARCHIVES, KEPT_ARCHIVES) or changed


def restore(params: dict[str, Any], *, check: bool) -> bool:
    """Put both back, and return whether that changes anything.

    Raises:
        StateError: there is no other program, it is of another version, or k3s does not start with it.
    """
    changed = must_restore(sha256(K3S), sha256(KEPT), params["next_sha256"])
    if changed and not ran(KEPT, params["version"]):
        raise StateError(
            f"{KEPT} is not {params['version']}, which ran before, so it was not put back: what a later "
            f"version wrote, it may not read. Put {params['version']} in place of {K3S}, and restart "
            f"{params['unit']}"
        )
    if changed and not check:
        link_archives(KEPT_ARCHIVES, ARCHIVES)
        put(KEPT, K3S)  # last, as it tells whether anything is to be done
        start(params["unit"], params["start_timeout_s"], restart=True)
    return changed


def forget(params: dict[str, Any], *, check: bool) -> bool:
    """Remove the archives that were kept, and return whether there were any."""
    del params
    changed = KEPT_ARCHIVES.exists()
    if changed and not check:
        shutil.rmtree(KEPT_ARCHIVES)
    return changed


def main() -> None:
    """Run as an Ansible module."""
    states = {"kept": keep, "restored": restore, "forgotten": forget}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": [*states], "required": True},
            "next_sha256": {"type": "str"},
            "version": {"type": "str"},
            **ARGUMENTS,
        },
        required_if=[
            ("state", "kept", ["next_sha256", "version"]),
            ("state", "restored", ["next_sha256", "version"]),
        ],
        supports_check_mode=True,
    )
    try:
        changed = states[module.params["state"]](module.params, check=module.check_mode)
    except StateError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
