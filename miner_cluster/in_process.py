"""Modules that work on the controller, run in Ansible's own process.

A module costs a process of its own, in which Ansible's and our imports are compiled and executed anew; that
took longer than most of these do. ``library/NAME.py`` holds such a module's documentation, its ``ARGUMENTS``
and its function ``run``; ``action_plugins/NAME.py`` makes Ansible call that function where it stands.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
from functools import cache
from types import ModuleType
from typing import Any

from ansible.plugins.action import ActionBase

from data_miner.errors import MinerError
from miner_cluster.cluster import CHECKOUT
from miner_cluster.kube.api import KubeError

#: of linux/prctl.h
_PR_SET_PDEATHSIG = 1


@cache
def module(name: str) -> ModuleType:
    """Return library/NAME.py, imported."""
    spec = importlib.util.spec_from_file_location(
        f"miner_cluster_library.{name}", CHECKOUT / f"library/{name}.py"
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"library/{name}.py can't be imported")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def end_with_parent() -> None:
    """Have the kernel end this process when the one that forked it ends.

    A task's process has a session of its own: where the run is killed it would go on to the task's end,
    beside the run that is started next, which gets the lock at once.
    """
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended meanwhile
        os.kill(os.getpid(), signal.SIGKILL)


class InProcess(ActionBase):  # type: ignore[misc]
    """Calls ``run`` of the module of the task's own name."""

    _supports_check_mode = True

    def __init_subclass__(cls) -> None:
        """Import the module where Ansible imports the plugin, before it forks for each task."""
        super().__init_subclass__()
        module(cls.__module__.rpartition(".")[2])

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        end_with_parent()
        result: dict[str, Any] = super().run(tmp, task_vars)
        called = module(self._task.resolved_action.rpartition(".")[2])
        _, options = self.validate_argument_spec(called.ARGUMENTS)
        # Ansible's own kinds of text become plain ones, as on the way to a module.
        plain = json.loads(json.dumps(options))
        try:
            result |= called.run(plain, check=self._task.check_mode)
        except (KubeError, MinerError) as error:
            result |= {"failed": True, "msg": str(error)}
        return result
