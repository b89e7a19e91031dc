"""The web page in a real browser: what is drawn, where, and that the keyboard is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_miner.config import AppConfig
from data_miner.db.connect import Connection

from .browser import CHROMIUM, Browser, browser
from .factories import end
from .page_server import TOKEN, Page, serving
from .pipeline import Pipeline

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium-headless-shell")

PAGES = ("/", "/p/p", "/p/p/failed", "/p/p/gallery", "/p/p/duplicates", "/p/p/scores", "/login")


@pytest.fixture
def page(database: str, pipeline: Pipeline, mined: AppConfig) -> Iterator[Page]:
    with serving(database, pipeline.root) as running:
        yield running


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as running:
        running.resize(1280, 900)
        yield running


def bury(db: Connection) -> None:
    long = "https://x.example/" + "very-long-address-without-a-break" * 8
    end(db, "dead", "stage = 'detect'", long)


def test_pages_are_whole_fit_and_ask_nobody_else(page: Page, tab: Browser, db: Connection) -> None:
    bury(db)
    for width in (1280, 380):
        tab.resize(width, 900)
        for path in PAGES:
            tab.open(page.url + path)
            assert tab.ask("document.styleSheets[0].cssRules.length") > 20, path
            assert tab.ask("document.documentElement.scrollWidth") <= width, (path, width)
            broken = (
                "[...document.images].filter(i => i.loading != 'lazy' && !i.naturalWidth).map(i => i.src)"
            )
            assert tab.ask(broken) == [], path
    assert tab.complaints == []
    assert all(address.startswith(page.url) or address == "about:blank" for address in tab.requests)


def test_boxes_are_drawn_where_the_objects_are(page: Page, tab: Browser) -> None:
    tab.open(f"{page.url}/p/p/gallery")
    places = tab.ask("""[...document.querySelectorAll('figure')].map(figure => {
        const picture = figure.querySelector('img').getBoundingClientRect();
        const box = figure.querySelector('rect').getBoundingClientRect();
        return [(box.left - picture.left) / picture.width, (box.top - picture.top) / picture.height,
                box.width / picture.width, box.height / picture.height];
    })""")
    assert len(places) > 1
    for place in places:
        assert place == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.02)
    tab.wait_for("document.images[0].naturalWidth == 64")


def test_the_keyboard_is_enough_to_log_in_and_try_an_item_again(
    page: Page, tab: Browser, db: Connection
) -> None:
    bury(db)
    tab.open(f"{page.url}/p/p/failed")
    tab.press("Tab")
    assert tab.ask("document.activeElement.textContent") == "Skip to content"
    tab.tab_to("e.textContent == 'log in'")
    tab.waiting_for_a_page(lambda: tab.press("Enter"))
    tab.wait_for("document.activeElement.id == 'token'")
    tab.type(TOKEN)
    tab.waiting_for_a_page(lambda: tab.press("Enter"))
    assert tab.ask("document.body.textContent.includes('log out')")
    assert tab.ask("document.cookie") == ""  # no script can read it
    tab.tab_to("e.matches('.bad a')")
    tab.waiting_for_a_page(lambda: tab.press("Enter"))
    tab.tab_to("e.tagName == 'BUTTON' && e.textContent == 'again'")
    assert tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.waiting_for_a_page(lambda: tab.press("Enter"))
    assert tab.ask("location.pathname") == "/p/p/failed"
    states = {row["state"] for row in db.execute("SELECT state FROM item WHERE stage = 'detect'").fetchall()}
    assert "ready" in states
    assert tab.complaints == []
