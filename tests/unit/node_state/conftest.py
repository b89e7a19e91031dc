"""Wanted states below a directory of the test's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from module_utils.node_state.control import Result, converge, uninstall
from module_utils.node_state.model import Attributes, Wanted, WantedBlock, WantedDirectory, WantedFile


def attributes(mode: int) -> Attributes:
    return Attributes(mode=mode, uid=os.geteuid(), gid=os.getegid())


def directory(path: Path, mode: int = 0o755, *, data: bool = False) -> WantedDirectory:
    return WantedDirectory(path=str(path), attributes=attributes(mode), data=data)


def file(path: Path, content: str = "x\n", mode: int = 0o644, *, secret: bool = False) -> WantedFile:
    return WantedFile(path=str(path), content=content.encode(), attributes=attributes(mode), secret=secret)


def block(path: Path, content: str = "user_allow_other") -> WantedBlock:
    return WantedBlock(path=str(path), content=content)


def wanted(**parts: Any) -> Wanted:
    return Wanted(name="role", parent_attributes=attributes(0o755), **parts)


class Node:
    """A directory as the machine, with a record beside it."""

    def __init__(self, home: Path) -> None:
        self.root = home / "root"
        self.root.mkdir()
        self.record = home / "state" / "owned.json"

    def converge(self, *, check: bool = False, **parts: Any) -> Result:
        return converge(wanted(**parts), self.record, check=check)

    def uninstall(self, *, wipe: bool = False, check: bool = False) -> Result:
        return uninstall("role", self.record, wipe=wipe, check=check)

    def tree(self) -> dict[str, str]:
        """Everything there is, each path with its mode, and of files the content."""
        return {
            str(path.relative_to(self.root)): f"{path.stat().st_mode:o} "
            + (path.read_text() if path.is_file() else "")
            for path in sorted(self.root.rglob("*"))
        }


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)
