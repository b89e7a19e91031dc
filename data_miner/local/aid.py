"""What this machine offers to a local run, by entry points of the group ``data_miner.local``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from data_miner.config import AppConfig

GROUP = "data_miner.local"

#: makes the command line that runs a Python module where models run, from the module with its arguments and
#: the environment that it should see
ModelsCommand = Callable[[Sequence[str], Mapping[str, str]], list[str]]


@dataclass(frozen=True, kw_only=True)
class Aid:
    """What is used while a run lasts."""

    #: laid over the configuration
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: added to the environment of workers
    environment: Mapping[str, str] = field(default_factory=dict)
    #: how to run stages with models where this Python has no PyTorch; None where that can't be had
    models_command: ModelsCommand | None = None


class Offer(Protocol):
    """What an entry point names."""

    def __call__(
        self, config: AppConfig, *, needs_models: bool, output: Path, tell: Callable[[str], None]
    ) -> AbstractContextManager[Aid]:
        """Prepare what a run with this configuration can use.

        Args:
            config: of the run.
            needs_models: stages with models are selected, and this Python has no PyTorch.
            output: the directory that everything is written to.
            tell: shows what takes long.
        """


@contextmanager
def offered(
    config: AppConfig, *, needs_models: bool, output: Path, tell: Callable[[str], None]
) -> Iterator[Aid]:
    """Use what the first package offers that offers anything."""
    for entry in metadata.entry_points(group=GROUP):
        offer: Offer = entry.load()
        with offer(config, needs_models=needs_models, output=output, tell=tell) as aid:
            yield aid
        return
    yield Aid()
