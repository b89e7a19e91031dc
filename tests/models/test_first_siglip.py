"""The first SigLIP has a tokenizer of its own, of sentencepiece's kind: random weights, the real code."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def test_its_own_tokenizer_is_taken_and_gets_lower_case(tmp_path: Path, device: str) -> None:
    import sentencepiece  # noqa: PLC0415 - not everywhere
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    from data_miner.models import siglip  # noqa: PLC0415 - needs PyTorch

    torch.manual_seed(0)
    text = tmp_path / "text"
    text.write_text("\n".join(["a photo of a glass door", "a person", "the handle of a door"] * 50))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(tmp_path / "spiece"), vocab_size=60, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    )  # fmt: skip
    size = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = transformers.SiglipConfig(
        text_config={**size, "vocab_size": 64, "max_position_embeddings": 64, "projection_size": 32},
        vision_config={**size, "image_size": 32, "patch_size": 8},
    )
    directory = tmp_path / "first"
    transformers.SiglipModel(config).save_pretrained(directory)
    transformers.SiglipTokenizer(vocab_file=str(tmp_path / "spiece.model")).save_pretrained(directory)
    transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(directory)
    matcher = siglip.load("first", tmp_path, device)
    assert isinstance(matcher.tokenizer, transformers.SiglipTokenizer)
    one, other = matcher.embed_texts(["A photo of a Glass DOOR", "a photo of a glass door"])
    np.testing.assert_allclose(one, other, atol=1e-6 if device == "cpu" else 1e-3)
