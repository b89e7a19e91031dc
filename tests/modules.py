"""Ansible modules of this repository, imported so that their pure parts can be tested."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import ansible.module_utils
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from miner_cluster.cluster import CHECKOUT


def load_module(name: str) -> Any:
    """Import library/<name>.py, with our module_utils where Ansible puts them."""
    ours = str(CHECKOUT / "module_utils")
    if ours not in ansible.module_utils.__path__:
        ansible.module_utils.__path__.append(ours)
    return _load("library", name)


def load_action(name: str) -> Any:
    """Import action_plugins/<name>.py."""
    return _load("action_plugins", name)


def call(module: Any, arguments: dict[str, Any], *, check: bool = False) -> Any:
    """Return what a module's ``run`` returns."""
    return module.run(checked(module, arguments), check=check)


def checked(module: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a module's options, with the defaults of those that are not given."""
    validated = ArgumentSpecValidator(module.ARGUMENTS).validate(arguments)
    assert not validated.error_messages
    options: dict[str, Any] = validated.validated_parameters
    return options


def documented_options(name: str) -> dict[str, Any]:
    """Return the options that library/<name>.py documents, those of its fragments among them."""
    documented = yaml.safe_load(_assigned(CHECKOUT / "library" / f"{name}.py", "DOCUMENTATION"))
    found: dict[str, Any] = {}
    for fragment in documented.get("extends_documentation_fragment", ()):
        file, _, part = fragment.partition(".")
        known = _load("doc_fragments", file).ModuleDocFragment
        found |= yaml.safe_load(getattr(known, part.upper() or "DOCUMENTATION"))["options"]
    return found | (documented.get("options") or {})


def _assigned(path: Path, name: str) -> str:
    """Return a text that a module assigns, without importing it."""
    tree = ast.parse(path.read_text("utf-8"))
    assigned = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    text: str = ast.literal_eval(assigned[name])
    return text


def _load(directory: str, name: str) -> Any:
    path = CHECKOUT / directory / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{directory}_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
