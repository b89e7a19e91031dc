"""How models run: on which processor, with which precision, and without chatter."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from data_miner.models.source import ModelMissingError

logger = logging.getLogger(__name__)

#: of a container that was given GPUs
_DEVICE = Path("/dev/nvidiactl")


def choose(wanted: str) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ModelMissingError: a GPU is asked for, or given, and can't be used.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelMissingError(
            "device: cuda, but PyTorch sees no GPU here; set device: auto, or run this worker on a GPU node"
        )
    if wanted == "auto" and not available and torch.version.cuda and _DEVICE.exists():
        raise ModelMissingError(
            f"this container was given a GPU ({_DEVICE}), and PyTorch can't use it; look at `nvidia-smi` on "
            "the node and for NVRM and Xid in its `dmesg`, or set device: cpu"
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
