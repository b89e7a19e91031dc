"""Runs on a machine, from standard input: the module whose text came with it.

Modules need Python 3.8. This does not, so that an older one can say so: its annotations are quoted.
"""

import base64
import importlib
import json
import sys
import traceback
import zlib
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

OLDEST = (3, 8)


class Texts:
    """Imports modules from texts; what is not imported is not compiled either."""

    def __init__(self, texts: "dict[str, str]") -> None:
        self._texts = texts

    def find_spec(self, name: str, *_: Any) -> "ModuleSpec | None":
        """See importlib.abc.MetaPathFinder."""
        if name not in self._texts:
            return None
        inside = any(other.startswith(f"{name}.") for other in self._texts)
        return ModuleSpec(name, self, origin=f"<{name}>", is_package=inside)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """See importlib.abc.Loader."""

    def exec_module(self, module: ModuleType) -> None:
        """See importlib.abc.Loader."""
        code = compile(self._texts[module.__name__], f"<{module.__name__}>", "exec")
        exec(code, vars(module))  # noqa: S102 - our own text


def run(packed: str) -> None:
    """Run the module that an order names, and print what it returns."""
    order = json.loads(zlib.decompress(base64.b64decode(packed)).decode())
    sys.meta_path.insert(0, Texts(order["sources"]))
    try:
        if sys.version_info < OLDEST:
            found = "{} is Python {}.{}".format(sys.executable, *sys.version_info)
            raise RuntimeError(found + "; install 3.10 or newer")
        returned = importlib.import_module(order["module"]).run(order["params"], check=order["check"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the task fails with it
        msg = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.strerror:
            msg = f"{error.filename or order['module']}: {error.strerror}"
        returned = {"failed": True, "msg": msg, "exception": traceback.format_exc()}
    print(json.dumps(returned))
