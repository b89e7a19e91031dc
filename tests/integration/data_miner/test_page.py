"""What the web page shows of a mined project, to whom, and what it never does."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from data_miner.config import AppConfig
from data_miner.db.connect import Connection
from data_miner.page.access import Access
from data_miner.page.headers import POLICY

from .commands import Commands
from .factories import add_items, end, make_config
from .page_server import TOKEN, Page, serving
from .pipeline import Pipeline
from .settings import settings
from .site import Site, make_video

PAGES = ("/", "/p/p", "/p/p/failed", "/p/p/gallery", "/p/p/duplicates", "/p/p/scores", "/login")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def page(database: str, pipeline: Pipeline) -> Iterator[Page]:
    with serving(database, pipeline.root) as running:
        yield running


def bury(db: Connection, *keys: str, error: str = "HTTP 404") -> list[int]:
    wanted = ", ".join(f"'{key}'" for key in keys)
    end(db, "dead", f"key IN ({wanted})", error)
    return [
        row["id"] for row in db.execute("SELECT id FROM item WHERE state = 'dead' ORDER BY key").fetchall()
    ]


def dead(db: Connection) -> list[str]:
    return [
        row["key"] for row in db.execute("SELECT key FROM item WHERE state = 'dead' ORDER BY key").fetchall()
    ]


def test_every_page_answers_and_allows_nothing_from_elsewhere(page: Page, mined: AppConfig) -> None:
    for path in (*PAGES, "/static/page.css", "/nosuch"):
        answer = page.get(path)
        assert answer.status == (404 if path == "/nosuch" else 200), path
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(rb'(src|href)="//|url\(', answer.body)
        assert b"<script" not in answer.body
        assert b"style=" not in answer.body


def test_the_overview_has_the_counts_of_each_stage(page: Page, db: Connection, mined: AppConfig) -> None:
    rows = re.findall(
        r'<th scope="row">(\w+)</th>\s*<td><progress max="(\d+)" value="(\d+)">', page.get("/").text
    )
    counts = db.execute("SELECT stage, count(*)::text AS n FROM item GROUP BY stage").fetchall()
    assert {row["stage"]: (row["n"], row["n"]) for row in counts} == {stage: tuple(n) for stage, *n in rows}


def test_the_gallery_has_the_kept_frames_with_their_boxes(
    page: Page, db: Connection, mined: AppConfig
) -> None:
    text = page.get("/p/p/gallery").text
    rows = db.execute("SELECT video, time_ms FROM dedup_frame WHERE kept").fetchall()
    assert set(re.findall(r'<img src="/frame/(\w+)/\w+/(\d+)\.jpg"', text)) == {
        (row["video"], str(row["time_ms"])) for row in rows
    }
    assert text.count('<rect x="16.0" y="12.0" width="32.0" height="24.0"') == len(rows)
    assert "thing 0.90" in text


def test_pictures_come_as_asked_and_no_larger(page: Page, mined: AppConfig) -> None:
    (source, *_) = re.findall(r'<img src="([^"]*)"', page.get("/p/p/gallery").text)
    answer = page.get(source)
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.body)).size == (64, 48)


def test_groups_of_near_duplicates_are_side_by_side(page: Page, db: Connection, mined: AppConfig) -> None:
    text = page.get("/p/p/duplicates").text
    groups = re.findall(r'<section class="group".*?</section>', text, re.DOTALL)
    (row,) = db.execute(
        "SELECT count(*) AS n FROM dedup_frame WHERE keeper_video IS NOT NULL OR repeats_ms IS NOT NULL"
    ).fetchall()
    assert sum(group.count("<img") - 1 for group in groups) == row["n"] > 0
    assert any("1.000" in group or "0.999" in group for group in groups)


def test_histograms_count_every_frame_and_draw_the_threshold(
    page: Page, db: Connection, mined: AppConfig
) -> None:
    text = page.get("/p/p/scores").text
    (passed,) = db.execute("SELECT sum(cardinality(passed_ms)) AS n FROM filtered").fetchall()
    (cut,) = db.execute("SELECT sum(frames) AS n FROM frameset").fetchall()
    assert re.search(rf"keeps frames from 0.9:\s+{passed['n']} of {cut['n']}", text)
    assert '<line class="threshold" x1="360.0"' in text
    assert sum(int(count) for count in re.findall(r"<title>(\d+) frames", text)) == cut["n"]


def test_errors_are_grouped_by_cause(page: Page, db: Connection) -> None:
    add_items(db, 5)
    for number in range(3):
        bury(db, f"a{number}", error=f"https://x.example/{number}: HTTP 404, attempt {number} of 5")
    bury(db, "a3", error="https://x.example/3: HTTP 500, attempt 5 of 5")
    text = page.get("/p/p").text
    assert "Failed for good: 4" in text
    assert re.search(
        r'<td class="number">3</td><td>download</td><td class="cause">'
        r"<details><summary>… HTTP 404, attempt N of N",
        text,
    )
    assert "… HTTP 500" in text


def test_what_others_wrote_stays_text(
    page: Page, db: Connection, pipeline: Pipeline, mined: AppConfig
) -> None:
    db.execute("UPDATE video_origin SET url = 'javascript:alert(1)'")
    db.execute("UPDATE video_origin SET metadata = jsonb_build_object('title', %s::text)", [HOSTILE])
    bury(db, *(row["key"] for row in db.execute("SELECT key FROM item").fetchall()), error=HOSTILE)
    for path in PAGES:
        text = page.get(path).text
        assert "<script" not in text
        assert 'href="javascript' not in text
    assert "&lt;script&gt;" in page.get("/p/p/gallery").text


@pytest.mark.parametrize(
    "path",
    [
        "/frame/../../../etc/passwd/1.jpg",
        "/frame/..%2f..%2f..%2fetc/0123456789abcdef/1.jpg",
        f"/frame/{'a' * 64}/..%2f..%2f/1.jpg",
        f"/frame/{'A' * 64}/0123456789abcdef/1.jpg",
        f"/frame/{'a' * 64}/0123456789abcdef/-1.jpg",
        f"/frame/{'a' * 64}/0123456789abcdef/99999999999999999999.jpg",
        "/static/..%2fapp.py",
    ],
)
def test_no_path_leads_out_of_the_store(page: Page, path: str) -> None:
    assert page.get(path).status == 404


def test_a_link_in_the_store_leads_nowhere_else_and_a_damaged_frame_is_said(
    page: Page, pipeline: Pipeline, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.jpg"
    Image.new("RGB", (8, 8)).save(secret)
    directory = pipeline.root / "frames" / ("a" * 64) / "0123456789abcdef"
    directory.mkdir(parents=True)
    (directory / "000000001.jpg").symlink_to(secret)
    (directory / "000000002.jpg").write_bytes(secret.read_bytes())
    (directory / "000000003.jpg").write_bytes(b"damaged")
    frame = f"/frame/{'a' * 64}/0123456789abcdef"
    assert [page.get(f"{frame}/{number}.jpg").status for number in (1, 2, 3)] == [404, 200, 404]


def test_without_a_token_everything_is_read_only(database: str, db: Connection, tmp_path: Path) -> None:
    add_items(db, 1)
    bury(db, "a0")
    with serving(database, tmp_path, token=None) as page:
        assert page.post("/p/p/retry").status == 403
        assert page.post("/p/p/retry", headers={"Authorization": "Bearer None"}).status == 403
        assert page.log_in("None").status == 403
        assert "Nobody can" in page.get("/login").text
        assert "<button>" not in page.get("/p/p/failed").text
    assert dead(db) == ["a0"]


def test_whoever_has_the_token_tries_items_again(page: Page, db: Connection) -> None:
    add_items(db, 4)
    ids = bury(db, "a0", "a1", "a2")
    assert page.log_in("wrong").status == 403
    assert page.cookie is None
    answer = page.log_in()
    assert answer.status == 303
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    form = {"form_token": page.form_token()}
    assert page.post("/p/p/retry", {"item": str(ids[1]), **form}).status == 303
    assert dead(db) == ["a0", "a2"]
    page.post("/p/p/retry", {"stage": "extract", **form})
    assert dead(db) == ["a0", "a2"]
    assert page.post("/p/p/retry", {"stage": "nosuch", **form}).status == 400
    assert dead(db) == ["a0", "a2"]
    page.post("/p/p/retry", {"stage": "download", **form})
    assert dead(db) == []
    assert page.post("/logout", form).status == 303


def test_programs_send_the_token_in_a_header(page: Page, db: Connection) -> None:
    add_items(db, 1)
    bury(db, "a0")
    assert page.post("/p/p/retry", headers={"Authorization": "Bearer wrong"}).status == 403
    assert page.post("/p/p/retry", headers={"Authorization": f"Bearer {TOKEN}"}).status == 303
    assert dead(db) == []


def test_another_sites_form_changes_nothing(page: Page, db: Connection) -> None:
    add_items(db, 1)
    bury(db, "a0")
    page.log_in()
    form = {"form_token": page.form_token()}
    assert page.post("/p/p/retry").status == 403
    assert page.post("/p/p/retry", {"form_token": "0" * 64}).status == 403
    assert page.post("/p/p/retry", form, {"Origin": "http://evil.example"}).status == 403
    assert page.post("/p/p/retry", form, {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert page.post("/login", {"token": TOKEN}, {"Origin": "http://evil.example"}).status == 403
    assert dead(db) == ["a0"]
    ours = {"Origin": page.url, "Sec-Fetch-Site": "same-origin"}
    assert page.post("/p/p/retry", form, ours).status == 303


def test_a_session_ends_and_can_not_be_made_up(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = Access(token="other")  # noqa: S106 - of this test alone
    for cookie in ("dm_session=", "dm_session=1.a.b", f"dm_session={stranger.new_session()}"):
        page.cookie = cookie
        assert "log out" not in page.get("/").text
    page.log_in()
    assert "log out" in page.get("/").text
    with monkeypatch.context() as patch:
        patch.setattr("data_miner.page.access.SESSION_S", 0)
        assert "log out" not in page.get("/").text


def test_a_database_that_is_away_is_said_and_the_page_stays(tmp_path: Path) -> None:
    with serving("postgresql://postgres@127.0.0.1:1/none", tmp_path) as page:
        answer = page.get("/")
        assert answer.status == 503
        assert "127.0.0.1:1/none" in answer.text
        assert page.get("/healthz").status == 200


def test_large_forms_and_odd_pages_are_no_trouble(page: Page, db: Connection) -> None:
    add_items(db, 1)
    page.log_in()
    form = {"form_token": page.form_token()}
    assert page.post("/p/p/retry", {"item": "9" * 70_000, **form}).status == 413
    assert page.post("/p/p/retry", {"item": "9" * 30, **form}).status == 303
    for query in ("page=0", "page=-1", "page=x", "page=999999", "page=%D9%A1", "stage=nosuch"):
        assert page.get(f"/p/p/failed?{query}").status == 200
    assert page.get("/p/nosuch/gallery").status == 404


@pytest.mark.parametrize(
    ("stages", "frames"),
    [(3, "sum(frames) AS n FROM frameset"), (4, "sum(cardinality(passed_ms)) AS n FROM filtered")],
)
def test_the_gallery_of_a_project_that_ends_earlier(  # noqa: PLR0917 - fixtures
    pipeline: Pipeline, site: Site, page: Page, monkeypatch: pytest.MonkeyPatch, stages: int, frames: str
) -> None:
    monkeypatch.setattr("data_miner.page.app.GALLERY", 15)
    urls = [site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(seconds=1.9))]
    whole = settings()
    pipeline.run(pipeline.config(urls=urls, **whole | {"stages": whole["stages"][:stages]}))
    seen: list[str] = []
    for number in (1, 2, 3):
        seen += re.findall(r'<img src="([^"]*)"', page.get(f"/p/p/gallery?page={number}").text)
    (row,) = pipeline.db.execute(f"SELECT {frames}").fetchall()
    assert len(seen) == len(set(seen)) == row["n"] > 15


def test_no_prompts_and_no_frames_are_no_trouble(page: Page, db: Connection) -> None:
    add_items(db, 1, project="p")
    assert make_config().filter.positive_prompts == []
    for path in PAGES:
        assert page.get(path).status == 200


def test_a_local_run_can_be_looked_at_without_a_database_of_its_own(database: str, tmp_path: Path) -> None:
    done = Commands(database).run("page", "--local", str(tmp_path), check=False)
    assert (done.returncode, "no output directory of" in done.stderr) == (1, True)
