"""Reading one YAML file with the place of every key, so that errors can name file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_miner.errors import ConfigError, Problem

#: ("download", "sites", 0, "name"): keys of mappings and indices of lists, from the root
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where a key or list item stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A YAML mapping as read from a file, with the place of each of its keys and list items."""

    path: Path
    data: dict[str, Any]
    marks: dict[KeyPath, Mark]


def dotted(path: KeyPath) -> str:
    """Write a key path as people type it: ``nodes.a.labels[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Loader(yaml.SafeLoader):
    """YAML as configuration needs it: dates stay text, and 1e-3 is a number."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_yaml(path: Path | str) -> Source:
    """Read a YAML file whose root is a mapping with text keys.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML, has a duplicate key, or is no mapping.
    """
    return parse_yaml(_read(Path(path)), Path(path))


def parse_yaml(text: str, path: Path) -> Source:
    """Parse YAML text; ``path`` is only used to say where things stand.

    Raises:
        ConfigError: see ``load_yaml``.
    """
    file = str(path)
    if text.startswith("\ufeff"):
        raise ConfigError(
            [_problem(file, 1, 1, "the file starts with a byte order mark", "save as plain UTF-8")]
        )
    try:
        loader = _Loader(text)
        reader = _Reader(file=file, loader=loader)
        root = loader.get_single_node()
        data = reader.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(file, text, error)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"character {error.character!r} is not allowed in YAML"
        raise ConfigError([_problem(file, line, None, message, "remove it")]) from error
    except RecursionError as error:
        raise ConfigError(
            [_problem(file, None, None, "nested too deeply", "a config needs few levels")]
        ) from error
    except ValueError as error:
        raise ConfigError([_problem(file, None, None, f"not readable as YAML: {error}", "")]) from error
    if reader.problems:
        raise ConfigError(reader.problems)
    if not isinstance(data, dict):
        found = "the file is empty" if data is None else f"the file holds {_kind(data)}"
        raise ConfigError([_problem(file, 1, None, found, "write a mapping: lines of `key: value`")])
    return Source(path=path, data=data, marks=reader.marks)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError([_problem(str(path), None, None, "no such file", "check the path")]) from error
    except OSError as error:
        raise ConfigError(
            [_problem(str(path), None, None, f"cannot be read: {error.strerror}", "")]
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([_problem(str(path), line, None, "not UTF-8 text", "save as UTF-8")]) from error


class _Reader:
    """Turns YAML nodes into plain values, noting marks and problems on the way."""

    def __init__(self, *, file: str, loader: _Loader) -> None:
        self.file = file
        self.loader = loader
        self.marks: dict[KeyPath, Mark] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if id(node) in self._open:
            self._add(node, path, "an alias contains itself", "remove the alias")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            return self.loader.construct_object(node)
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.marks[path] = self._mark(node)
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._report_duplicates(node, path)
        self.loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is not None:
                if key in result:
                    self._forget((*path, key))
                self.marks[*path, key] = self._mark(key_node)
                result[key] = self.value(value_node, (*path, key))
        return result

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        key = self.loader.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, str):
            return key
        written = node.value if isinstance(node, yaml.ScalarNode) else "…"
        self._add(node, path, f"the key `{written}` is read as {_kind(key)}", f"quote it: '{written}'")
        return None

    def _forget(self, path: KeyPath) -> None:
        """Drop the marks of a value that came through ``<<`` and is overridden here."""
        for known in [known for known in self.marks if known[: len(path)] == path]:
            del self.marks[known]

    def _report_duplicates(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[str, yaml.Node] = {}
        for key_node in _scalar_keys(node):
            earlier = first.setdefault(key_node.value, key_node)
            if earlier is not key_node and key_node.tag != "tag:yaml.org,2002:merge":
                line = self._mark(earlier).line
                self._add(
                    key_node,
                    (*path, key_node.value),
                    f"given twice, first on line {line}",
                    "keep one of them",
                )

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(file=self.file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)

    def _add(self, node: yaml.Node, path: KeyPath, message: str, hint: str) -> None:
        mark = self._mark(node)
        self.problems.append(_problem(self.file, mark.line, mark.column, message, hint, key=dotted(path)))


def _scalar_keys(node: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    return (key for key, _ in node.value if isinstance(key, yaml.ScalarNode))


def _syntax_problem(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    if line is not None and (tab := _tab_indent(text, line)):
        return _problem(file, tab, 1, "a tab is used to indent", "indent with spaces")
    message = " ".join(part for part in (error.context, error.problem) if part)
    return _problem(file, line, column, f"not valid YAML: {message}", "check quotes, colons and indentation")


def _tab_indent(text: str, line: int) -> int | None:
    """Return the number of a line indented with a tab, at the reported line or the one after it."""
    lines = text.splitlines()
    for number in (line, line + 1):
        if number <= len(lines) and re.match(r"[ ]*\t", lines[number - 1]):
            return number
    return None


def _problem(
    file: str, line: int | None, column: int | None, message: str, hint: str, *, key: str = ""
) -> Problem:
    return Problem(file=file, line=line, column=column, key=key, message=message, hint=hint)


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a true/false value", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)
