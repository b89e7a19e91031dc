"""What becomes of work when a GPU has no memory left, or fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODELS = Path(__file__).resolve().parents[2] / "lab/models"

#: asks a GPU for a place that its memory does not have, which ends CUDA in the process that does it
FAILING = f"""
import torch
from pathlib import Path
from PIL import Image
from data_miner.errors import BrokenProcessError
from data_miner.models import siglip
from data_miner.models.runtime import gpu_errors

def broken(call):
    try:
        call()
    except BrokenProcessError as error:
        print(error)
    else:
        raise SystemExit("no error")

def fail():
    with gpu_errors():
        torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")].cpu()

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

    from data_miner.models.runtime import in_parts  # noqa: PLC0415 - needs PyTorch

    most = 0

    def look(batch: Sequence[int]) -> list[int]:
        nonlocal most
        if len(batch) > held:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")
        most = max(most, len(batch))
        return [-number for number in batch]

    assert in_parts(look, range(8)) == [-number for number in range(8)]
    assert most > held / 2


def test_where_memory_does_not_hold_one_picture_no_attempt_is_burnt() -> None:
    import torch  # noqa: PLC0415 - not everywhere

    from data_miner.errors import NotReadyError  # noqa: PLC0415 - beside the next
    from data_miner.models.runtime import in_parts  # noqa: PLC0415 - needs PyTorch

    def look(_: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has none")

    with pytest.raises(NotReadyError, match=r"memory is full: CUDA out of memory.*nvidia-smi"):
        in_parts(look, range(8))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("CUDA error: out of memory", "GpuFullError"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "GpuFullError"),
        ("CUDA error: unspecified launch failure", "BrokenProcessError"),
        ("The size of tensor a (3) must match the size of tensor b (4)", "RuntimeError"),
    ],
)
def test_what_a_gpu_says_is_told_apart(said: str, expected: str) -> None:
    from data_miner.models.runtime import gpu_errors  # noqa: PLC0415 - needs PyTorch

    with pytest.raises(Exception, match=said[:12]) as caught, gpu_errors():
        raise RuntimeError(said)
    assert type(caught.value).__name__ == expected


@pytest.fixture
def gpu() -> None:
    import torch  # noqa: PLC0415 - not everywhere

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")


@pytest.fixture
def little_memory(gpu: None) -> Iterator[None]:
    """Leave PyTorch 128 MiB of the GPU."""
    import torch  # noqa: PLC0415 - not everywhere

    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(128 * 2**20 / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_full_gpu_gives_the_same_vectors_in_smaller_batches(
    little_memory: None, caplog: pytest.LogCaptureFixture
) -> None:
    from data_miner.models import siglip  # noqa: PLC0415 - needs PyTorch

    matcher = siglip.load("tiny-siglip", MODELS, "cuda")
    many = [matcher.prepare(picture) for picture in pictures(512)]
    found = matcher.embed(many)
    assert "Batch halved" in caplog.text
    few = np.concatenate([matcher.embed(many[start : start + 8]) for start in range(0, 512, 8)])
    np.testing.assert_allclose(found, few, atol=5e-3)


def test_a_gpu_that_failed_ends_the_process(gpu: None) -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the GPU failed: ") == 2
