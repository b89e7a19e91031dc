"""What stages get to know of earlier results, from the database."""

from __future__ import annotations

from collections.abc import Sequence

from data_miner.db import findings
from data_miner.db.session import Session
from data_miner.queue.records import FoundBox, KnownCandidate, Scores


class StoredFindings:
    """The findings of one project.

    Args:
        session: the worker's own; every method raises what its calls raise.
        project: whose.
    """

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.project = project

    def scores(self, video: str, *, frames_hash: str, scores_hash: str) -> Scores | None:
        """Return the kept scores of a video's frames, if there are any."""
        return self.session.call(
            lambda connection: findings.read_scores(
                connection,
                project=self.project,
                video=video,
                frames_hash=frames_hash,
                scores_hash=scores_hash,
            )
        )

    def passed(self, video: str, *, params_hash: str) -> list[int]:
        """Return the times in ms of the frames that passed the filter."""
        return self.session.call(
            lambda connection: findings.read_passed(
                connection, project=self.project, video=video, params_hash=params_hash
            )
        )

    def candidates(self, scope: str, *, after: int) -> list[KnownCandidate]:
        """Return the candidates of a dedup scope with numbers above ``after``, in their order."""
        return self.session.call(
            lambda connection: findings.read_candidates(
                connection, project=self.project, scope=scope, after=after
            )
        )

    def raw_boxes(
        self, video: str, *, frames_hash: str, raw_hash: str, times_ms: Sequence[int]
    ) -> dict[int, list[FoundBox]]:
        """Return the kept boxes of frames by time, of those that were looked at before."""
        return self.session.call(
            lambda connection: findings.read_raw_boxes(
                connection,
                project=self.project,
                video=video,
                frames_hash=frames_hash,
                raw_hash=raw_hash,
                times_ms=times_ms,
            )
        )
