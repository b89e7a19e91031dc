"""The lab's models, loaded as the workers load them, against what a person saw in the clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from data_miner.config.model import DetectConfig
from data_miner.models.provider import Boxes, Detector, Matcher, Vectors
from data_miner.models.source import ModelMissingError, find_model
from data_miner.threads import Threads
from data_miner.workers.detect import certain, found_boxes, look_at

from .truth import CHECKOUT, Tally, held_out, match, tally, total

MODELS = CHECKOUT / "lab/models"
DEMO = yaml.safe_load((CHECKOUT / "run_configs/demo.yaml").read_text("utf-8"))
#: by prompt of the demo, the concept that it names
CONCEPTS = {
    "a photo of a bicycle": "bicycle",
    "a cartoon rabbit": "rabbit",
    "a man wearing a bow tie": "bow tie",
    "planet earth from space": "planet earth",
    "the roof of a van": "van roof",
}


@pytest.fixture(scope="module")
def matcher(device: str) -> Matcher:
    from data_miner.models import siglip  # noqa: PLC0415 - needs PyTorch

    return siglip.load(DEMO["filter"]["model"], MODELS, device)


@pytest.fixture(scope="module")
def detector(device: str) -> Detector:
    from data_miner.models import zero_shot  # noqa: PLC0415 - needs PyTorch

    return zero_shot.load(DEMO["detect"]["model"], MODELS, device)


def embed(matcher: Matcher, images: Sequence[Image.Image]) -> Vectors:
    return matcher.embed([matcher.prepare(image) for image in images])


def test_scores_tell_frames_apart(matcher: Matcher, clips: Path) -> None:
    scenes = list(held_out(clips))
    vectors = np.concatenate([embed(matcher, [scene.image]) for scene in scenes])
    scores = matcher.probabilities(vectors, matcher.embed_texts(list(CONCEPTS)))
    for column, (prompt, concept) in enumerate(CONCEPTS.items()):
        counts = tally(
            (concept in scene.concepts for scene in scenes),
            (scores[:, column] >= DEMO["filter"]["threshold"]).tolist(),
        )
        print(f"filter: {prompt!r}: {counts}")
        assert counts.recall >= 0.9
        assert counts.precision >= 0.9


def test_what_is_shown_nowhere_scores_low(matcher: Matcher, clips: Path) -> None:
    vectors = embed(matcher, [scene.image for scene in held_out(clips)])
    absent = ["a photo of a dog", "pizza", "a guitar", "a boat"]
    assert matcher.probabilities(vectors, matcher.embed_texts(absent)).max() < 0.3


def test_case_does_not_matter_and_batches_neither(matcher: Matcher, device: str) -> None:
    # Half precision rounds at the third digit, and differently in batches of another size.
    exact, close = (1e-6, 1e-5) if device == "cpu" else (1e-3, 5e-3)
    texts = ["A Photo of a BICYCLE", "a photo of a bicycle"]
    one, other = matcher.embed_texts(texts)
    np.testing.assert_allclose(one, other, atol=exact)
    noise = np.random.default_rng(1).integers(0, 255, (3, 60, 80, 3), np.uint8)
    images = [Image.fromarray(picture) for picture in noise]
    together = embed(matcher, images)
    alone = np.concatenate([embed(matcher, [image]) for image in images])
    np.testing.assert_allclose(together, alone, atol=close)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_clip_in_low_quality_is_found_again(matcher: Matcher, clips: Path) -> None:
    scenes = {(scene.source, scene.frame): scene.image for scene in held_out(clips)}
    frames = [
        frame for source, frame in scenes if source == "carphone" and ("carphone-again", frame) in scenes
    ]
    assert len(frames) > 5
    good = embed(matcher, [scenes["carphone", frame] for frame in frames])
    others = [key for key in scenes if not key[0].startswith("carphone")]
    alien = embed(matcher, [scenes[key] for key in others])
    bad = embed(matcher, [scenes["carphone-again", frame] for frame in frames])
    limit = DEMO["dedup"]["embedding_min_similarity"]
    counts = tally([True] * len(frames), ((good * bad).sum(axis=1) >= limit).tolist())
    counts.wrong = int((good @ alien.T >= limit).sum())
    print(f"dedup: the same clip in low quality: {counts}")
    assert counts.recall >= 0.9
    assert counts.wrong == 0


def test_boxes_lie_where_a_person_drew_them(detector: Detector, clips: Path) -> None:
    params = DetectConfig.model_validate(
        {"text_threshold": 0.25, "tile_overlap": 0.2, "batch_size": 4, **DEMO["detect"]}
    )
    counts = {prompt: Tally() for prompt in params.prompts}
    for scene in held_out(clips):
        if scene.boxed:
            with Threads() as threads:
                (raw,) = look_at(detector, [scene.image], params, floor=0.1, threads=threads)
            for prompt, tallied in counts.items():
                missed, wrong = match(certain(found_boxes(raw), params), scene, prompt)
                tallied.found += sum(label == prompt for label, _ in scene.boxes) - len(missed)
                tallied.missed += len(missed)
                tallied.wrong += len(wrong)
    for prompt, tallied in counts.items():
        print(f"detect: {prompt!r}: {tallied}")
    assert min(tallied.recall for tallied in counts.values()) >= 0.9
    assert total(counts.values()).precision >= 0.9


def test_boxes_have_the_pictures_coordinates(detector: Detector) -> None:
    picture = Image.new("RGB", (320, 200), (10, 20, 30))
    prepared = detector.prepare([picture, picture], ["rabbit", "face"])
    boxes: list[Boxes] = detector.detect(prepared, floor=0, text_threshold=0)
    assert len(boxes) == 2
    assert len(boxes[0]) > 0
    assert (boxes[0].xyxy.min(axis=0) >= 0).all()
    assert (boxes[0].xyxy.max(axis=0) <= [320, 200, 320, 200]).all()
    assert set(boxes[0].labels) <= {"rabbit", "face"}


def test_a_model_that_is_nowhere_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"run: hf download org/none --local-dir .*/org/none "):
        find_model("org/none", tmp_path)
    with pytest.raises(ModelMissingError, match=r"hf download org/none --revision v1 --local-dir"):
        find_model("org/none@v1", tmp_path)


def test_a_model_of_another_kind_is_refused() -> None:
    from data_miner.models import siglip, zero_shot  # noqa: PLC0415 - needs PyTorch

    with pytest.raises(ModelMissingError, match="is of the kind owlvit"):
        siglip.load("tiny-owlvit", MODELS, "cpu")
    with pytest.raises(ModelMissingError, match="no zero-shot object detector"):
        zero_shot.load("tiny-siglip", MODELS, "cpu")
