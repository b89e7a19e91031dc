"""What the dashboards are put together of: queries, and panels of the house's looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, logs, loki, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LogsSortOrder,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)

from data_miner.config import Stage
from data_miner.loki import APPLICATION
from miner_cluster.grafana import LOKI_UID, POSTGRES_UID

LOKI = DataSourceRef(type_val="loki", uid=LOKI_UID)
POSTGRES = DataSourceRef(type_val="postgres", uid=POSTGRES_UID)
#: the stages in the order of the pipeline, for queries that show also those without items
STAGES = ", ".join(f"({number}, '{stage.value}')" for number, stage in enumerate(Stage))
APP = f'application="{APPLICATION}"'
_YES = True

Panel = TypeVar("Panel", stat.Panel, table.Panel, timeseries.Panel, logs.Panel, bargauge.Panel)


class Sql(Builder[Dataquery], Dataquery):
    """A query of the database, which the SDK has no builder for.

    Args:
        text: may use Grafana's macros ``$__timeFilter`` and ``$__timeGroupAlias``.
        over_time: the result has a column ``time``, and each column of numbers is a line.
    """

    def __init__(self, text: str, *, over_time: bool = False) -> None:
        self._text = " ".join(text.split())
        self._format = "time_series" if over_time else "table"

    def build(self) -> Dataquery:
        """Return itself: there is nothing to be completed."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return it as Grafana stores it."""
        return {
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self._format,
            "rawQuery": True,
            "rawSql": self._text,
            "refId": "A",
        }


def logql(text: str, *, legend: str = "", instant: bool = False, lines: int | None = None) -> loki.Dataquery:
    """Return a query of the logs; one that is not instant gives a value for each moment, or log lines."""
    query = loki.Dataquery().datasource(LOKI).ref_id("A").expr(text)
    query = query.query_type("instant" if instant else "range")
    if lines:
        query = query.max_lines(lines)
    return query.legend_format(legend) if legend else query


def board(name: str, title: str, description: str) -> Dashboard:
    """Return an empty dashboard."""
    return (
        Dashboard(title)
        .uid(f"data-miner-{name}")
        .description(description)
        .tags(["data-miner"])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
    )


def number(
    title: str,
    query: Sql | loki.Dataquery,
    *,
    unit: str = "short",
    colors: Mapping[float, str] | None = None,
    width: int = 6,
) -> stat.Panel:
    """Return a panel of one big number; ``colors`` has the values from which another colour holds."""
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    panel = stat.Panel().graph_mode(BigValueGraphMode.NONE).unit(unit).height(4).reduce_options(last)
    return _finish(panel.thresholds(_thresholds(colors or {})), title, query, width)


def rows(
    title: str,
    query: Sql,
    *,
    height: int = 8,
    width: int = 24,
    units: Mapping[str, str] | None = None,
    empty: str = "",
) -> table.Panel:
    """Return a table; ``units`` has units by column, ``empty`` says what no rows mean where that is fine."""
    panel = table.Panel().height(height)
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    return _finish(panel, title, query, width, empty)


def lines(
    title: str,
    query: Sql | loki.Dataquery,
    *,
    unit: str = "short",
    width: int = 12,
    bars: bool = False,
    empty: str = "",
) -> timeseries.Panel:
    """Return a diagram over time: lines, or bars that are stacked."""
    panel = timeseries.Panel().unit(unit).height(8).min(0)
    if bars:
        stacking = common.StackingConfig().mode(StackingMode.NORMAL)
        panel = panel.draw_style(GraphDrawStyle.BARS).fill_opacity(80).stacking(stacking)
    return _finish(panel, title, query, width, empty)


def gauges(
    title: str, query: Sql, *, unit: str, colors: Mapping[float, str], width: int = 12
) -> bargauge.Panel:
    """Return a bar for each row."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .min(0)
        .height(8)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().values(_YES).calcs(["lastNotNull"]))
    )
    return _finish(panel.thresholds(_thresholds(colors)), title, query, width)


def log_lines(title: str, selector: str, *, empty: str = "", width: int = 24) -> logs.Panel:
    """Return a panel of log lines, the newest first."""
    panel = (
        logs.Panel()
        .height(9)
        .show_time(_YES)
        .wrap_log_message(_YES)
        .enable_log_details(_YES)
        .sort_order(LogsSortOrder.DESCENDING)
    )
    return _finish(panel, title, logql(selector, lines=200), width, empty)


def to_plain(dashboard: Dashboard) -> Any:
    """Return a dashboard as plain values; its panels are numbered, as alert rules and links want."""
    plain = json.loads(JSONEncoder(sort_keys=True).encode(dashboard.build()))
    for identity, panel in enumerate(plain["panels"], start=1):
        panel["id"] = identity
    return plain


def _finish(panel: Panel, title: str, query: Sql | loki.Dataquery, width: int, empty: str = "") -> Panel:
    source = POSTGRES if isinstance(query, Sql) else LOKI
    panel = panel.title(title).datasource(source).with_target(query).span(width)
    return panel.no_value(empty) if empty else panel


def _thresholds(colors: Mapping[float, str]) -> ThresholdsConfig:
    steps = [Threshold(value=None, color="text" if not colors else "green")]
    steps += [Threshold(value=value, color=color) for value, color in sorted(colors.items())]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
