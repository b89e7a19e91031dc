"""Where a model comes from: a local directory, the image, the hub's cache, or the hub."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_miner.errors import NotReadyError

#: the directory of the models that are part of the image
OWN = "DATA_MINER_MODELS"
#: what every saved model has
CONFIG = "config.json"
#: below the models' directory: what came from the hub
HUB = "hub"
#: weights as safetensors only: other formats can hold code
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model")


#: seconds between two looks at how much of a model has come
LOOK_S = 5.0


class ModelMissingError(NotReadyError):
    """A model is neither here nor to be had."""


def nobody() -> None:
    """Tell nobody that something moved."""


def find_model(name: str, models_dir: Path, moved: Callable[[], None] = nobody) -> Path:
    """Return the directory of a model, fetched from the hub where it is nowhere else.

    Args:
        name: a directory, a name below ``models_dir`` or of the image, or the hub's name; ``NAME@REVISION``
            pins the last.
        models_dir: holds models by name, and what came from the hub.
        moved: called now and then while bytes come from the hub, which can take long.

    Raises:
        ModelMissingError: it can't be had; names the command that fetches it.
    """
    if local := find_local(name, models_dir):
        return local
    if name.startswith(("/", "./", "../")):
        raise ModelMissingError(f"model {name}: there is no {name}/{CONFIG}; copy a saved model there")
    return _from_hub(name, models_dir, moved)


def find_local(name: str, models_dir: Path) -> Path | None:
    """Return the directory of a model that was put somewhere, or None."""
    own = os.environ.get(OWN)
    places = (Path(name), models_dir / name, *([Path(own) / name] if own else []))
    return next((place for place in places if (place / CONFIG).is_file()), None)


@contextmanager
def watched(directory: Path, moved: Callable[[], None], look_s: float = LOOK_S) -> Iterator[None]:
    """Call ``moved`` whenever the files below a directory have become more or bigger."""
    end = threading.Event()

    def watch() -> None:
        before = _bytes_below(directory)
        while not end.wait(look_s):
            now = _bytes_below(directory)
            if now != before:
                moved()
            before = now

    thread = threading.Thread(target=watch, name="model download", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _bytes_below(directory: Path) -> int:
    total = 0
    for root, _, names in os.walk(directory):
        for name in names:
            # Unfinished files are renamed under the watcher's eyes.
            with suppress(FileNotFoundError):
                total += Path(root, name).lstat().st_size
    return total


def _from_hub(name: str, models_dir: Path, moved: Callable[[], None]) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only the image with models has it
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    repository, _, revision = name.partition("@")
    own_cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME")
    cache = Path(own_cache) if own_cache else models_dir / HUB
    try:
        with watched(cache, moved):
            found = snapshot_download(
                repository,
                revision=revision or None,
                cache_dir=None if own_cache else cache,
                allow_patterns=list(WANTED),
            )
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ModelMissingError(_advice(name, repository, revision, models_dir, error)) from error
    return Path(found)


def _advice(name: str, repository: str, revision: str, models_dir: Path, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    pin = f" --revision {revision}" if revision else ""
    return (
        f"model {name} is not in {models_dir} and can't be fetched: {reason}; "
        f"where the hub can be reached, run: hf download {repository}{pin} --local-dir {models_dir / name}"
        " (HF_TOKEN for models that are not public)"
    )
