"""From a pydantic error to a problem in plain words: what is wrong, and what would be right."""

from __future__ import annotations

import types
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from data_miner.config.source import KeyPath

_PLAIN = {
    "Input should be a valid ": "should be a ",
    "Input should be ": "should be ",
    "Input should ": "should ",
    "a string": "text",
    "String should ": "should ",
    "valid boolean": "true or false",
    "a boolean": "true or false",
    "integer": "whole number",
    "Value error, ": "",
}
_LONG = 60
#: kind of the errors about values that are right by themselves and do not go together
MISFIT = "misfit"


def words(detail: ErrorDetails, root: type[BaseModel]) -> tuple[str, str]:
    """Return the message and the hint for an error of the model ``root``."""
    path, value = key_path(detail), detail["input"]
    if detail["loc"][-1:] == ("[key]",):
        return _name_words(detail, known_keys(root, path[:-1]))
    if detail["type"] == MISFIT:
        return detail["msg"], detail["ctx"]["hint"]
    match detail["type"]:
        case "missing":
            return "is missing", "add it"
        case "extra_forbidden":
            return "unknown key", suggested_key(root, path)
        case "too_short":
            return "should not be empty", ""
        case "model_type" | "dict_type":
            message, hint = "should be a mapping (lines of `key: value`)", ""
        case "literal_error":
            choices = _choices(detail)
            message, hint = f"should be one of {', '.join(choices)}", _close(value, choices)
        case _:
            message, hint = _plain(detail["msg"]), _type_hint(detail)
    return f"{message}; found {shown(value)}", hint


def _name_words(detail: ErrorDetails, known: list[str]) -> tuple[str, str]:
    """Return the words for the name of an entry, such as a node's."""
    if detail["type"] == "literal_error":
        return "unknown name", _nearest(str(detail["input"]), known)
    return _plain(detail["msg"]).replace("should be", "the name should be", 1), ""


def key_path(detail: ErrorDetails) -> KeyPath:
    """Return the path of the key that an error is about."""
    return tuple(part for part in detail["loc"] if part != "[key]")


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    if value is None:
        return "nothing"
    if value == "":
        return "empty text ''"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def known_keys(root: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that the schema knows at a place; none where any name goes."""
    place = _at(root, path)
    if isinstance(place, type) and issubclass(place, BaseModel):
        return list(place.model_fields)
    if get_origin(place) is dict and get_origin(get_args(place)[0]) is Literal:
        return [str(choice) for choice in get_args(get_args(place)[0])]
    return []


def _plain(message: str) -> str:
    for pydantic, ours in _PLAIN.items():
        message = message.replace(pydantic, ours)
    return message


def _type_hint(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "string_type":
        if isinstance(value, (int, float)):
            return "put it in quotes; unquoted, YAML reads no, on, 1.30 and 010 as something else"
        return "write a text"
    if kind == "list_type":
        return "write [one, two], or [] for none"
    if kind == "int_type":
        quoted = isinstance(value, str) and value.isdecimal()
        return "write it without quotes" if quoted else "write a number such as 3"
    if kind == "bool_type" and str(value).lower() in {"true", "false", "yes", "no", "on", "off"}:
        return "write it without quotes"
    return ""


def _choices(detail: ErrorDetails) -> list[str]:
    return [part.strip("' ") for part in detail["ctx"]["expected"].replace(" or ", ", ").split(",")]


def suggested_key(root: type[BaseModel], path: KeyPath) -> str:
    """Return a hint for a key that the schema does not know."""
    name, known = str(path[-1]), known_keys(root, path[:-1])
    elsewhere = [place for place in _all_places(root, ()) if place[-1] == name]
    if elsewhere:
        return f"it belongs to {'.'.join(elsewhere[0][:-1]) or 'the top of the file'}"
    return _nearest(name, known)


def _nearest(name: str, known: list[str]) -> str:
    return _close(name, known) or f"known here: {', '.join(known)}"


def _close(value: object, known: list[str]) -> str:
    close = get_close_matches(str(value), known, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _at(annotation: Any, path: KeyPath) -> Any:
    annotation = _bare(annotation)
    if not path:
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(path[0]))
        return _at(field.annotation, path[1:]) if field else None
    if get_origin(annotation) is dict:
        return _at(get_args(annotation)[1], path[1:])
    return None


def _bare(annotation: Any) -> Any:
    """Return the type without Annotated and ``| None``."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) in {Union, types.UnionType}:
        options = [option for option in get_args(annotation) if option is not type(None)]
        return _bare(options[0])
    return annotation


def _all_places(annotation: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield (*path, name)
            yield from _all_places(field.annotation, (*path, name))
    elif get_origin(annotation) is dict and get_origin(get_args(annotation)[0]) is not Literal:
        yield from _all_places(get_args(annotation)[1], (*path, "<name>"))
