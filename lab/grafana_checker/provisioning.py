"""Reading provisioning files as Grafana does: data sources, dashboards, alert rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
#: kinds under their old and new names
KINDS = {"loki": "loki", "postgres": "postgres", "grafana-postgresql-datasource": "postgres"}


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where queries go."""

    uid: str
    kind: str
    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    sslmode: str = "require"


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query, and where it is shown."""

    board: str
    title: str
    source: str
    #: of the panel: stat, table, timeseries, logs, bargauge; of a rule: alert
    shape: str
    model: dict[str, Any]
    #: of 24 columns
    width: int = 12
    unit: str = ""
    #: units by column
    units: Mapping[str, str] = field(default_factory=dict)
    #: what no result means; without it a result is expected
    empty: str = ""
    #: how long ago the data begins, in seconds
    look_back_s: int
    #: of a rule: gt or lt, and the value
    limit: tuple[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """Everything that was found; ``problems`` is what Grafana would not start with, or show nothing for."""

    sources: dict[str, DataSource]
    queries: list[Query]
    problems: list[str]


def load(directory: Path, environment: Mapping[str, str]) -> Provisioned:
    """Read a provisioning directory."""
    problems: list[str] = []
    sources = {source.uid: source for source in _sources(directory, environment, problems)}
    queries = [*_boards(directory, environment, problems), *_rules(directory, environment)]
    if not queries:
        problems.append(f"{directory}: no dashboard has a query")
    problems += [
        f"{query.board}, {query.title}: there is no data source {query.source!r}"
        for query in queries
        if query.source not in sources
    ]
    return Provisioned(sources=sources, queries=queries, problems=problems)


def expand(value: Any, environment: Mapping[str, str]) -> Any:
    """Put variables of the environment in, as Grafana does in these files; ``$$`` is a dollar sign."""
    if isinstance(value, str):
        return _VARIABLE.sub(
            lambda found: "$" if found[0] == "$$" else environment.get(found[1] or found[2], ""), value
        )
    if isinstance(value, list):
        return [expand(item, environment) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, environment) for key, item in value.items()}
    return value


def _files(directory: Path, environment: Mapping[str, str]) -> Iterator[tuple[Path, Any]]:
    for path in sorted(directory.glob("*")):
        if path.suffix in {".yaml", ".yml", ".json"}:
            # JSON is YAML.
            yield path, expand(yaml.safe_load(path.read_text("utf-8")), environment)


def _sources(directory: Path, environment: Mapping[str, str], problems: list[str]) -> Iterator[DataSource]:
    for path, content in _files(directory / "datasources", environment):
        for entry in content.get("datasources") or []:
            name, url = entry.get("name"), entry.get("url") or ""
            details = entry.get("jsonData") or {}
            secrets = entry.get("secureJsonData") or {}
            if not url:
                problems.append(f"{path.name}: the data source {name} has no URL")
            if entry.get("type") not in KINDS:
                problems.append(f"{path.name}: the data source {name} is of a kind that is not known here")
            if "password" in secrets and not secrets["password"]:
                problems.append(f"{path.name}: the data source {name} has an empty password")
            yield DataSource(
                uid=entry.get("uid") or "",
                kind=KINDS.get(entry.get("type"), ""),
                url=url,
                user=entry.get("user") or "",
                password=secrets.get("password") or "",
                database=details.get("database") or entry.get("database") or "",
                sslmode=details.get("sslmode") or "require",
            )


def _boards(directory: Path, environment: Mapping[str, str], problems: list[str]) -> Iterator[Query]:
    for path, content in _files(directory / "dashboards", environment):
        for provider in content.get("providers") or []:
            folder = Path(provider["options"]["path"])
            home = environment.get("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH")
            boards = sorted(folder.glob("*.json"), key=lambda path: (str(path) != home, path.name))
            if not boards:
                problems.append(f"{path.name}: there is no dashboard in {folder}")
            for file in boards:
                yield from _panels(json.loads(file.read_text("utf-8")), problems)


def _panels(board: dict[str, Any], problems: list[str]) -> Iterator[Query]:
    title = board["title"]
    look_back_s = seconds_of(board["time"]["from"].removeprefix("now-"))
    for panel in board.get("panels") or []:
        if panel["type"] == "row":
            continue
        if not panel.get("targets"):
            problems.append(f"{title}, {panel['title']}: the panel has no query")
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        for target in panel.get("targets") or []:
            yield Query(
                board=title,
                title=panel["title"],
                source=(target.get("datasource") or panel.get("datasource") or {}).get("uid", ""),
                shape=panel["type"],
                model=target,
                width=panel["gridPos"]["w"],
                unit=defaults.get("unit", ""),
                units=_units(panel),
                empty=defaults.get("noValue", ""),
                look_back_s=look_back_s,
            )


def _units(panel: dict[str, Any]) -> dict[str, str]:
    return {
        override["matcher"]["options"]: value["value"]
        for override in panel.get("fieldConfig", {}).get("overrides", [])
        for value in override["properties"]
        if override["matcher"]["id"] == "byName" and value["id"] == "unit"
    }


def _rules(directory: Path, environment: Mapping[str, str]) -> Iterator[Query]:
    for _, content in _files(directory / "alerting", environment):
        for group in content.get("groups") or []:
            for rule in group["rules"]:
                limits = [step["model"] for step in rule["data"] if step["datasourceUid"] == "__expr__"]
                (evaluator,) = (condition["evaluator"] for condition in limits[-1]["conditions"])
                for step in rule["data"]:
                    if step["datasourceUid"] != "__expr__":
                        yield Query(
                            board="Alert rules",
                            title=rule["title"],
                            source=step["datasourceUid"],
                            shape="alert",
                            model=step["model"],
                            look_back_s=int(step["relativeTimeRange"]["from"]),
                            limit=(evaluator["type"], float(evaluator["params"][0])),
                        )


def seconds_of(text: str) -> int:
    """Return the seconds of ``15m``, ``6h`` or ``7d``."""
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[text[-1]]
