"""An exported dataset, opened with the tools that others use."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from pycocotools.coco import COCO

from data_miner.config import AppConfig
from data_miner.dataset.documents import card
from data_miner.dataset.export import export
from data_miner.dataset.formats import Format
from data_miner.dataset.gather import Dataset, gather
from data_miner.errors import MinerError
from data_miner.store import Store

from .commands import Commands
from .pipeline import Pipeline
from .settings import settings
from .site import Site, make_video


@pytest.fixture
def dataset(pipeline: Pipeline, mined: AppConfig) -> Dataset:
    return gather(pipeline.db, Store(pipeline.root, mount=None), mined)


@pytest.fixture
def directory(tmp_path: Path, dataset: Dataset) -> Path:
    export(dataset, tmp_path / "set", list(Format))
    return tmp_path / "set"


def test_pycocotools_reads_every_box_and_picture(directory: Path, dataset: Dataset) -> None:
    with redirect_stdout(io.StringIO()):
        coco = COCO(str(directory / "annotations.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["thing"]
    assert len(coco.getImgIds()) == len(dataset.frames) > 1
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(directory / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"]) == (64, 48)
        (found,) = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        assert found["bbox"] == [16, 12, 32, 24]
        assert found["area"] == 32 * 24


def test_only_frames_of_the_dataset_are_exported(pipeline: Pipeline, directory: Path) -> None:
    rows = pipeline.db.execute("SELECT video, time_ms FROM dedup_frame WHERE kept").fetchall()
    wanted = {f"{row['video'][:16]}_{row['time_ms']:09d}.jpg" for row in rows}
    assert {file.name for file in (directory / "images").iterdir()} == wanted


def test_parquet_has_the_source_scores_and_boxes_of_each_frame(directory: Path, mined: AppConfig) -> None:
    table = pq.read_table(directory / "frames.parquet")
    rows = table.to_pylist()
    assert table.schema.metadata[b"project"] == b"p"
    assert {row["source_url"] for row in rows} <= set(mined.urls)
    assert all(score["prompt"] == "dark" and score["score"] >= 0.9 for row in rows for score in row["scores"])
    assert all(len(row["scores"]) == len(row["objects"]) == 1 for row in rows)
    assert sum(row["stands_for"] for row in rows) > 0


def test_the_contact_sheet_needs_no_other_file(directory: Path, dataset: Dataset) -> None:
    page = (directory / "contact_sheet.html").read_text()
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == len(dataset.frames)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert page.count("<rect") == len(dataset.frames)
    assert "<script" not in page


def test_the_card_names_sources_models_thresholds_and_configuration(
    directory: Path, dataset: Dataset
) -> None:
    text = (directory / "README.md").read_text()
    for said in ("`m`", "`d`", "0.9", "0.999", dataset.config_hash, *(frame.url for frame in dataset.frames)):
        assert said in text
    assert "not stated by the site" in text
    assert "positive_prompts" in (directory / "config.yaml").read_text()


def test_a_login_in_an_address_is_exported_nowhere(
    pipeline: Pipeline, mined: AppConfig, tmp_path: Path
) -> None:
    """The configuration takes none now, but a database may be older."""
    pipeline.db.execute("UPDATE video_origin SET url = replace(url, '://', '://me:secret@')")
    export(gather(pipeline.db, Store(pipeline.root, mount=None), mined), tmp_path / "set", list(Format))
    written = [file.read_bytes() for file in (tmp_path / "set").iterdir() if file.is_file()]
    assert any(b"http://127.0.0.1" in text for text in written)
    assert not any(b"secret" in text for text in written)
    assert b"secret" not in str(pq.read_table(tmp_path / "set/frames.parquet").to_pylist()).encode()


@pytest.mark.parametrize(
    ("extract", "said"),
    [
        ({"mode": "fps", "fps": 0.5, "min_difference": 0}, "Cut: 0.5 a second, at most 3600 of a video.\n- "),
        ({"mode": "keyframes"}, "Cut: every key frame, at most"),
        (
            {"mode": "scenes", "scene_change": 0.2},
            "Cut: the first frame of each scene, where the picture changes by 0.2,",
        ),
        (
            {"min_difference": 0.05},
            "of a video. One that differs by less than 0.05 from one of the last is left out.\n- ",
        ),
    ],
)
def test_the_card_says_how_frames_were_cut(
    pipeline: Pipeline, dataset: Dataset, extract: dict[str, Any], said: str
) -> None:
    config = pipeline.config(**settings(extract={"fps": 1, **extract}))
    assert said in card(replace(dataset, config=config))


def test_whoever_edits_an_export_does_not_edit_the_store(directory: Path, dataset: Dataset) -> None:
    picture, source = directory / "images" / dataset.frames[0].name, dataset.frames[0].source
    before = source.read_bytes()
    assert picture.read_bytes() == before
    picture.write_bytes(b"edited")
    assert source.read_bytes() == before


def test_pictures_are_links_where_they_are_wanted(dataset: Dataset, tmp_path: Path) -> None:
    export(dataset, tmp_path / "links", [Format.COCO], link=True)
    assert (tmp_path / "links/images" / dataset.frames[0].name).samefile(dataset.frames[0].source)


def test_a_hostile_title_stays_text(pipeline: Pipeline, mined: AppConfig, tmp_path: Path) -> None:
    title = "<script>alert(1)</script>|x"
    pipeline.db.execute("UPDATE video_origin SET metadata = jsonb_build_object('title', %s::text)", [title])
    dataset = gather(pipeline.db, Store(pipeline.root, mount=None), mined)
    export(dataset, tmp_path / "set", [Format.HTML])
    assert "<script" not in (tmp_path / "set/contact_sheet.html").read_text()
    assert "&lt;script>alert(1)&lt;/script>\\|x" in (tmp_path / "set/README.md").read_text()


def test_an_interrupted_export_is_not_taken_for_a_good_one(
    dataset: Dataset, directory: Path, tmp_path: Path
) -> None:
    before = (directory / "dataset.json").read_text()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(dataset, tmp_path / "new", list(Format), tick=interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(dataset, directory, list(Format), replace=True, tick=interrupt)
    assert not (tmp_path / "new").exists()
    assert (directory / "dataset.json").read_text() == before
    export(dataset, tmp_path / "new", list(Format))
    assert not (tmp_path / "new.partial").exists()
    assert not list((tmp_path / "new").glob(".*"))


def test_only_an_earlier_export_is_replaced_and_only_when_asked(
    dataset: Dataset, directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(MinerError, match="exists; choose another directory"):
        export(dataset, directory, [Format.HTML])
    export(dataset, directory, [Format.HTML], replace=True)
    assert not (directory / "images").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").touch()
    with pytest.raises(MinerError, match="holds no earlier export"):
        export(dataset, tmp_path / "mine", [Format.HTML], replace=True)
    assert (tmp_path / "mine/letter.txt").exists()


def test_what_lies_beside_an_export_stays(dataset: Dataset, directory: Path) -> None:
    beside = [directory.with_name(f"set.{word}") for word in ("old", "partial")]
    for one in beside:
        one.mkdir()
        (one / "letter.txt").touch()
    with pytest.raises(MinerError, match=r"set\.partial is in the way"):
        export(dataset, directory, [Format.HTML], replace=True)
    beside[1].rename(directory.with_name("elsewhere"))
    export(dataset, directory, [Format.HTML], replace=True)
    assert sorted(path.name for path in directory.parent.glob("*/letter.txt")) == ["letter.txt"] * 2
    assert {path.name for path in directory.parent.glob("set*")} == {"set", "set.old"}


def test_two_exports_to_one_place_do_not_mix(dataset: Dataset, tmp_path: Path) -> None:
    def another() -> None:
        with pytest.raises(MinerError, match="another export writes to"):
            export(dataset, tmp_path / "new", [Format.HTML])

    export(dataset, tmp_path / "new", [Format.COCO], tick=another)
    assert not (tmp_path / "new/contact_sheet.html").exists()
    assert len(list((tmp_path / "new/images").iterdir())) == len(dataset.frames)


def test_an_earlier_export_comes_back_when_the_new_one_can_not_be_put_in_place(
    dataset: Dataset, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "set.partial":
            raise OSError(28, "No space left on device", str(path))
        return rename(path, target)

    before = (directory / "dataset.json").read_text()
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(MinerError, match=r"No space left on device; .* is as it was"):
        export(dataset, directory, [Format.HTML], replace=True)
    assert (directory / "dataset.json").read_text() == before


@pytest.mark.parametrize(
    ("stages", "frames"),
    [(3, "sum(frames) AS n FROM frameset"), (4, "sum(cardinality(passed_ms)) AS n FROM filtered")],
)
def test_a_project_may_end_earlier(pipeline: Pipeline, site: Site, stages: int, frames: str) -> None:
    urls = [site.add("/a.mp4", make_video()), site.add("/b.mp4", make_video(seconds=1.9))]
    all_stages = settings()
    config = pipeline.config(urls=urls, **all_stages | {"stages": all_stages["stages"][:stages]})
    pipeline.run(config)
    (row,) = pipeline.db.execute(f"SELECT {frames}").fetchall()
    assert len(gather(pipeline.db, Store(pipeline.root, mount=None), config).frames) == row["n"] > 10


def test_a_frame_that_is_gone_ends_the_export(pipeline: Pipeline, dataset: Dataset, mined: AppConfig) -> None:
    dataset.frames[0].source.unlink()
    with pytest.raises(MinerError, match="not in the store any more"):
        gather(pipeline.db, Store(pipeline.root, mount=None), mined)


def test_a_frame_that_is_damaged_ends_the_export_in_words(
    database: str, dataset: Dataset, tmp_path: Path
) -> None:
    dataset.frames[0].source.write_bytes(b"x")
    done = Commands(database).run("export", "p", "--to", str(tmp_path / "new"), check=False)
    assert done.returncode == 1
    assert f"error: {dataset.frames[0].source} is no picture any more" in done.stderr.replace("\n", "")


def test_the_command_exports_and_says_what(
    database: str, mined: AppConfig, dataset: Dataset, tmp_path: Path
) -> None:
    commands, target = Commands(database), tmp_path / "made"
    summary = commands.json("export", "p", "--to", str(target), "--format", "coco,parquet")
    assert summary["frames"] == len(dataset.frames)
    assert json.loads((target / "dataset.json").read_text())["formats"] == ["coco", "parquet"]
    assert not (target / "contact_sheet.html").exists()
    done = commands.run("export", "p", "--to", str(target), check=False)
    assert (done.returncode, "--replace" in done.stderr) == (1, True)
    assert commands.run("export", "p", "--to", "x", "--format", "yolo", check=False).returncode == 2
