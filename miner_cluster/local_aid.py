"""What a checkout offers to ``data-miner run --local``: the lab's videos and models, an image with PyTorch.

So a newcomer can run the demo without a cluster, and without the internet where package registries do.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from data_miner.config import AppConfig
from data_miner.errors import MinerError
from data_miner.local.aid import Aid, ModelsCommand
from miner_cluster.artifacts import clips
from miner_cluster.artifacts.builder import ensure_all
from miner_cluster.artifacts.plan import LAB
from miner_cluster.artifacts.store import Store
from miner_cluster.images import inside

#: the search key of the lab's site, and what its plugin calls itself
_SEARCH = "labsearch"
#: below those that Linux gives to whoever asks for any
_FIRST_PORT, _PORTS = 20_000, 10_000


@contextmanager
def offer(
    config: AppConfig, *, needs_models: bool, output: Path, tell: Callable[[str], None]
) -> Iterator[Aid]:
    """Serve the lab's videos where the configuration searches them, and make the image where it is needed.

    Raises:
        MinerError: one of them can't be made.
    """
    environment = {"DATA_MINER_MODELS": str(LAB / "models")}
    command = _models_command(output, tell) if needs_models else None
    if config.search.prefix != _SEARCH or _SEARCH in config.download.extractor_args:
        yield Aid(environment=environment, models_command=command)
        return
    with _site(_port(output), tell) as url:
        environment |= {"PYTHONPATH": str(LAB), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        changes = {"download": {"extractor_args": {_SEARCH: {"site": [url]}}}}
        yield Aid(changes=changes, environment=environment, models_command=command)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: downloaders hang up when they have read enough."""


@contextmanager
def _site(port: int, tell: Callable[[str], None]) -> Iterator[str]:
    """Serve the lab's video site to this machine alone; yields its URL.

    Raises:
        MinerError: the port is taken.
    """
    store, recipe = Store(), clips.recipe(LAB)
    tell("bringing up the lab's video site")
    ensure_all(store, [recipe])
    found = store.find(recipe)
    if found is None:
        raise AssertionError(recipe.name)
    server_module = _load(LAB / "site/server.py")

    class Quiet(server_module.Handler):  # type: ignore[misc, name-defined]
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
            """Say nothing: the progress is on the same terminal."""

    handler = partial(Quiet, directory=found.path, clips=server_module.load_clips(found.path))
    try:
        server = _Server(("127.0.0.1", port), handler)
    except OSError as error:
        raise MinerError(f"port {port}, on which this directory's run serves videos, is taken") from error
    thread = threading.Thread(target=server.serve_forever, name="lab site", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()


def _port(output: Path) -> int:
    """Return the same port for a directory each time: its queue holds addresses of the site."""
    return _FIRST_PORT + zlib.crc32(str(output).encode()) % _PORTS


def _models_command(output: Path, tell: Callable[[str], None]) -> ModelsCommand | None:
    """Return how to run modules in the image with models; None where it can't be made here."""
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        return None
    if inside.image(build=False) is None:
        tell("making the image with models, which takes some minutes the first time")
        if inside.image(build=True) is None:
            return None

    def command(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        settings = [f"{key}={value}" for key, value in environment.items()]
        run = [sys.executable, "-m", "miner_cluster.images.inside", "--volume", str(output), "--"]
        return [*run, "env", *settings, "python", "-m", *arguments]

    return command


def _load(file: Path) -> Any:
    """Return the module of a file that is in no package."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise AssertionError(file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
