"""systemd units: what state they are in, and starting them with an error that says why."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable

from .model import SeenUnit, StateError
from .run import environment, last_lines, run

PROPERTIES = "Id,ActiveState,SubState,UnitFileState,NeedDaemonReload,NRestarts"
#: a unit that systemd had to start again this often while we wait will not come up by itself
HOPELESS_RESTARTS = 3
JOURNAL_LINES = 15
POLL_S = 0.3


def full_name(name: str) -> str:
    """Return a unit's name with its suffix."""
    return name if "." in name else f"{name}.service"


def show(names: Iterable[str]) -> dict[str, SeenUnit]:
    """Return the state of units."""
    if not (wanted := sorted(names)):
        return {}
    return {
        name: SeenUnit(
            active=properties.get("ActiveState", "inactive"),
            enabled=properties.get("UnitFileState", ""),
            needs_reload=properties.get("NeedDaemonReload") == "yes",
        )
        for name, properties in zip(wanted, _properties(wanted), strict=True)
    }


def reload() -> None:
    """Have systemd read the unit files."""
    _systemctl("daemon-reload")


def enable(name: str, *, enabled: bool) -> None:
    """Have a unit start at boot, or not."""
    _systemctl("enable" if enabled else "disable", "--quiet", name)


def stop(name: str, *, timeout_s: float = 120) -> None:
    """Stop a unit."""
    _systemctl("stop", name, timeout_s=timeout_s)


def start(name: str, *, restart: bool, timeout_s: float) -> None:
    """Start or restart a unit and wait until it is up.

    A unit that fails may be started again by systemd and come up then; we wait while that is likely.

    Raises:
        StateError: it does not come up, with the last lines of its journal.
    """
    run("systemctl", "reset-failed", name)
    before = _restarts(name)
    deadline = time.monotonic() + timeout_s
    command = ("systemctl", "restart" if restart else "start", name)
    with subprocess.Popen(  # noqa: S603 - the argument list is ours, and no shell reads it
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    ) as client:
        try:
            while True:
                code = client.poll()
                if code == 0:
                    return
                [now] = _properties([name])
                if code is not None and now["ActiveState"] == "active":
                    return
                if code is not None and now["ActiveState"] in {"failed", "inactive"}:
                    raise StateError(_failure(name, "does not start"))
                if _restarts(name) - before >= HOPELESS_RESTARTS:
                    raise StateError(_failure(name, "fails again and again"))
                if time.monotonic() > deadline:
                    raise StateError(_failure(name, f"is not ready after {timeout_s:.0f} s"))
                time.sleep(POLL_S)
        finally:
            client.kill()


def journal(name: str) -> str:
    """Return the last lines that a unit's own processes logged, or else what systemd says of it."""
    for match in (f"_SYSTEMD_UNIT={name}", f"--unit={name}"):
        done = run("journalctl", match, f"--lines={JOURNAL_LINES}", "--no-pager", "--quiet", "--output=cat")
        if lines := last_lines(done.stdout, JOURNAL_LINES):
            return lines
    return "  (nothing)"


def _failure(name: str, what: str) -> str:
    return f"{name} {what}. Its journal ends with:\n{journal(name)}"


def _restarts(name: str) -> int:
    [properties] = _properties([name])
    return int(properties.get("NRestarts") or 0)


def _properties(names: list[str]) -> list[dict[str, str]]:
    """Return the properties of units, in the order of their names."""
    done = run("systemctl", "show", f"--property={PROPERTIES}", "--", *names)
    if done.returncode:
        raise StateError(f"systemd does not answer:\n{last_lines(done.stderr, 3)}")
    paragraphs = done.stdout.rstrip("\n").split("\n\n")
    return [
        dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line) for paragraph in paragraphs
    ]


def _systemctl(*arguments: str, timeout_s: float = 120) -> None:
    done = run("systemctl", *arguments, timeout_s=timeout_s)
    if done.returncode:
        raise StateError(f"`systemctl {' '.join(arguments)}` fails:\n{last_lines(done.stderr, 5)}")
