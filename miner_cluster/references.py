"""``${a.b}`` in cluster_config.yaml: another value of the same file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from data_miner.config import KeyPath, dotted

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_MISSING = object()
#: more than any sensible file needs; a stop for values that multiply or chain without end
_MAX_LOOK_UPS = 20_000
_MAX_CHAIN = 50


class ReferenceProblem(ValueError):  # noqa: N818 - collected, never raised out of this module
    """Why a reference cannot be resolved."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def resolve(
    data: Mapping[str, Any], *, default: Callable[[tuple[str, ...]], Any] = lambda _: None
) -> tuple[dict[str, Any], dict[KeyPath, ReferenceProblem]]:
    """Return the data with every reference replaced, and what was wrong, by the key that refers.

    A value that is one reference takes the type of what it refers to; within a longer text only single
    values make sense. ``default`` is asked for keys that the data lacks.
    """
    resolver = _Resolver(data, default)
    return resolver.value(data, ()), resolver.problems


class _Resolver:
    def __init__(self, root: Mapping[str, Any], default: Callable[[tuple[str, ...]], Any]) -> None:
        self.root = root
        self.default = default
        self.look_ups = 0
        self.problems: dict[KeyPath, ReferenceProblem] = {}

    def value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, Mapping):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            try:
                return self._text(value, (dotted(path),))
            except ReferenceProblem as problem:
                self.problems[path] = problem
        return value

    def _text(self, text: str, chain: tuple[str, ...]) -> Any:
        whole = _REFERENCE.fullmatch(text)
        if whole:
            return self._target(whole[1].strip(), chain)
        if text.count("${") != len(_REFERENCE.findall(text)):
            raise ReferenceProblem(f"the reference in {text!r} has no end", "write ${section.key}")
        return _REFERENCE.sub(lambda match: self._inside(match[1].strip(), chain), text)

    def _inside(self, name: str, chain: tuple[str, ...]) -> str:
        value = self._target(name, chain)
        if isinstance(value, (dict, list, bool)):
            raise ReferenceProblem(f"${{{name}}} is no single value", "refer to a text or a number here")
        return str(value)

    def _target(self, name: str, chain: tuple[str, ...]) -> Any:
        if name in chain:
            circle = " → ".join((*chain[chain.index(name) :], name))
            raise ReferenceProblem(f"refers to itself: {circle}", "write one of them out")
        self.look_ups += 1
        if self.look_ups > _MAX_LOOK_UPS or len(chain) > _MAX_CHAIN:
            raise ReferenceProblem("leads through too many references", "write the value out")
        value = self._look_up(name)
        if isinstance(value, str):
            return self._text(value, (*chain, name)) if "${" in value else value
        if isinstance(value, (Mapping, list)):
            return self._nested(value, name, (*chain, name))
        return value

    def _nested(self, value: Any, path: str, chain: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._nested(item, f"{path}.{key}", chain) for key, item in value.items()}
        if isinstance(value, list):
            return [self._nested(item, f"{path}[{index}]", chain) for index, item in enumerate(value)]
        if path in chain:
            raise ReferenceProblem(f"refers to itself: {chain[0]} lies in {chain[-1]}", "write it out")
        return self._text(value, (*chain, path)) if isinstance(value, str) and "${" in value else value

    def _look_up(self, name: str) -> Any:
        parts = tuple(name.split("."))
        value: Any = self.root
        for part in parts:
            value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
            if value is _MISSING:
                value = self.default(parts)
                break
        if value is None or value is _MISSING:
            known = sorted(_names(self.root))
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean ${{{close[0]}}}?" if close else "write ${section.key} of this file"
            raise ReferenceProblem(f"${{{name}}} is not in this file", hint)
        return value


def _names(data: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        names += _names(value, f"{name}.") if isinstance(value, Mapping) else [name]
    return names
