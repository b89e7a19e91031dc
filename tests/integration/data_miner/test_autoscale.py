"""What KEDA is told of the queue, by the very query that is rendered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from data_miner.config import Stage
from data_miner.db.connect import Connection
from data_miner.queue.pauses import pause, resume
from miner_cluster.config_model import Autoscale
from tests.unit.cluster.conftest import Render as Rendering
from tests.unit.cluster.conftest import lab, render

from .factories import add_items, let_wait_until, take

__all__ = ["render"]
Depth = Callable[[], int]


@pytest.fixture
def depth(db: Connection, render: Rendering) -> Depth:
    """The number that KEDA's query gives for the download stage."""
    cluster = lab()
    worker = cluster.workers["download"].model_copy(update={"autoscale": Autoscale(max=3)})
    scaled = cluster.model_copy(update={"workers": {"download": worker}})
    (trigger,) = next(
        item["object"]["spec"]["triggers"]
        for item in render(scaled, "workers")
        if item["object"]["kind"] == "ScaledObject"
    )

    def ask() -> int:
        (row,) = db.execute(trigger["metadata"]["query"]).fetchall()
        return int(next(iter(row.values())))

    return ask


def test_it_counts_what_waits_and_what_is_worked_on(db: Connection, depth: Depth) -> None:
    assert depth() == 0
    add_items(db, 3)
    take(db)
    assert depth() == 3


def test_what_nobody_can_take_now_needs_no_pod(db: Connection, depth: Depth) -> None:
    add_items(db, 2)
    pause(db, "p", [Stage.DOWNLOAD])
    assert depth() == 0
    resume(db, "p")
    let_wait_until(db, "now() + interval '1 h'", "key = 'a0'")
    assert depth() == 1
    add_items(db, 1, project="other", site="site")
    assert depth() == 2
    db.execute("INSERT INTO site_block VALUES ('site', now() + interval '1 h', 1, 'HTTP 429')")
    assert depth() == 1
