"""How models run: on which processor, with which precision, and without chatter."""

from __future__ import annotations

import os

import torch
from transformers.utils import logging

from data_miner.models.source import ModelMissingError


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
    if wanted == "cpu" or not available:
        # Left alone, PyTorch takes all cores of the machine, whatever the container may use of them.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
        return torch.device("cpu")
    return torch.device("cuda")


def hush() -> None:
    """Keep progress bars and hints of transformers out of the log; errors are raised."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def precision(device: torch.device) -> torch.dtype:
    """Return the number format: half precision is several times faster on GPUs, and slower on most CPUs."""
    return torch.float16 if device.type == "cuda" else torch.float32
