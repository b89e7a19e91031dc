"""A GPU is proved by what it does with memory; what fails is named as the driver names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_miner import cuda
from tests.unit.nvidia.conftest import SOURCE, Compile

FORGETFUL = f"""
#define cuMemsetD8_v2 honest
#include "{SOURCE}"
#undef cuMemsetD8_v2
int cuMemsetD8_v2(unsigned long long target, unsigned char value, unsigned long count)
{{ (void)target, (void)value, (void)count; return 0; }}
"""


def test_each_gpu_computes(compile_cuda: Compile, devices: Path) -> None:
    (devices / "nvidia1").touch()
    assert cuda.compute(compile_cuda()) == [cuda.Gpu(name="Stand-in GPU", memory_bytes=1 << 30)] * 2


@pytest.mark.parametrize(
    ("gone", "error"),
    [
        ("nvidiactl", r"cuInit failed: CUDA_ERROR_NO_DEVICE \(100\)"),
        ("nvidia-uvm", r"cuInit failed: CUDA_ERROR_UNKNOWN \(999\)"),
        ("nvidia0", r"cuInit failed: CUDA_ERROR_NO_DEVICE \(100\)"),
    ],
)
def test_a_device_that_the_container_lacks_is_an_error(
    compile_cuda: Compile, devices: Path, gone: str, error: str
) -> None:
    (devices / gone).unlink()
    with pytest.raises(cuda.CudaError, match=error):
        cuda.compute(compile_cuda())


def test_a_gpu_that_does_not_write_what_it_should_is_an_error(compile_cuda: Compile, tmp_path: Path) -> None:
    other = tmp_path / "other.c"
    other.write_text(FORGETFUL)
    with pytest.raises(cuda.CudaError, match="other bytes"):
        cuda.compute(compile_cuda(other))


def test_a_container_without_the_library_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cuda.compute, "__defaults__", ("libcuda-that-is-nowhere.so.1",))
    assert cuda.main() == 1
    assert "site.yml --tags nvidia" in capsys.readouterr().err
