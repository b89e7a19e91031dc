#!/usr/bin/python
"""Ansible module: a secret that is made up once and kept on a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: generated_secret
short_description: Make up a secret once, keep it in a root-only file, and return it
description:
  - The first call writes a random text to C(path), mode 0600; every later one returns it, also to another
    controller. Use it with C(no_log).
options:
  path:
    description: The file. Its directory is made with mode 0700.
    type: path
    required: true
  state:
    description:
      - V(absent) removes the file, and its directory when that is empty.
    type: str
    choices: [present, absent]
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
    path: /data/data_miner_db/secrets/postgres-password
  register: password
  no_log: true
"""

RETURN = r"""
secret:
  description: The text.
  type: str
  returned: with state present
"""

import os
import secrets
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

BYTES = 24


class UnusableError(Exception):
    """The file is there and holds no secret of ours."""


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
    """Remove the file, and its directory when nothing else is in it."""
    path.unlink()
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    try:
        if module.params["state"] == "absent":
            changed, result = path.exists(), {}
            if changed and not module.check_mode:
                remove(path)
        else:
            kept = read(path)
            changed, result = not kept, {"secret": kept or secrets.token_urlsafe(BYTES)}
            if changed and not module.check_mode:
                write(path, result["secret"])
    except UnusableError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or path}: {error.strerror}")
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()
