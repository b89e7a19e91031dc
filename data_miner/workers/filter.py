"""The filter stage: keeps the frames of a video that fit the project's prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from data_miner.config.model import AppConfig, FilterConfig, Stage
from data_miner.models.provider import Matcher, Vectors
from data_miner.queue.items import NewItem, Outcome, params_hash
from data_miner.queue.records import FramesFiltered, Scores
from data_miner.workers import dedup
from data_miner.workers.embeddings import frame_embeddings
from data_miner.workers.job import Job


def item_for(config: AppConfig, sha256: str, frames_hash: str) -> NewItem:
    """Return the filter item of a video's frames."""
    return NewItem(
        project=config.project, stage=Stage.FILTER, key=sha256, params=params_for(config, frames_hash)
    )


def params_for(config: AppConfig, frames_hash: str) -> dict[str, object]:
    """Return what the result depends on; the size of batches is not among it."""
    return {"frames": frames_hash, **config.filter.model_dump(mode="json", exclude={"batch_size"})}


def run(job: Job) -> Outcome:
    """Score the frames of one video unless their scores are kept, and apply the thresholds.

    Raises:
        NotReadyError: the model can't be had now.
        RetryableError, PermanentError: there are no frames.
    """
    item = job.item
    frames_hash = item.params["frames"]
    params = _config(item.params, batch_size=job.config.filter.batch_size)
    prompts = all_prompts(params)
    kept_under = scores_hash(params)
    scores = job.findings.scores(item.key, frames_hash=frames_hash, scores_hash=kept_under)
    if scores is None:
        scores = _score(job, frames_hash, params, prompts)
    reasons = [rejection(row, params) for row in scores.values]
    passed = [time_ms for time_ms, reason in zip(scores.times_ms, reasons, strict=True) if reason is None]
    filtered = FramesFiltered(
        sha256=item.key,
        frames_hash=frames_hash,
        scores=scores,
        scores_hash=kept_under,
        passed_ms=passed,
    )
    following = [dedup.item_for(job.config, item.key, frames_hash, item.params_hash)] if passed else []
    return Outcome(
        result={
            "frames": len(reasons),
            "passed": len(passed),
            "rejected": dict(Counter(reason for reason in reasons if reason is not None)),
        },
        records=[filtered],
        next_items=following if Stage.DEDUP in job.config.stages else [],
    )


def all_prompts(params: FilterConfig) -> list[str]:
    """Return the prompts in the order of scores: the positive ones first."""
    return [*params.positive_prompts, *params.negative_prompts]


def scores_hash(params: FilterConfig) -> str:
    """Return what stands for all that raw scores depend on besides the frames."""
    return params_hash({"model": params.model, "prompts": all_prompts(params)})


def rejection(scores: Sequence[float], params: FilterConfig) -> str | None:
    """Return why a frame is not kept, or None: it should fit a positive prompt and no negative one.

    Args:
        scores: of the positive prompts, then of the negative ones.
        params: says what is enough, for all prompts or for single ones.
    """
    count = len(params.positive_prompts)
    for prompt, score in zip(params.negative_prompts, scores[count:], strict=True):
        if score >= params.thresholds.get(prompt, params.negative_threshold):
            return f"looks like {prompt}"
    if any(
        score >= params.thresholds.get(prompt, params.threshold)
        for prompt, score in zip(params.positive_prompts, scores[:count], strict=True)
    ):
        return None
    return "fits no prompt"


def _score(job: Job, frames_hash: str, params: FilterConfig, prompts: list[str]) -> Scores:
    embeddings = frame_embeddings(job, job.item.key, frames_hash, params.model, batch_size=params.batch_size)
    matcher = job.models.matcher(params.model)
    values = matcher.probabilities(embeddings.vectors, _embed_prompts(job, matcher, params.model, prompts))
    return Scores(model=params.model, prompts=prompts, times_ms=embeddings.times_ms, values=values.tolist())


def _embed_prompts(job: Job, matcher: Matcher, model: str, prompts: list[str]) -> Vectors:
    """Return the prompts' vectors, which are those of the video before: they cost as much as a few frames."""
    known = job.memory.get("prompts")
    if known is None or known[0] != (model, prompts):
        known = ((model, prompts), matcher.embed_texts(prompts))
        job.memory["prompts"] = known
    vectors: Vectors = known[1]
    return vectors


def _config(params: dict[str, object], *, batch_size: int) -> FilterConfig:
    known = {key: value for key, value in params.items() if key != "frames"}
    return FilterConfig.model_validate({**known, "batch_size": batch_size})
