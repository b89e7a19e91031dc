"""Many runs of ansible-playbook from one process that has loaded Ansible: each is a fork of it.

    python playbook_runs.py < RUNS

RUNS is a JSON list of lists of arguments. Prints a JSON list of [exit code, output]. Loading Ansible takes
ten times as long as refusing a file, and there are many files to refuse.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from ansible.cli.playbook import PlaybookCLI

# What the runs would load, each of them anew.
PRELOADED = (
    "ansible.executor.playbook_executor",
    "ansible.executor.task_queue_manager",
    "ansible.plugins.callback.default",
    "ansible.plugins.strategy.linear",
    "miner_cluster.app_config",
    "miner_cluster.in_process",
    "miner_cluster.inventory",
)


def main() -> None:
    """Run everything, as many at once as there are cores."""
    runs: list[list[str]] = json.load(sys.stdin)
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    with tempfile.TemporaryDirectory() as directory:
        outputs = [Path(directory) / str(number) for number in range(len(runs))]
        codes = dict(_codes(runs, outputs))
        json.dump(
            [[codes[number], path.read_text("utf-8")] for number, path in enumerate(outputs)], sys.stdout
        )


def _codes(runs: list[list[str]], outputs: list[Path]) -> Iterator[tuple[int, int]]:
    """Yield number and exit code of each run."""
    open_runs: dict[int, int] = {}
    for number, arguments in enumerate(runs):
        if len(open_runs) >= (os.cpu_count() or 1):
            yield _ended(open_runs)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _play(arguments, outputs[number])
        open_runs[pid] = number
    while open_runs:
        yield _ended(open_runs)


def _ended(open_runs: dict[int, int]) -> tuple[int, int]:
    pid, status = os.wait()
    return open_runs.pop(pid), os.waitstatus_to_exitcode(status)


def _play(arguments: list[str], output: Path) -> NoReturn:
    """Become ansible-playbook."""
    os.setsid()
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *arguments])
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
