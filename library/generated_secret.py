#!/usr/bin/python
"""Ansible module: a secret that is made up once and kept on a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: generated_secret
short_description: Make up secrets once, keep each in a root-only file, and return them
description:
  - The first call writes random texts to the files, mode 0600; every later one returns them, also to another
    controller.
  - Use it with C(no_log). As a task that fails then says nothing, what is wrong is returned as C(problems),
    for an C(assert) that follows; also a disk that is full or can't be read. Only O(state=absent) fails.
options:
  secrets:
    description: The secrets.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: The name under which it is returned., type: str, required: true}
      path: {description: The file. Its directory is made with mode 0700., type: path, required: true}
      unless_present:
        description:
          - Directories of data that only the secret opens. While there is something in one of them, a lost
            secret is a problem, and no other is made up.
        type: list
        elements: path
        default: []
      generate: {description: Whether O(state=present) makes a text up here., type: bool, default: true}
      value: {description: 'The text to keep, with O(state=kept).', type: str, default: ''}
  state:
    description:
      - V(absent) removes the file, and its directory when that is empty.
      - V(next) makes up another secret beside the one in use, once, and returns it; V(rotated) puts it in its
        place. In between C(present) is a problem, for nobody knows which of the two is in use.
      - V(kept) keeps a value that was made up elsewhere.
    type: str
    choices: [present, next, rotated, kept, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Returns a text that is not kept where there is none yet.
  diff_mode: {support: none}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Have a password for the database
  generated_secret:
    secrets:
      - name: postgres
        path: /data/data_miner_db/secrets/postgres-password
        unless_present: [/data/data_miner_db/postgres]
  register: passwords
  no_log: true

- name: Assert that it is known
  ansible.builtin.assert:
    that: passwords.problems | length == 0
    fail_msg: "{{ passwords.problems.values() | join(' ') }}"
"""

RETURN = r"""
secrets:
  description: By name the text; empty where there is a problem, or nothing yet and none made up.
  type: dict
  returned: with state present or next
problems:
  description: By name what is wrong and what to do about it.
  type: dict
  returned: always
"""

import os
import secrets
from pathlib import Path
from typing import Any

BYTES = 24
ARGUMENTS: dict[str, Any] = {
    "secrets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "unless_present": {"type": "list", "elements": "path", "default": []},
            "generate": {"type": "bool", "default": True},
            "value": {"type": "str", "default": "", "no_log": True},
        },
        "no_log": False,
    },
    "state": {
        "type": "str",
        "choices": ["present", "next", "rotated", "kept", "absent"],
        "default": "present",
    },
}


class UnusableError(Exception):
    """The file holds no secret of ours, or is lost while it is needed."""


def read(path: Path) -> str:
    """Return the secret; empty where there is none yet.

    Raises:
        UnusableError: the file is empty or no text.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise UnusableError(f"{path} is no text; put the password back that was in it") from error
    if not text:
        raise UnusableError(f"{path} is empty; put the password back, or remove the file to have a new one")
    return text


def refuse_lost(path: Path, directories: list[str]) -> None:
    """Check that there is nothing yet that a lost secret would open.

    Raises:
        UnusableError: there is.
    """
    for directory in map(Path, directories):
        if directory.is_dir() and any(entry.name != "lost+found" for entry in directory.iterdir()):
            raise UnusableError(
                f"{path} is lost, and {directory} holds data that only it opens. Put it back (while the "
                f"cluster runs, its Secret has it too), or move {directory} away to begin anew without it"
            )


def keep(path: Path, directories: list[str], *, check: bool) -> dict[str, Any]:
    """Return what the module returns with state present; make the secret up where that is right.

    Raises:
        OSError: a file can't be read or written.
    """
    try:
        if following(path).exists():
            raise UnusableError(
                f"{following(path)} says that a new password was about to be taken into use; go on with: "
                "ansible-playbook playbooks/rotate_secrets.yml"
            )
        secret = read(path)
        if secret:
            return {"changed": False, "secret": secret, "problem": ""}
        refuse_lost(path, directories)
    except UnusableError as error:
        return {"changed": False, "secret": "", "problem": str(error)}
    secret = secrets.token_urlsafe(BYTES)
    if not check:
        write(path, secret)
    return {"changed": True, "secret": secret, "problem": ""}


def following(path: Path) -> Path:
    """Return the file of the secret that comes after the one in use."""
    return path.with_name(f"{path.name}.next")


def prepare(path: Path, *, check: bool) -> dict[str, Any]:
    """Return what the module returns with state next.

    Raises:
        OSError: a file can't be read or written.
    """
    try:
        if not read(path):
            raise UnusableError(f"{path} does not exist yet, so there is nothing to follow it")
        if secret := read(following(path)):
            return {"changed": False, "secret": secret, "problem": ""}
    except UnusableError as error:
        return {"changed": False, "secret": "", "problem": str(error)}
    secret = secrets.token_urlsafe(BYTES)
    if not check:
        write(following(path), secret)
    return {"changed": True, "secret": secret, "problem": ""}


def rotate(path: Path, *, check: bool) -> dict[str, Any]:
    """Return what the module returns with state rotated.

    Raises:
        OSError: a file can't be renamed.
    """
    there = following(path).exists()
    if there and not check:
        following(path).rename(path)
    return {"changed": there}


def look(path: Path) -> dict[str, Any]:
    """Return the secret as it is there.

    Raises:
        OSError: the file can't be read.
    """
    try:
        return {"changed": False, "secret": read(path), "problem": ""}
    except UnusableError as error:
        return {"changed": False, "secret": "", "problem": str(error)}


def put(path: Path, value: str, *, check: bool) -> dict[str, Any]:
    """Return what the module returns with state kept.

    Raises:
        OSError: the file can't be written.
    """
    if not value:
        return {"changed": False, "problem": f"there is nothing to keep in {path}"}
    present = look(path)
    if present["problem"]:
        return {"changed": False, "problem": present["problem"]}
    if (changed := present["secret"] != value) and not check:
        write(path, value)
    return {"changed": changed, "problem": ""}


def write(path: Path, secret: str) -> None:
    """Write the secret so that it is there whole or not at all, and readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def remove(path: Path) -> None:
    """Remove the file, the one that would follow it, and their directory when nothing else is in it."""
    path.unlink()
    following(path).unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def told(secret: dict[str, Any], state: str, *, check: bool) -> dict[str, Any]:
    """Return what :func:`one` does; where a file can't be read or written, that is the problem.

    Raises:
        OSError: a file can't be removed, which no C(no_log) hides.
    """
    try:
        return one(secret, state, check=check)
    except OSError as error:
        if state == "absent":
            raise
        text = {"secret": ""} if state in {"present", "next"} else {}
        problem = f"{error.filename or secret['path']}: {error.strerror}"
        return {"changed": False, "problem": problem, **text}


def one(secret: dict[str, Any], state: str, *, check: bool) -> dict[str, Any]:
    """Bring about the state of one secret; return whether that changes it, its text, and the problem.

    Raises:
        OSError: a file can't be read or written.
    """
    path = Path(secret["path"])
    if state == "present":
        made_here = secret["generate"]
        return keep(path, secret["unless_present"], check=check) if made_here else look(path)
    if state == "next":
        return prepare(path, check=check)
    if state == "rotated":
        return rotate(path, check=check)
    if state == "kept":
        return put(path, secret["value"], check=check)
    there = path.exists()
    if there and not check:
        remove(path)
    return {"changed": there}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        OSError: a file can't be removed.
    """
    found = {secret["name"]: told(secret, params["state"], check=check) for secret in params["secrets"]}
    return {
        "changed": any(result["changed"] for result in found.values()),
        "problems": {name: result["problem"] for name, result in found.items() if result.get("problem")},
        "secrets": {name: result["secret"] for name, result in found.items() if "secret" in result},
    }
