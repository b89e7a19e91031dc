"""What becomes of work when a GPU has no memory left, or fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_miner.models.provider import Boxes
from data_miner.threads import Threads

MODELS = Path(__file__).resolve().parents[2] / "lab/models"

#: asks a GPU for a place that its memory does not have, which ends CUDA in the process that does it
FAILING = f"""
import torch
from pathlib import Path
from PIL import Image
from data_miner.errors import BrokenProcessError
from data_miner.models import siglip
from data_miner.models.gpu import on_gpu

def broken(call):
    try:
        call()
    except BrokenProcessError as error:
        print(error)
    else:
        raise SystemExit("no error")

def fail():
    on_gpu(lambda: torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")].cpu(), by_item=True)

matcher = siglip.load("tiny-siglip", Path({str(MODELS)!r}), "cuda")
broken(fail)
picture = matcher.prepare(Image.new("RGB", (60, 80)))
broken(lambda: matcher.embed([picture]))
"""


def pictures(count: int) -> list[Image.Image]:
    noise = np.random.default_rng(1).integers(0, 255, (count, 60, 80, 3), np.uint8)
    return [Image.fromarray(picture) for picture in noise]


@pytest.mark.parametrize("held", range(1, 9))
def test_a_batch_that_memory_does_not_hold_is_done_in_parts(held: int) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.models.gpu import Portions  # noqa: PLC0415 - needs PyTorch

    looked: list[int] = []

    def look(batch: Sequence[int]) -> list[int]:
        looked.append(len(batch))
        if len(batch) > held:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")
        return [-number for number in batch]

    portions = Portions()
    assert portions(look, range(8)) == [-number for number in range(8)]
    assert max(size for size in looked if size <= held) > held / 2
    looked.clear()
    assert portions(look, range(8)) == [-number for number in range(8)]
    assert max(looked) <= held


def test_where_others_have_the_memory_no_attempt_is_burnt(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.errors import NotReadyError, RetryableError  # noqa: PLC0415 - beside the next
    from data_miner.models.gpu import Portions  # noqa: PLC0415 - needs PyTorch

    def look(_: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has none")

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, 24 << 30))
    for reserved_gib, expected in ((12, NotReadyError), (22, RetryableError)):
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda gib=reserved_gib: gib << 30)
        with pytest.raises(expected, match=r"memory is full: CUDA out of memory.*nvidia-smi"):
            Portions()(look, range(8))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("CUDA error: out of memory", "GpuFullError"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "GpuFullError"),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "GpuFullError"),
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "GpuFullError"),
        ("CUDA driver error: out of memory", "GpuFullError"),
        ("CUDA error: unspecified launch failure", "BrokenProcessError"),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "BrokenProcessError"),
        ("The size of tensor a (3) must match the size of tensor b (4)", "RuntimeError"),
    ],
)
def test_what_a_gpu_says_is_told_apart(said: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.models.gpu import on_gpu  # noqa: PLC0415 - needs PyTorch

    def work() -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1 << 20, 24 << 30))
    with pytest.raises(Exception, match=said[:10]) as caught:
        on_gpu(work, by_item=True)
    assert type(caught.value).__name__ == expected


def test_a_library_that_does_not_start_while_memory_is_free_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.errors import BrokenProcessError  # noqa: PLC0415 - beside the next
    from data_miner.models.gpu import on_gpu  # noqa: PLC0415 - needs PyTorch

    def work() -> None:
        raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (12 << 30, 24 << 30))
    with pytest.raises(BrokenProcessError):
        on_gpu(work, by_item=True)


def test_a_gpu_that_was_given_and_cannot_be_used_is_told_and_not_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.models import runtime  # noqa: PLC0415 - needs PyTorch
    from data_miner.models.source import ModelMissingError  # noqa: PLC0415 - beside it

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(runtime, "_DEVICE", tmp_path / "nvidiactl")
    assert runtime.choose("auto").type == "cpu"
    (tmp_path / "nvidiactl").touch()
    with pytest.raises(ModelMissingError, match="was given a GPU"):
        runtime.choose("auto")
    assert runtime.choose("cpu").type == "cpu"


def test_a_detector_looks_at_the_halves_of_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.models import zero_shot  # noqa: PLC0415 - needs PyTorch

    detector = zero_shot.load("tiny-owlvit", MODELS, "cpu")
    prepared = detector.prepare(pictures(4), ["face"])
    whole = detector.detect(prepared, floor=0, text_threshold=0)
    look = detector._look

    def look_at_one(prepared: zero_shot.Prepared, **options: float) -> list[Boxes]:
        if len(prepared.images) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")
        return look(prepared, **options)

    monkeypatch.setattr(detector, "_look", look_at_one)
    for one, other in zip(whole, detector.detect(prepared, floor=0, text_threshold=0), strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(one.xyxy, other.xyxy, atol=1e-2)


def test_several_threads_prepare_the_same_as_one() -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.models import siglip, zero_shot  # noqa: PLC0415 - needs PyTorch

    detector, matcher = (
        zero_shot.load("tiny-owlvit", MODELS, "cpu"),
        siglip.load("tiny-siglip", MODELS, "cpu"),
    )
    many = pictures(200)
    with Threads(8) as threads:
        found = list(threads.ahead(lambda one: detector.prepare([one], ["face", "a red door"]), many))
        pixels = list(threads.ahead(matcher.prepare, many))
    for one, prepared, own in zip(many, found, pixels, strict=True):
        alone = detector.prepare([one], ["face", "a red door"]).inputs
        assert all(torch.equal(alone[name], prepared.inputs[name]) for name in alone)
        assert torch.equal(matcher.prepare(one), own)


@pytest.fixture
def gpu() -> None:
    import torch  # noqa: PLC0415 - not everywhere

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")


@pytest.fixture
def _whole_memory(gpu: None) -> Iterator[None]:
    """Give PyTorch back what the test does not leave it."""
    import torch  # noqa: PLC0415 - not everywhere

    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.usefixtures("_whole_memory")
def test_a_full_gpu_gives_the_same_vectors_in_smaller_batches(caplog: pytest.LogCaptureFixture) -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.models import siglip  # noqa: PLC0415 - needs PyTorch

    matcher = siglip.load("tiny-siglip", MODELS, "cuda")
    many = [matcher.prepare(picture) for picture in pictures(512)]
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    whole = matcher.embed(many)
    taken = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    left = torch.cuda.memory_reserved() + taken // 3
    torch.cuda.set_per_process_memory_fraction(left / torch.cuda.get_device_properties(0).total_memory)
    found = matcher.embed(many)
    assert "does not hold a batch" in caplog.text
    np.testing.assert_allclose(found, whole, atol=5e-3)


def test_a_gpu_that_failed_ends_the_process(gpu: None) -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the GPU failed: ") == 2
