"""Ansible callback: ends the run at the first task that no run before it was interrupted in.

Each run therefore comes one task further than the one before, until one comes to its end. The variable
INTERRUPTED_FILE names the file that says in which tasks there was an interruption, and how long each takes;
INTERRUPTED_SIGNAL the signal that the run's processes get; INTERRUPTED_SHARE after which share of the task's
time, 0 as it begins. Where there is a share, tasks that are over at once are left out: they have no middle.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: interrupted
type: notification
short_description: Ends the run at the first task that no run before it was interrupted in
description: See the file itself.
"""

#: seconds from the signal to SIGKILL, as somebody does who has waited long enough
PATIENCE_S = 20.0
SHORT_S = 0.3


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Notes tasks as they begin."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "interrupted"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = Path(os.environ["INTERRUPTED_FILE"])
        self._signal = signal.Signals[os.environ["INTERRUPTED_SIGNAL"]]
        self._share = float(os.environ["INTERRUPTED_SHARE"])
        self._noted: dict[str, Any] = {"tasks": [], "seconds": {}}
        if self._file.exists():
            self._noted = json.loads(self._file.read_text())
        #: how often each task began in this run: a role may come several times, a play once for each server
        self._begun: Counter[str] = Counter()
        self._now: tuple[str, float] | None = None
        self._ending = False

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note that a task begins; end the run in it where none was ended there before."""
        self._note_end()
        path = os.path.relpath(task.get_path())
        self._begun[path] += 1
        name = f"{path} ({task.get_name()}), time {self._begun[path]}"
        self._now = name, time.monotonic()
        takes_s = self._noted["seconds"].get(name, 0.0)
        if name in self._noted["tasks"] or self._ending or (self._share and takes_s < SHORT_S):
            return
        self._noted["tasks"].append(name)
        self._file.write_text(json.dumps(self._noted, indent=1))
        self._ending = True
        if self._share:
            _later(self._share * takes_s, self._end)
        else:
            self._end()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Treat handlers as tasks."""
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Note how long the last task took; a run that is to be ended must not come to its end."""
        self._note_end()
        if self._ending:
            self._end()

    def _note_end(self) -> None:
        """Note how long the task took that has just ended, at most: later runs find nothing to do."""
        if self._now is not None and not self._ending:
            name, began = self._now
            longest = max(time.monotonic() - began, self._noted["seconds"].get(name, 0.0))
            self._noted["seconds"][name] = longest

    def _end(self) -> None:
        # Ansible waits forever where the signal meets a task that is just telling its result.
        _later(PATIENCE_S, lambda: os.killpg(os.getpgrp(), signal.SIGKILL))
        os.killpg(os.getpgrp(), self._signal)


def _later(after_s: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(after_s, what)
    timer.daemon = True
    timer.start()
