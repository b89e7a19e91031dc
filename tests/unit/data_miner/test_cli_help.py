"""Every command explains itself by examples that parse, and is in the docs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from data_miner.cli import app
from data_miner.cli.errors import BAD_CONFIG, CODES, DEAD_LETTERS, FAILED, INTERRUPTED

DOCS = Path(__file__).parents[3] / "docs/commands.md"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something. Typer brings its own click, so types are of no help."""
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    else:
        yield path, command


ROOT = typer.main.get_command(app)
ALL = dict(commands(ROOT))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_ends_with_examples_that_parse(path: tuple[str, ...]) -> None:
    _, *examples = (ALL[path].epilog or "").split("\n\n")
    assert examples
    for example in examples:
        words = shlex.split(example)
        assert words[: 1 + len(path)] == ["data-miner", *path]
        ALL[path].make_context("data-miner", words[1 + len(path) :], parent=typer.Context(ROOT))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_docs_have_every_command(path: tuple[str, ...]) -> None:
    text = DOCS.read_text("utf-8")
    assert f"`{' '.join(path)}" in text


def test_the_docs_and_the_help_have_every_exit_code() -> None:
    text = DOCS.read_text("utf-8")
    for code in (FAILED, BAD_CONFIG, DEAD_LETTERS, INTERRUPTED):
        assert f"| {code} |" in text
        assert f" {code} " in CODES


def test_what_is_slow_to_import_waits_until_it_is_needed() -> None:
    """Shells start the command for each completion."""
    slow = ("numpy", "av", "yt_dlp", "jinja2", "pyarrow", "uvicorn")
    script = f"import sys, data_miner.cli; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
