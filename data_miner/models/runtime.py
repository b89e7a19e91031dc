"""How models run: on which processor, with which precision, within its memory, and without chatter."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from transformers.utils import logging as transformers_logging

from data_miner.errors import BrokenProcessError, NotReadyError
from data_miner.models.source import ModelMissingError

logger = logging.getLogger(__name__)

#: what the driver and cuBLAS say where PyTorch's own allocator was not asked
_NO_MEMORY = ("out of memory", "ALLOC_FAILED")

Given = TypeVar("Given")
Made = TypeVar("Made")


class GpuFullError(NotReadyError):
    """The memory of the GPU is taken; all pods of a machine share it."""


def choose(wanted: str) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ModelMissingError: a GPU is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelMissingError(
            "device: cuda, but PyTorch sees no GPU here; set device: auto, or run this worker on a GPU node"
        )
    gpu = available and wanted != "cpu"
    name = torch.cuda.get_device_name() if gpu else "cpu"
    logger.info("Device chosen", extra={"action": "device_chosen", "device": name, "wanted": wanted})
    if not gpu:
        # Left alone, PyTorch takes all cores of the machine, whatever the container may use of them.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
        return torch.device("cpu")
    return torch.device("cuda")


def hush() -> None:
    """Keep progress bars and hints of transformers out of the log; errors are raised."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def precision(device: torch.device) -> torch.dtype:
    """Return the number format: half precision is several times faster on GPUs, and slower on most CPUs."""
    return torch.float16 if device.type == "cuda" else torch.float32


@contextmanager
def gpu_errors() -> Iterator[None]:
    """Say of a GPU's errors what they mean for the item that is worked on.

    Raises:
        GpuFullError: its memory is taken.
        BrokenProcessError: it failed; CUDA answers each further call of the process with the same error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _full(error) from error
    except RuntimeError as error:
        # Older versions of PyTorch have no class of their own for these.
        said = str(error)
        if not said.startswith("CUDA error"):
            raise
        if any(word in said for word in _NO_MEMORY):
            raise _full(error) from error
        raise BrokenProcessError(
            f"the GPU failed: {said.splitlines()[0]}; this worker starts anew. If that goes on, look for "
            "NVRM and Xid in `dmesg` on its node"
        ) from error


def in_parts(look: Callable[[Sequence[Given]], list[Made]], batch: Sequence[Given]) -> list[Made]:
    """Return what ``look`` makes of a batch, in halves of halves where the GPU's memory does not hold it.

    Raises:
        GpuFullError: it does not even hold one.
        BrokenProcessError: the GPU failed.
    """
    try:
        with gpu_errors():
            return look(batch)
    except GpuFullError:
        if len(batch) == 1:
            raise
    # Outside of the handler: the error holds on to what was being computed.
    torch.cuda.empty_cache()
    middle = len(batch) // 2
    logger.warning(
        "Batch halved: the GPU's memory does not hold it",
        extra={"action": "batch_halved", "pictures": len(batch)},
    )
    return [*in_parts(look, batch[:middle]), *in_parts(look, batch[middle:])]


def _full(error: RuntimeError) -> GpuFullError:
    reason = str(error).split(". If reserved", maxsplit=1)[0].splitlines()[0]
    return GpuFullError(
        f"the GPU's memory is full: {reason}; see `nvidia-smi` on the node for who has it; give that GPU "
        "fewer workers, or take a smaller model"
    )
