"""Mining a project on this machine: starts what is needed, shows how far it is, and ends when all is done."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data_miner.config import AppConfig, Layer, Stage, dump, merge, to_plain, validate
from data_miner.db.connect import Connection, connect
from data_miner.errors import MinerError
from data_miner.local.aid import Aid, offered
from data_miner.local.children import MODULE, Child, Children, python
from data_miner.local.postgres import embedded
from data_miner.queue.leases import retry, take_back_all
from data_miner.workers.monitor import seed

#: what differs from a cluster: nobody asks for health, and whoever presses Ctrl-C does not want to wait
_LOCAL = {"worker": {"port": 0, "shutdown_grace_s": 5.0, "pause_s": 1.0}, "queue": {"poll_s": 0.3}}
_MODEL_STAGES = (Stage.DETECT, Stage.DEDUP, Stage.FILTER)
#: below the output directory
_OWN, _LOGS = "local", "logs"


@dataclass(frozen=True, kw_only=True)
class LocalRun:
    """A run that is going on."""

    config: AppConfig
    connection: Connection
    children: Children
    #: the directory of the workers' logs
    logs: Path


@contextmanager
def mining(config: AppConfig, *, again: bool, tell: Callable[[str], None]) -> Iterator[LocalRun]:
    """Mine a project as long as the context lasts; what is not done then is done by the next run.

    Args:
        config: of the project.
        again: whether items that failed for good in an earlier run are tried once more.
        tell: shows what takes long.

    Raises:
        MinerError: something that is needed can't be had, or another run works in the same directory.
    """
    output = config.output_dir.absolute()
    own = output / _OWN
    own.mkdir(parents=True, exist_ok=True)
    needs_models = bool(config.models()) and not _torch_is_here()
    with (
        _alone(own / "lock", output),
        offered(config, needs_models=needs_models, output=output, tell=tell) as aid,
    ):
        if needs_models and aid.models_command is None:
            raise MinerError(_advice(config))
        config = _localized(config, aid, output)
        file = own / "config.yaml"
        file.write_text(dump(to_plain(config)), "utf-8")
        tell("starting Postgres")
        with embedded(own / "postgres") as url, connect(url, name="local run") as connection:
            take_back_all(connection, max_attempts=config.queue.max_attempts)
            seed(connection, config)
            if again:
                retry(connection, config.project)
            children = _children(config, file, aid, url, in_container=needs_models)
            with Children(children, grace_s=config.worker.shutdown_grace_s) as running:
                yield LocalRun(config=config, connection=connection, children=running, logs=own / _LOGS)


def _localized(config: AppConfig, aid: Aid, output: Path) -> AppConfig:
    layers = (to_plain(config), _LOCAL, {"output_dir": str(output)}, aid.changes)
    return validate(merge(*(Layer(name="local run", data=dict(layer)) for layer in layers)))


def _children(config: AppConfig, file: Path, aid: Aid, url: str, *, in_container: bool) -> list[Child]:
    """Return a process for each kind of work; models share one, so that each is in memory once."""
    logs = file.parent / _LOGS
    logs.mkdir(exist_ok=True)
    kinds: dict[str, list[str]] = {"download": ["download"]}
    if Stage.EXTRACT in config.stages:
        kinds["extract"] = ["extract"]
    if config.models():
        kinds["models"] = [stage.value for stage in _MODEL_STAGES if stage in config.stages]
    children = []
    for name, workers in kinds.items():
        environment = _environment(aid, url, name)
        arguments = [MODULE, str(file), name, *workers]
        command = python(arguments)
        if name == "models" and in_container and aid.models_command is not None:
            command = aid.models_command(arguments, environment)
        log = logs / f"{name}.log"
        children.append(Child(name=name, command=command, environment=environment, log=log))
    return children


def _environment(aid: Aid, url: str, name: str) -> Mapping[str, str]:
    return {"DATABASE_URL": url, "POD_NAME": f"local-{name}-{os.getpid()}", **aid.environment}


def _torch_is_here() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


@contextmanager
def _alone(lock: Path, output: Path) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MinerError(
                f"another run works in {output}; wait for it, or choose another --output"
            ) from error
        yield


def _advice(config: AppConfig) -> str:
    stages = ", ".join(config.models())
    return (
        f"{stages} need PyTorch and transformers, which this Python ({sys.executable}) has not. "
        "Install them (`uv pip install --group models --group torch` in a checkout), run as root where "
        "buildah is installed, which uses the image with models, or end stages before filter"
    )
