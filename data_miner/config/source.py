"""Reading one YAML file with the place of every key, so that errors can name file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_miner.config.yaml_text import Loader, SlowLoader
from data_miner.errors import ConfigError, Problem

#: far above what a thousand machines need; below what keeps a controller busy
MAX_BYTES, MAX_VALUES = 4 << 20, 50_000
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
#: which neither JSON in the database nor a log takes
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MERGE = "tag:yaml.org,2002:merge"

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
        loader, root = _nodes(text)
        reader = _Reader(file=file, loader=loader)
        data = reader.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(file, text, error)]) from error
    except yaml.reader.ReaderError as error:
        line, column = _place(text[: error.position])
        message = f"character {chr(error.character)!r} is not allowed in YAML"
        raise ConfigError([_problem(file, line, column, message, "remove it")]) from error
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
        raise ConfigError([_problem(file, 1, 1, found, "write a mapping: lines of `key: value`")])
    return Source(path=path, data=data, marks=reader.marks)


def _nodes(text: str) -> tuple[Loader | SlowLoader, yaml.Node | None]:
    try:
        loader = Loader(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        slow = SlowLoader(text)
        return slow, slow.get_single_node()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            message = f"is larger than {MAX_BYTES >> 20} MiB"
            raise ConfigError([_problem(str(path), None, None, message, "give a configuration file")])
        return data.decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError([_problem(str(path), None, None, "no such file", "check the path")]) from error
    except OSError as error:
        raise ConfigError(
            [_problem(str(path), None, None, f"cannot be read: {error.strerror}", "")]
        ) from error
    except UnicodeDecodeError as error:
        line, column = _place(error.object[: error.start].decode("utf-8"))
        raise ConfigError([_problem(str(path), line, column, "not UTF-8 text", "save as UTF-8")]) from error


def _place(before: str) -> tuple[int, int]:
    """Return line and column of what comes after a text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class _Reader:
    """Turns YAML nodes into plain values, noting marks and problems on the way."""

    def __init__(self, *, file: str, loader: Loader | SlowLoader) -> None:
        self.file = file
        self.loader = loader
        self.marks: dict[KeyPath, Mark] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._values = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count(1, node, path)
        if id(node) in self._open:
            self._add(node, path, "an alias contains itself", "remove the alias")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _count(self, values: int, node: yaml.Node, path: KeyPath) -> None:
        """Stop a file whose aliases multiply.

        Raises:
            ConfigError: there are too many values.
        """
        self._values += values
        if self._values > MAX_VALUES:
            message = f"aliases make more than {MAX_VALUES:,} values of this file"
            self._add(node, path[:1], message, "write the values out", at=self.marks.get(path[:1]))
            raise ConfigError(self.problems)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        try:
            value = self.loader.construct_object(node)
        except (
            ValueError,
            KeyError,
            AttributeError,
            OverflowError,
        ):  # what an explicit tag, or a huge number, raises
            kind = node.tag.rpartition(":")[2]
            hint = "leave a tag such as !!int out, or write another value"
            self._add(node, path, f"is no {kind}", hint, at=self.marks.get(path))
            return None
        if isinstance(value, str) and _CONTROL.search(value):
            hint = "leave it out; tab and newline are fine"
            self._add(node, path, "holds a control character", hint, at=self.marks.get(path))
        if isinstance(value, str) and _SURROGATE.search(value):
            self._add(node, path, "an escape stands for half a character", "write the character itself")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            written, at = node.value, self.marks.get(path)
            if _OCTAL.fullmatch(written):
                hint = f"leave the leading zero out, or write '{written}' for a text"
                self._add(node, path, f"YAML reads {written} as an octal number, {value}", hint, at=at)
            elif ":" in written:
                hint = f"write {value}, or '{written}' for a text"
                self._add(node, path, f"YAML reads {written} in base 60, as {value}", hint, at=at)
        return value

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.marks[path] = self._mark(node)
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._report_duplicates(node, path)
        result: dict[str, Any] = {}
        for key_node, value_node in self._pairs(node, path):
            key = self._key(key_node, path)
            if key is not None:
                if key in result:
                    self._forget((*path, key))
                self.marks[*path, key] = self._mark(key_node)
                result[key] = self.value(value_node, (*path, key))
        return result

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return keys and values of a mapping; those that come through ``<<`` first, as its own ones win."""
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += self._merged(value, path)
            else:
                own.append((key, value))
        return merged + own

    def _merged(self, node: yaml.Node, path: KeyPath) -> list[tuple[yaml.Node, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            return [pair for item in reversed(node.value) for pair in self._merged(item, path)]
        if not isinstance(node, yaml.MappingNode):
            self._add(node, path, "<< merges no single value", "refer to a mapping: <<: *name")
            return []
        pairs = self._pairs(node, path)
        self._count(len(pairs) + 1, node, path)
        return pairs

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
            if earlier is not key_node and key_node.tag != _MERGE:
                line = self._mark(earlier).line
                self._add(
                    key_node,
                    (*path, key_node.value),
                    f"given twice, first on line {line}",
                    "keep one of them",
                )

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(file=self.file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)

    def _add(
        self, node: yaml.Node, path: KeyPath, message: str, hint: str, *, at: Mark | None = None
    ) -> None:
        mark = at or self._mark(node)
        self.problems.append(_problem(self.file, mark.line, mark.column, message, hint, key=dotted(path)))


def _scalar_keys(node: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    return (key for key, _ in node.value if isinstance(key, yaml.ScalarNode))


def _syntax_problem(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    if line is not None and (tab := _tab_indent(text, line)):
        return _problem(file, tab, 1, "a tab is used to indent", "indent with spaces")
    message = " ".join(part for part in (error.context, error.problem) if part)
    hint = "check quotes, colons and indentation"
    if line is not None and re.search(r"[{\[].*[^'\"\w]\$\{", text.splitlines()[line - 1]):
        hint = "within { } and [ ], put a ${reference} in quotes"
    return _problem(file, line, column, f"not valid YAML: {message}", hint)


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
