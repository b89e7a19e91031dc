"""A detector that answers with phrases of the text, as Grounding DINO does: random weights, the real code."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from data_miner.models.provider import Detector

PROMPTS = ["Glass door", "door handle", "person"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "glass", "door", "handle", "person"]


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory, device: str) -> Detector:
    import torch  # noqa: PLC0415 - not everywhere
    import transformers  # noqa: PLC0415

    from data_miner.models import zero_shot  # noqa: PLC0415 - needs PyTorch

    torch.manual_seed(0)
    backbone = transformers.SwinConfig(
        embed_dim=12,
        depths=[1] * 4,
        num_heads=[1, 1, 2, 2],
        window_size=4,
        image_size=64,
        out_features=["stage2", "stage3", "stage4"],
    )
    text = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    small = {
        f"{part}_{what}": value
        for part in ("encoder", "decoder")
        for what, value in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 32))
    }
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone, text_config=text, d_model=32, num_queries=20, max_text_len=64, **small
    )
    processor = transformers.GroundingDinoProcessor(
        image_processor=transformers.GroundingDinoImageProcessorPil(
            size={"shortest_edge": 64, "longest_edge": 96}
        ),
        tokenizer=transformers.BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)}),
    )
    directory: Path = tmp_path_factory.mktemp("models") / "dino"
    transformers.GroundingDinoForObjectDetection(config).eval().save_pretrained(directory)
    processor.save_pretrained(directory)
    return zero_shot.load("dino", directory.parent, device)


def test_its_phrases_become_the_prompts_that_were_asked(detector: Detector) -> None:
    pictures = [Image.new("RGB", (120, 80), colour) for colour in ("red", "navy")]
    found = detector.detect(detector.prepare(pictures, PROMPTS), floor=0.1, text_threshold=0.25)
    assert len(found) == 2
    for boxes in found:
        assert boxes.xyxy.shape == (len(boxes), 4)
        assert len(boxes.scores) == len(boxes) > 0
        assert set(boxes.labels) <= set(PROMPTS)
        assert (boxes.scores >= 0.1).all()
        assert (boxes.xyxy >= 0).all()
        assert (boxes.xyxy <= [120, 80, 120, 80]).all()


def test_nothing_above_the_floor_is_no_box(detector: Detector) -> None:
    prepared = detector.prepare([Image.new("RGB", (120, 80))], PROMPTS)
    (boxes,) = detector.detect(prepared, floor=1.0, text_threshold=0.25)
    assert boxes.xyxy.shape == (0, 4)
    assert boxes.labels == []
