"""Carrying out the steps of a plan on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..mounts import LinkedError, MountedBelowError, remove_tree
from . import kernel, packages, systemd
from .files import make_directory, set_attributes, write_atomically
from .model import StateError
from .steps import (
    EnableUnit,
    InstallPackages,
    LoadModule,
    MakeDirectory,
    ReloadSystemd,
    RemoveDirectory,
    RemoveFile,
    SetAttributes,
    SetSysctl,
    StartUnit,
    Step,
    StopUnit,
    WipeDirectory,
    WriteFile,
    sentence,
)


def apply(steps: Iterable[Step], *, started: Callable[[StartUnit], None]) -> None:
    """Carry out steps in order; ``started`` is called after each unit that came up.

    Raises:
        StateError: a step fails; those before it are done.
    """
    for step in steps:
        try:
            _carry_out(step)
        except MountedBelowError as error:
            raise StateError(f"Can't {sentence(step)}: {error}; unmount it, then run this again") from error
        except LinkedError as error:
            raise StateError(
                f"Can't {sentence(step)}: {error}; remove the link, then run this again"
            ) from error
        except OSError as error:
            raise StateError(f"Can't {sentence(step)}: {error.strerror or error}") from error
        if isinstance(step, StartUnit):
            started(step)


def _carry_out(step: Step) -> None:  # noqa: PLR0912 - one case for each kind of step
    match step:
        case InstallPackages(names=names):
            packages.install(names)
        case LoadModule(name=name):
            kernel.load_module(name)
        case SetSysctl(key=key, value=value):
            kernel.set_sysctl(key, value)
        case MakeDirectory(path=path, attributes=attributes):
            make_directory(path, attributes)
        case SetAttributes(path=path, after=attributes):
            set_attributes(path, attributes)
        case WriteFile(path=path, content=content, attributes=attributes):
            write_atomically(path, content, attributes)
        case RemoveFile(path=path):
            Path(path).unlink()
        case RemoveDirectory(path=path):
            Path(path).rmdir()
        case WipeDirectory(path=path):
            remove_tree(path)
        case ReloadSystemd():
            systemd.reload()
        case EnableUnit(name=name, enabled=enabled):
            systemd.enable(name, enabled=enabled)
        case StartUnit(name=name, restart=restart, timeout_s=timeout_s):
            systemd.start(name, restart=restart, timeout_s=timeout_s)
        case StopUnit(name=name):
            systemd.stop(name)
