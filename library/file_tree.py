#!/usr/bin/python
"""Ansible module: a directory that holds exactly the given generated files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_tree
short_description: Make a directory hold exactly the given generated files
description:
  - Writes the files that differ and removes those that were generated earlier and are no longer given. A file
    counts as generated when it starts with C(header); any other is left alone, and never overwritten.
options:
  path:
    description: The directory; made if it is not there.
    type: path
    required: true
  header:
    description: The first line of every generated file.
    type: str
    required: true
  files:
    description: The text of each file, by its path below the directory.
    type: dict
    required: true
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Write the manifests
  file_tree:
    path: manifests
    header: "# generated"
    files: {"a/b.yaml": "# generated\na: 1\n"}
"""

RETURN = r"""
path:
  description: The directory.
  type: str
  returned: always
files:
  description: How many files were given.
  type: int
  returned: always
written:
  description: Paths of files that were made or changed.
  type: list
  elements: str
  returned: always
removed:
  description: Paths of files that were removed.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def generated(root: Path, header: str) -> dict[str, str]:
    """Return the text of each generated file below a directory, by its path."""
    texts = {str(path.relative_to(root)): path.read_text("utf-8") for path in sorted(root.rglob("*.yaml"))}
    return {path: text for path, text in texts.items() if text.startswith(header)}


def plan(current: dict[str, str], wanted: dict[str, str]) -> dict[str, list[str]]:
    """Return which files to write and which to remove; both empty means nothing to do."""
    written = sorted(path for path, text in wanted.items() if current.get(path) != text)
    return {"written": written, "removed": sorted(set(current) - set(wanted))}


def foreign(root: Path, header: str, wanted: dict[str, str]) -> list[str]:
    """Return the paths of wanted files at which something stands that was not generated."""
    known = generated(root, header) if root.is_dir() else {}
    return sorted(path for path in wanted if (root / path).exists() and path not in known)


def apply(root: Path, wanted: dict[str, str], changes: dict[str, list[str]]) -> None:
    """Write and remove files, and directories that this leaves empty."""
    for path in changes["written"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(wanted[path], "utf-8")
    for path in changes["removed"]:
        (root / path).unlink()
        for parent in list(Path(path).parents)[:-1]:
            if not any((root / parent).iterdir()):
                (root / parent).rmdir()


def differences(
    current: dict[str, str], wanted: dict[str, str], changes: dict[str, list[str]]
) -> list[dict[str, str]]:
    """Return what Ansible shows with --diff."""
    return [
        {
            "before_header": path,
            "after_header": path,
            "before": current.get(path, ""),
            "after": wanted.get(path, ""),
        }
        for path in (*changes["written"], *changes["removed"])
    ]


def main() -> None:
    """Run as an Ansible module."""
    arguments: dict[str, Any] = {
        "path": {"type": "path", "required": True},
        "header": {"type": "str", "required": True},
        "files": {"type": "dict", "required": True},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    root, wanted = Path(module.params["path"]), module.params["files"]
    try:
        if strangers := foreign(root, module.params["header"], wanted):
            module.fail_json(
                msg=f"{root / strangers[0]} was not written by this; move it away or choose another directory"
            )
        current = generated(root, module.params["header"]) if root.is_dir() else {}
        changes = plan(current, wanted)
        if not module.check_mode:
            apply(root, wanted, changes)
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}; choose a directory that can be written")
    except UnicodeDecodeError as error:
        module.fail_json(msg=f"{root} holds a .yaml file that is no text ({error}); choose another directory")
    module.exit_json(
        changed=bool(changes["written"] or changes["removed"]),
        path=str(root),
        files=len(wanted),
        diff=differences(current, wanted, changes),
        **changes,
    )


if __name__ == "__main__":
    main()
