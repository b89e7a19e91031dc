"""What a GPU's errors mean, and batches that its memory does not hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch

from data_miner.errors import BrokenProcessError, MinerError, RetryableError
from data_miner.models.provider import GpuFullError

logger = logging.getLogger(__name__)

#: how errors begin that CUDA and its libraries raise through PyTorch
_OF_A_GPU = ("CUDA error", "CUDA driver error", "cuDNN error")
#: what they say of memory where PyTorch's own allocator was not asked
_NO_MEMORY = ("out of memory", "ALLOC")
#: what cuBLAS and cuDNN say of all that keeps them from starting; with less than this free it is memory
_NOT_STARTED, _STARTS_WITH = "NOT_INITIALIZED", 1 << 30
#: from which on others that have a GPU's memory matter: a share of it, and more than CUDA itself takes
_MUCH, _OF_CUDA = 0.1, 1 << 30
#: for how many seconds batches stay small after one was too big
_SMALLER_S = 60.0

Given = TypeVar("Given")
Made = TypeVar("Made")


def on_gpu(work: Callable[[], Made], *, by_item: bool) -> Made:
    """Return what work with a GPU gives; its errors say what they mean for the item that is worked on.

    Args:
        work: what is to be done; what it computes is gone when it fails.
        by_item: whether something of the item is given to the GPU.

    Raises:
        GpuFullError: its memory is taken.
        BrokenProcessError: it failed; after most errors CUDA answers all calls of the process with the same.
    """
    try:
        return work()
    except torch.OutOfMemoryError as error:
        said = str(error)
    except RuntimeError as error:
        # Older versions of PyTorch have no class of their own for these.
        said = str(error)
        if not said.startswith(_OF_A_GPU):
            raise
        if not _of_memory(said):
            raise _broken(said, by_item=by_item) from error
    # Not in the handler: the error holds on to what was computed, and others may wait for its memory.
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        raise _broken(str(error), by_item=by_item) from error
    reason = said.split(". If reserved", maxsplit=1)[0].splitlines()[0]
    raise GpuFullError(
        f"the GPU's memory is full: {reason}; see `nvidia-smi` on the node for who has it; give that GPU "
        "fewer workers, or take a smaller model"
    )


def _of_memory(said: str) -> bool:
    if any(word in said for word in _NO_MEMORY):
        return True
    return _NOT_STARTED in said and _memory()[0] < _STARTS_WITH


def _memory() -> tuple[int, int]:
    """Return the bytes of the GPU that are free, and all; none where there is not even place to ask."""
    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:
        return 0, 0
    return int(free), int(total)


def _broken(said: str, *, by_item: bool) -> BrokenProcessError:
    return BrokenProcessError(
        f"the GPU failed: {said.splitlines()[0]}; this worker starts anew. If that goes on, look for NVRM "
        "and Xid in `dmesg` on its node",
        by_item=by_item,
    )


class Portions:
    """Looks at batches in parts that the GPU's memory holds, and remembers for a while how big they were."""

    def __init__(self) -> None:
        self._most, self._until = 0, 0.0

    def __call__(self, look: Callable[[Sequence[Given]], list[Made]], batch: Sequence[Given]) -> list[Made]:
        """Return what ``look`` makes of a batch; of all of it at once it is given the batch itself.

        Raises:
            GpuFullError: others leave no memory for a single one.
            RetryableError: the GPU's memory is too small for a single one.
            BrokenProcessError: the GPU failed.
        """
        most = min(len(batch), self._most) if time.monotonic() < self._until else len(batch)
        made: list[Made] = []
        while len(made) < len(batch):
            part = batch if most == len(batch) else batch[len(made) : len(made) + most]
            try:
                made += on_gpu(partial(look, part), by_item=True)
                continue
            except GpuFullError as error:
                reason = str(error)
            if len(part) == 1:
                raise _no_place(reason)
            most = len(part) // 2
            self._most, self._until = most, time.monotonic() + _SMALLER_S
            logger.warning(
                "The GPU's memory does not hold a batch",
                extra={"action": "batch_halved", "pictures": len(part), "reason": reason},
            )
        return made


def _no_place(reason: str) -> MinerError:
    """Return the error of memory that others have, or of too little: to wait does not help then."""
    free, total = _memory()
    others = total - free - torch.cuda.memory_reserved()
    if not total or others > max(_MUCH * total, _OF_CUDA):
        return GpuFullError(reason)
    return RetryableError(f"{reason}; nobody else has much of it")
