"""What the action plugin of such a module is made from."""

from __future__ import annotations

import base64
import json
import shlex
import zlib
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible import constants
from ansible.plugins.action import ActionBase

from miner_cluster.cluster import CHECKOUT
from miner_cluster.in_process import module

_UTILS = CHECKOUT / "module_utils"
_LOADER = Path(__file__).parent / "loader.py"
#: of each distribution that preflight lets in
_DISTRIBUTIONS = "/usr/bin/python3"
#: where Ansible puts our module_utils, and which packages that makes
_PACKAGE = "ansible.module_utils"


def sources(name: str) -> dict[str, str]:
    """Return the texts of a module and of all that it may import, by the names under which it does."""
    texts = {"ansible": "", _PACKAGE: "", name: (CHECKOUT / f"library/{name}.py").read_text("utf-8")}
    for path in _UTILS.rglob("*.py"):
        parts = path.relative_to(_UTILS).with_suffix("").parts
        words = parts[:-1] if parts[-1] == "__init__" else parts
        texts[".".join((_PACKAGE, *words))] = path.read_text("utf-8")
    return texts


def program(texts: dict[str, str], name: str, params: dict[str, Any], *, check: bool) -> bytes:
    """Return the program that runs a module, to be read by the Python of a machine."""
    order = {"sources": texts, "module": name, "params": params, "check": check}
    packed = base64.b64encode(zlib.compress(json.dumps(order).encode(), level=1)).decode()
    return f"{_LOADER.read_text('utf-8')}\nrun({packed!r})\n".encode()


def answer(python: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return what the module returned, from what the connection did; or how it failed."""
    # A login shell may greet before.
    lines = [line for line in found["stdout"].splitlines() if line.startswith("{")]
    if found["rc"] == 0 and lines:
        said: dict[str, Any] = json.loads(lines[-1])
        return said
    complaint = found["stderr"].strip() or found["stdout"].strip() or "without a word"
    return {
        "failed": True,
        "rc": found["rc"],
        "msg": f"{python} ended with {found['rc']}: {complaint.splitlines()[-1]}",
        "module_stderr": found["stderr"],
    }


class OnMachine(ActionBase):  # type: ignore[misc]
    """Runs ``run`` of the module of the task's own name on the task's machine."""

    _supports_check_mode = True

    def __init_subclass__(cls) -> None:
        """Read all texts once, before Ansible forks for each machine."""
        super().__init_subclass__()
        if str(_UTILS) not in ansible.module_utils.__path__:
            ansible.module_utils.__path__.append(str(_UTILS))
        cls._name = cls.__module__.rpartition(".")[2]
        cls._arguments = module(cls._name).ARGUMENTS
        cls._sources = sources(cls._name)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(self._arguments)
        # Ansible's own kinds of text become plain ones, as on the way to a module.
        params = json.loads(json.dumps(options))
        python = self._python(task_vars or {})
        found = self._low_level_execute_command(
            # Neither packages nor the environment change what runs, and no time goes into finding them.
            f"{shlex.quote(python)} -I -S -",
            in_data=program(self._sources, self._name, params, check=self._task.check_mode),
        )
        return result | answer(python, found)

    def _python(self, variables: dict[str, Any]) -> str:
        """Return the Python that Ansible was told to use there; the distribution's where it was to look."""
        told = variables.get("ansible_python_interpreter")
        found = str(self._templar.template(told or constants.config.get_config_value("INTERPRETER_PYTHON")))
        return _DISTRIBUTIONS if found.startswith("auto") else found
