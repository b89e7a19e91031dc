"""Sites as they are: what they do to a download, what they may see of us, and what is not fetched at all."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from data_miner.fetch import download
from data_miner.queue.items import State
from data_miner.site_secrets import DIRECTORY_VARIABLE
from data_miner.store import Store
from data_miner.workers.download import license_rejection
from data_miner.workers.monitor import seed

from .factories import make_config
from .pipeline import Pipeline
from .site import Site, make_video

QUICK = {"min_duration_s": None, "retries": 0, "socket_timeout_s": 0.3}


def ended(pipeline: Pipeline, url: str) -> dict[str, Any]:
    """The last item about a URL that has ended: the download, or the search if it got no further."""
    row = pipeline.db.execute(
        "SELECT state, attempts, error FROM item WHERE key = %s AND finished_at IS NOT NULL"
        " ORDER BY stage = 'download' DESC LIMIT 1",
        [f"url:{url}"],
    ).fetchone()
    assert row is not None
    return row


def test_a_site_that_does_not_answer_is_tried_again_and_given_up(pipeline: Pipeline, site: Site) -> None:
    url = site.add("/x.mp4", make_video(), silent_s=30)
    pipeline.run(pipeline.config(urls=[url], download=QUICK, queue={"max_attempts": 2}))
    row = ended(pipeline, url)
    assert (row["state"], row["attempts"]) == (State.DEAD, 2)
    assert "timed out" in row["error"]


def test_an_address_that_no_database_takes_is_left_out_and_the_others_are_fetched(
    pipeline: Pipeline, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = site.add("/x.mp4", make_video())
    addresses = [f"{site.url}/\ud800.mp4", url, f"{site.url}/{secrets.token_hex(5000)}.mp4"]
    entries = [{"_type": "url", "url": address} for address in addresses]
    monkeypatch.setattr("data_miner.workers.search.list_videos", lambda *_, **__: iter(entries))
    pipeline.run(pipeline.config(playlists=[f"{site.url}/list"], download=QUICK))
    assert {state for state, _ in pipeline.items().values()} == {State.DONE}
    (row,) = pipeline.db.execute("SELECT result FROM item WHERE stage = 'search'").fetchall()
    assert (row["result"]["found"], len(row["result"]["rejected"])) == (1, 2)


def test_a_redirect_loop_is_a_dead_letter_at_once(pipeline: Pipeline, site: Site) -> None:
    url = site.add("/x.mp4", b"", status=302)
    site.pages["/x.mp4"].location = url
    pipeline.run(pipeline.config(urls=[url], download=QUICK))
    row = ended(pipeline, url)
    assert (row["state"], row["attempts"]) == (State.DEAD, 1)
    assert "redirect" in row["error"].lower()


def test_a_connection_that_is_cut_each_time_still_gives_the_whole_file(
    pipeline: Pipeline, site: Site
) -> None:
    video = make_video(seconds=8, width=320, height=240)
    url = site.add("/x.mp4", video, cut_at=len(video) // 3)
    pipeline.run(pipeline.config(urls=[url], download={**QUICK, "retries": 2}, queue={"max_attempts": 9}))
    (stored,) = pipeline.files("videos")
    assert stored.read_bytes() == video
    assert any(asked for _, asked in site.requests), "began anew each time"


def test_a_file_of_an_earlier_attempt_is_not_in_the_way(site: Site, tmp_path: Path) -> None:
    video = make_video()
    (tmp_path / "media.other.mp4").write_bytes(b"another format")
    config = make_config(download=QUICK).download
    url = site.add("/x.mp4", video)
    for _ in range(2):  # the second time it is there already
        _, file, _ = download(url, tmp_path, config, accept=lambda _: None, tick=lambda _: None)
        assert file is not None
        assert file.read_bytes() == video


def test_a_site_that_blocks_and_then_relents_burns_no_attempt(pipeline: Pipeline, site: Site) -> None:
    url = site.add("/x.mp4", make_video(), status=429)
    breaker = {"pause_s": 0.05, "max_pause_s": 0.1, "max_blocks": 1000}
    config = pipeline.config(urls=[url], download={**QUICK, "breaker": breaker})
    pipeline.run(config, until="stage = 'search' AND blocks >= 2")
    site.pages["/x.mp4"].status = 200
    pipeline.run(config)
    rows = pipeline.db.execute("SELECT DISTINCT state, attempts FROM item").fetchall()
    assert rows == [{"state": "done", "attempts": 1}]
    assert pipeline.db.execute("SELECT FROM site_block").fetchall() == []


def test_cookies_come_from_the_secret_and_are_not_left_behind(
    pipeline: Pipeline, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "cookies.txt").write_text(
        "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\thunter2\n"
    )
    (secret / "cookies.txt").chmod(0o400)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(secret))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    pipeline.run(pipeline.config(urls=[site.add("/x.mp4", make_video())], stages=["search", "download"]))
    assert set(site.cookies) == {"session=hunter2"}
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_proxy_of_the_secret_is_used(
    pipeline: Pipeline, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proxy").write_text(f"{site.url}\n")
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    url = "http://elsewhere.test/x.mp4"
    site.add(url, make_video())
    pipeline.run(pipeline.config(urls=[url]))
    assert ended(pipeline, url)["state"] == State.DONE


def test_the_proxys_password_is_in_no_error(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proxy").write_text("socks5://me:hunter2@127.0.0.1:1")
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    url = "http://elsewhere.test/x.mp4"
    pipeline.run(pipeline.config(urls=[url], download=QUICK, queue={"max_attempts": 1}))
    assert ended(pipeline, url)["state"] == State.DEAD
    assert "hunter2" not in ended(pipeline, url)["error"]


def test_what_does_not_fit_is_not_begun(
    pipeline: Pipeline, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = site.add("/x.mp4", make_video())
    monkeypatch.setattr(Store, "free_bytes", lambda _: 1 << 20)
    monkeypatch.setattr("data_miner.workers.download._expected_bytes", lambda _: 5 << 20)
    pipeline.run(pipeline.config(urls=[url], download=QUICK, queue={"max_attempts": 2}))
    row = ended(pipeline, url)
    assert (row["state"], row["attempts"]) == (State.DEAD, 2)
    assert row["error"] == "5 MiB do not fit: 1 MiB are free in the storage"
    assert pipeline.files("tmp") == []


def test_what_was_skipped_is_looked_at_again_under_other_rules_and_nothing_else(
    pipeline: Pipeline, site: Site
) -> None:
    small, big = site.add("/small.mp4", make_video()), site.add("/big.mp4", make_video() + bytes(2 << 20))
    strict = pipeline.config(urls=[small, big], download={**QUICK, "max_size_mib": 1})
    pipeline.run(strict)
    assert ended(pipeline, big)["state"] == State.SKIPPED
    asked = site.fetched("/small.mp4")
    pipeline.run(strict)
    assert site.fetched("/small.mp4") == asked
    loose = pipeline.config(urls=[small, big], download={**QUICK, "max_size_mib": 9})
    pipeline.run(loose)
    assert {state for state, _ in pipeline.items().values()} == {"done"}
    fetched = pipeline.db.execute("SELECT count(*) AS n FROM item WHERE stage = 'download'").fetchone()
    assert fetched == {"n": 2}
    assert seed(pipeline.db, loose) == 0


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("Creative Commons Attribution", None),
        ("All rights reserved", "licence All rights reserved is not among license_patterns"),
        (None, "states no licence"),
    ],
)
def test_only_licences_that_are_wanted_are_taken(stated: str | None, reason: str | None) -> None:
    assert license_rejection({"license": stated}, ["creative commons.*", "cc-by.*"]) == reason
    assert license_rejection({"license": stated}, []) is None
