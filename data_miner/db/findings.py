"""What the stages with models found: stored in the transaction that acknowledges the item, and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from data_miner.db.connect import Connection
from data_miner.db.queries import queries
from data_miner.dedup.keepers import Frame, choose_keepers, rank
from data_miner.queue.items import Item, NewItem
from data_miner.queue.records import (
    FoundBox,
    FramesCompared,
    FramesFiltered,
    KnownCandidate,
    ObjectsFound,
    Scores,
    StaleError,
)

_SQL = queries("findings")
_SIGN = 1 << 63


def store_filtered(connection: Connection, item: Item, filtered: FramesFiltered) -> None:
    """Write which frames of a video pass, and the scores that say so."""
    scores = filtered.scores
    values = {
        "project": item.project,
        "video": filtered.sha256,
        "params_hash": item.params_hash,
        "frames_hash": filtered.frames_hash,
        "scores_hash": filtered.scores_hash,
        "passed_ms": filtered.passed_ms,
        "model": scores.model,
        "prompts": scores.prompts,
        "times_ms": scores.times_ms,
        "scores": scores.values,
    }
    connection.execute(_SQL["add_scores"], values)
    connection.execute(_SQL["add_filtered"], values)


def store_compared(connection: Connection, item: Item, compared: FramesCompared) -> list[NewItem]:
    """Write the frames of a video, decide anew who is kept, and return the items that follow.

    Raises:
        StaleError: other frames were stored since these were compared.
    """
    scope = {"project": item.project, "scope": item.params_hash, "video": compared.sha256}
    connection.execute(_SQL["lock_scope"], scope)
    if _one(connection, "is_compared", scope)["compared"]:
        return []
    if _one(connection, "last_candidate", scope)["number"] != compared.known:
        raise StaleError("other frames were stored since these were compared")
    _add_frames(connection, scope, compared)
    newly_kept = {compared.sha256: (compared.frames_hash, set[int]())}
    newly_kept[compared.sha256][1].update(
        frame.time_ms for frame in compared.frames if frame.repeats_ms is None
    )
    for frame, (frames_hash, kept) in _decide(connection, scope).items():
        times = newly_kept.setdefault(frame[0], (frames_hash, set()))[1]
        times.add(frame[1]) if kept else times.discard(frame[1])
    if compared.follow is None:
        return []
    return [
        compared.follow(video, frames_hash, sorted(times))
        for video, (frames_hash, times) in sorted(newly_kept.items())
        if times
    ]


def _add_frames(connection: Connection, scope: Mapping[str, Any], compared: FramesCompared) -> None:
    # Candidates come last in the order of their numbers, so that the last number stands for all of them.
    frames = sorted(compared.frames, key=lambda frame: (frame.repeats_ms is None, frame.time_ms))
    connection.execute(
        _SQL["add_frames"],
        {
            **scope,
            "frames_hash": compared.frames_hash,
            "times_ms": [frame.time_ms for frame in frames],
            "phashes": [_signed(frame.phash) for frame in frames],
            "pixels": [frame.pixels for frame in frames],
            "sizes": [frame.size_bytes for frame in frames],
            "repeats_ms": [frame.repeats_ms for frame in frames],
        },
    )
    connection.execute(
        _SQL["add_pairs"],
        {
            **scope,
            "times_ms": [pair.time_ms for pair in compared.pairs],
            "other_videos": [pair.other_video for pair in compared.pairs],
            "others_ms": [pair.other_ms for pair in compared.pairs],
            "similarities": [pair.similarity for pair in compared.pairs],
            "distances": [pair.distance for pair in compared.pairs],
        },
    )


def _decide(connection: Connection, scope: Mapping[str, Any]) -> dict[Frame, tuple[str, bool]]:
    """Choose keepers among all frames that hang together with the new ones and are still there.

    Returns:
        The frames for which that changed, each with its frames' hash and whether it is kept now.
    """
    rows = {
        (row["video"], row["time_ms"]): row
        for row in connection.execute(_SQL["group_frames"], scope).fetchall()
        if not row["gone"]
    }
    ranks = {
        frame: rank(frame, pixels=row["pixels"], size_bytes=row["size_bytes"]) for frame, row in rows.items()
    }
    like = {frame: [(video, time_ms) for video, time_ms in row["like_it"]] for frame, row in rows.items()}
    chosen = choose_keepers(ranks, like)
    changed = {frame: keeper for frame, keeper in chosen.items() if keeper != _keeper(rows[frame])}
    connection.execute(
        _SQL["set_keeper"],
        {
            **scope,
            "videos": [video for video, _ in changed],
            "times_ms": [time_ms for _, time_ms in changed],
            "keeper_videos": [keeper[0] if keeper else None for keeper in changed.values()],
            "keepers_ms": [keeper[1] if keeper else None for keeper in changed.values()],
        },
    )
    return {frame: (rows[frame]["frames_hash"], keeper is None) for frame, keeper in changed.items()}


def _keeper(row: Mapping[str, Any]) -> Frame | None:
    return None if row["kept"] else (row["keeper_video"], row["keeper_ms"])


def store_objects(connection: Connection, item: Item, found: ObjectsFound) -> None:
    """Write the boxes in frames of a video, before and after thresholds."""
    shared = {"project": item.project, "video": found.sha256, "frames_hash": found.frames_hash}
    raw = [
        {
            **shared,
            "raw_hash": found.raw_hash,
            "time_ms": time_ms,
            "labels": [box.label for box in boxes],
            "scores": [box.score for box in boxes],
            "boxes": [side for box in boxes for side in box.box],
        }
        for time_ms, boxes in found.raw.items()
    ]
    objects = [
        {
            **shared,
            "params_hash": found.params_hash,
            "time_ms": time_ms,
            "number": number,
            "label": box.label,
            "score": box.score,
            **dict(zip(("x1", "y1", "x2", "y2"), box.box, strict=True)),
        }
        for time_ms, boxes in found.objects.items()
        for number, box in enumerate(boxes)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["add_raw_boxes"], raw)
        cursor.executemany(_SQL["add_object"], objects)


def read_scores(
    connection: Connection, *, project: str, video: str, frames_hash: str, scores_hash: str
) -> Scores | None:
    """Return the kept scores of a video's frames, if there are any."""
    row = connection.execute(
        _SQL["scores"],
        {"project": project, "video": video, "frames_hash": frames_hash, "scores_hash": scores_hash},
    ).fetchone()
    if row is None:
        return None
    return Scores(model=row["model"], prompts=row["prompts"], times_ms=row["times_ms"], values=row["scores"])


def read_passed(connection: Connection, *, project: str, video: str, params_hash: str) -> list[int]:
    """Return the times in ms of the frames that passed the filter."""
    row = connection.execute(
        _SQL["passed"], {"project": project, "video": video, "params_hash": params_hash}
    ).fetchone()
    return list(row["passed_ms"]) if row else []


def read_candidates(connection: Connection, *, project: str, scope: str, after: int) -> list[KnownCandidate]:
    """Return the candidates of a scope with numbers above ``after``, in their order."""
    rows = connection.execute(
        _SQL["candidates"], {"project": project, "scope": scope, "after": after}
    ).fetchall()
    return [KnownCandidate(**{**row, "phash": _unsigned(row["phash"])}) for row in rows]


def read_raw_boxes(
    connection: Connection,
    *,
    project: str,
    video: str,
    frames_hash: str,
    raw_hash: str,
    times_ms: Sequence[int],
) -> dict[int, list[FoundBox]]:
    """Return the kept boxes of frames by time, of those that were looked at before."""
    rows = connection.execute(
        _SQL["raw_boxes"],
        {
            "project": project,
            "video": video,
            "frames_hash": frames_hash,
            "raw_hash": raw_hash,
            "times_ms": list(times_ms),
        },
    ).fetchall()
    return {
        row["time_ms"]: [
            FoundBox(label=label, score=score, box=tuple(row["boxes"][4 * number : 4 * number + 4]))
            for number, (label, score) in enumerate(zip(row["labels"], row["scores"], strict=True))
        ]
        for row in rows
    }


def videos_with_frames(connection: Connection, *, project: str, frames_hash: str) -> list[str]:
    """Return the videos whose frames were cut with these parameters."""
    values = {"project": project, "params_hash": frames_hash}
    return [row["video"] for row in connection.execute(_SQL["framesets"], values).fetchall()]


def videos_passed(connection: Connection, *, project: str, filter_hash: str) -> list[str]:
    """Return the videos with frames that pass the filter with these parameters."""
    values = {"project": project, "params_hash": filter_hash}
    return [row["video"] for row in connection.execute(_SQL["videos_passed"], values).fetchall()]


def undetected(
    connection: Connection, *, project: str, dedup_hash: str, params: Mapping[str, object]
) -> list[tuple[str, list[int]]]:
    """Return the kept frames, video and times in ms, that no detect item with these parameters covers."""
    values = {"project": project, "params_hash": dedup_hash, "params": Jsonb(params)}
    rows = connection.execute(_SQL["kept_frames"], values).fetchall()
    return [(row["video"], row["times_ms"]) for row in rows]


def _one(connection: Connection, query: str, values: Mapping[str, Any]) -> dict[str, Any]:
    row = connection.execute(_SQL[query], values).fetchone()
    if row is None:
        raise AssertionError(query)
    return row


def _signed(phash: int | None) -> int | None:
    """Return 64 bits as Postgres' bigint holds them."""
    return phash - 2 * _SIGN if phash is not None and phash >= _SIGN else phash


def _unsigned(phash: int | None) -> int | None:
    return phash + 2 * _SIGN if phash is not None and phash < 0 else phash
