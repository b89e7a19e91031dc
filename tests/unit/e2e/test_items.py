"""What the soak tests call lost: items by their IDs, not by how many there are."""

from __future__ import annotations

from tests.e2e.items import lost


def test_items_that_come_make_up_for_none_that_are_gone() -> None:
    assert lost({1: "done", 2: "ready"}, {1: "done", 3: "ready", 4: "ready"}) == ["2 (ready) is gone"]


def test_an_item_may_go_on_and_back_to_the_queue_until_it_is_at_its_end() -> None:
    assert lost({1: "ready", 2: "leased", 3: "leased"}, {1: "done", 2: "ready", 3: "skipped"}) == []


def test_an_item_that_was_done_stays_so() -> None:
    assert lost({1: "done", 2: "skipped"}, {1: "ready", 2: "skipped"}) == ["1 was done and is ready"]
