"""Ansible callback: interrupts a deployment in each of its tasks that leave something behind, one in a run.

The variable INTERRUPTED_FILE names the file with what earlier runs saw. The first run only notes the tasks,
how long they take and which of them change something. Each later one ends at the first place where none did:

* with SIGKILL in the middle of a task that changes something or takes long,
* with SIGINT, as by Ctrl-C, when the task after it begins.

Whatever else is interrupted leaves nothing that these don't. A run that finds no such place comes to its end.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: interrupted
type: notification
short_description: Interrupts a deployment in each of its tasks that leave something behind, one in each run
description: See the file itself.
"""

#: seconds from SIGINT to SIGKILL, as somebody does who has waited long enough: Ansible waits forever where
#: the signal meets a task that is just telling its result
PATIENCE_S = 20.0
#: a task that takes longer may have done something that it does not tell as a change
LONG_S = 2.0


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Notes tasks as they begin and end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "interrupted"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = Path(os.environ["INTERRUPTED_FILE"])
        self._looks_only = not self._file.exists()
        #: of each task in its order how long it took and whether it changed something; where a run was ended
        self._noted: dict[str, Any] = {"tasks": {}, "ended": []}
        if not self._looks_only:
            self._noted = json.loads(self._file.read_text())
        self._after = self._tasks_after()
        self._play = ""
        #: how often each task began in this run: a role may come several times, a play for each server
        self._begun: Counter[str] = Counter()
        self._now = ""
        self._began_s = 0.0
        self._ending = False

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Note whose tasks follow."""
        self._play = play.get_name()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note that a task begins; end the run in it where none was ended there before."""
        self._note_end()
        name = f"{self._play}: {task.get_name()} ({os.path.relpath(task.get_path())})"
        self._begun[name] += 1
        self._now = f"{name}, time {self._begun[name]}"
        self._began_s = time.monotonic()
        if self._looks_only:
            self._noted["tasks"][self._now] = {"seconds": 0.0, "changed": False}
        elif not self._ending:
            self._end_here()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Treat handlers as tasks."""
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note that the task changed something."""
        if self._looks_only and result.is_changed():
            self._noted["tasks"][self._now]["changed"] = True

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Keep what was noted; a run that is to be ended must not come to its end."""
        self._note_end()
        if self._looks_only:
            self._file.write_text(json.dumps(self._noted, indent=1))
        elif self._ending:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def _note_end(self) -> None:
        if self._looks_only and self._now:
            self._noted["tasks"][self._now]["seconds"] = time.monotonic() - self._began_s

    def _leaves_something(self, name: str) -> bool:
        noted = self._noted["tasks"].get(name, {"changed": False, "seconds": 0.0})
        return bool(noted["changed"] or noted["seconds"] > LONG_S)

    def _tasks_after(self) -> set[str]:
        """Return the tasks that come next after one that leaves something."""
        names = list(self._noted["tasks"])
        return {after for name, after in pairwise(names) if self._leaves_something(name)}

    def _end_here(self) -> None:
        if self._now in self._after and self._is_new(f"SIGINT at the beginning of {self._now}"):
            _later(PATIENCE_S, lambda: os.killpg(os.getpgrp(), signal.SIGKILL))
            os.killpg(os.getpgrp(), signal.SIGINT)
        elif self._leaves_something(self._now) and self._is_new(f"SIGKILL in the middle of {self._now}"):
            half_s = self._noted["tasks"][self._now]["seconds"] / 2
            _later(half_s, lambda: os.killpg(os.getpgrp(), signal.SIGKILL))

    def _is_new(self, place: str) -> bool:
        """Return whether no run was ended at a place, and note that this one is."""
        if place in self._noted["ended"]:
            return False
        self._ending = True
        self._noted["ended"].append(place)
        self._file.write_text(json.dumps(self._noted, indent=1))
        return True


def _later(after_s: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(after_s, what)
    timer.daemon = True
    timer.start()
