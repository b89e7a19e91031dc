"""A module that was sent to a machine does there what it does here, and fails in words."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT
from miner_cluster.on_machine.action import answer, program, sources
from tests.modules import call, checked, load_module

MODULE = """
from ansible.module_utils import told
def run(params, *, check):
    if "path" in params:
        open(params["path"])
    return {"changed": check, "told": told.WORDS[params["word"]]}
"""
TEXTS = {
    "ansible": "",
    "ansible.module_utils": "",
    "ansible.module_utils.told": "WORDS = ['ä', 'b']",
    "ansible.module_utils.other": "this is no Python",
    "one": MODULE,
}


def sent(texts: dict[str, str], name: str, params: dict[str, Any], *, check: bool = False) -> Any:
    """Run a module as a machine does."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"],
        input=program(texts, name, params, check=check),
        capture_output=True,
        check=False,
    )
    found = {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}
    return answer("python3", found)


def test_only_what_is_imported_has_to_be_python() -> None:
    assert sent(TEXTS, "one", {"word": 0}) == {"changed": False, "told": "ä"}
    assert sent(TEXTS, "one", {"word": 1}, check=True) == {"changed": True, "told": "b"}


def test_a_module_that_breaks_says_what_broke_and_where() -> None:
    said = sent(TEXTS, "one", {"word": 2})
    assert said["failed"]
    assert said["msg"] == "IndexError: list index out of range"
    assert "in run" in said["exception"]
    assert sent(TEXTS, "one", {"path": "/nowhere"})["msg"] == "/nowhere: No such file or directory"


@pytest.mark.parametrize(
    ("stdout", "stderr", "told"),
    [
        ("", "sudo: a password is required\n", "python3 ended with 1: sudo: a password is required"),
        ("sh: 1: not found\n", "", "python3 ended with 1: sh: 1: not found"),
        ("", "", "python3 ended with 1: without a word"),
    ],
)
def test_a_machine_that_runs_no_python_says_why(stdout: str, stderr: str, told: str) -> None:
    assert answer("python3", {"rc": 1, "stdout": stdout, "stderr": stderr})["msg"] == told


def test_a_shell_that_greets_is_not_taken_for_an_answer() -> None:
    found = {"rc": 0, "stdout": 'Welcome!\n{"changed": false}\n', "stderr": ""}
    assert answer("python3", found) == {"changed": False}


def test_a_machine_says_the_same_of_itself_as_here(tmp_path: Path) -> None:
    (tmp_path / "a.crt").write_text("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n")
    shared_file = load_module("shared_file")
    arguments = {"mount": str(tmp_path), "data_dir": str(tmp_path), "certificate_dirs": [str(tmp_path)]}
    there = sent(sources("shared_file"), "shared_file", checked(shared_file, arguments))
    here = call(shared_file, arguments)
    assert there["certificates"] == here["certificates"] != {}
    assert there.keys() == here.keys()


def test_an_old_python_reads_what_runs_the_modules_and_says_that_it_is_old() -> None:
    text = (CHECKOUT / "miner_cluster/on_machine/loader.py").read_text()
    ast.parse(text, feature_version=(3, 6))
    assert "from __future__" not in text
    sent_text = program(TEXTS, "one", {"word": 0}, check=False).decode()
    old = sent_text.replace("OLDEST = (3, 8)", "OLDEST = (99, 0)")
    argv = [sys.executable, "-I", "-S", "-"]
    done = subprocess.run(argv, input=old, capture_output=True, text=True, check=True)
    said = answer("python3", {"rc": 0, "stdout": done.stdout, "stderr": ""})
    assert said["failed"]
    assert said["msg"].endswith("; install 3.10 or newer")
