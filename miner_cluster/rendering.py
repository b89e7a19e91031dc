"""From the plan to objects and files: templates rendered, parsed, written as YAML that people can read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import yaml

from data_miner.errors import ConfigError, MinerError, Problem
from miner_cluster.cluster import CHECKOUT
from miner_cluster.manifest_item import Item

TEMPLATES = CHECKOUT / "templates" / "manifests"
#: the escapes of such a character, after any number of escaped backslashes
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")
HEADER = "# Rendered from cluster_config.yaml by playbooks/render.yml: edit that file, not this one.\n"

#: text of a template and the inputs of each object, all with the same keys, to what it makes of them
Template = Callable[[str, list[dict[str, Any]]], list[str]]


class Rendered(TypedDict):
    """One object, as the lookup plugin returns it."""

    phase: str
    path: str
    object: dict[str, Any]


def render(
    items: Iterable[Item], *, template: Template, config_file: str, templates: Path = TEMPLATES
) -> list[dict[str, Any]]:
    """Render items in their order.

    Raises:
        ConfigError: the configuration asks for something that there is no template for.
        MinerError: a template does not make one YAML mapping.
    """
    items = list(items)
    require_templates(items, config_file, templates=templates)
    alike: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        alike.setdefault((item.template, *item.vars), []).append(item)
    objects: dict[str, dict[str, Any]] = {}
    for (name, *_), same in alike.items():
        texts = template((templates / name).read_text("utf-8"), [item.vars for item in same])
        objects |= {item.path: _parse(text, item) for item, text in zip(same, texts, strict=True)}
    return [dict(Rendered(phase=item.phase, path=item.path, object=objects[item.path])) for item in items]


def to_yaml(obj: Mapping[str, Any]) -> str:
    """Return an object as the text of its file; the same object gives the same text.

    Ansible's own kinds of text become plain ones.
    """
    plain = json.loads(json.dumps(obj))
    return HEADER + yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def to_files(rendered: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the text of each file of the tree that ``render.yml`` writes, by its path."""
    return {item["path"]: to_yaml(item["object"]) for item in rendered}


def require_templates(items: Iterable[Item], config_file: str, *, templates: Path = TEMPLATES) -> None:
    """Check that there is a template for everything.

    Raises:
        ConfigError: naming what the configuration asks for in vain.
    """
    missing = {item.template: item for item in items if not (templates / item.template).is_file()}
    problems = [
        Problem(
            file=config_file,
            key=item.key,
            message=f"this version can't deploy it (no template {item.template})",
            hint="remove it",
        )
        for item in missing.values()
    ]
    if problems:
        raise ConfigError(problems)


def _one_escape(pair: re.Match[str]) -> str:
    """JSON writes a character beyond U+FFFF as two escapes, YAML as one."""
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _parse(text: str, item: Item) -> dict[str, Any]:
    try:
        found = yaml.load(_SURROGATES.sub(_one_escape, text), Loader=_Loader)  # noqa: S506 - the fast kind of safe loader
    except yaml.YAMLError as error:
        raise MinerError(f"{item.template} for {item.key} makes no YAML: {error}") from error
    if not isinstance(found, dict):
        raise MinerError(f"{item.template} for {item.key} makes {type(found).__name__}, not one object")
    return found


class _Loader(yaml.CSafeLoader):
    """The fast loader."""


class _Dumper(yaml.CSafeDumper):
    """Writes longer texts as blocks, so that the configuration in the ConfigMap can be read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
