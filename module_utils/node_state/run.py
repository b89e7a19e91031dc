"""Running the machine's own commands."""

from __future__ import annotations

import os
import subprocess

from .model import StateError

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_MODE": "l",  # Ubuntu's needrestart lists, and neither asks nor restarts
}


def environment() -> dict[str, str]:
    """Return the environment of the commands: ours, and the proxies of the machine."""
    proxies = {k: v for k, v in os.environ.items() if k.lower() in {"http_proxy", "https_proxy", "no_proxy"}}
    return {**proxies, **ENVIRONMENT}


def run(*argv: str, timeout_s: float = 120, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return it, whatever its exit code.

    Raises:
        StateError: there is no such command, or it does not end in time.
    """
    try:
        return subprocess.run(  # noqa: S603 - the argument lists are ours, and no shell reads them
            argv,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            input=stdin or "",
            timeout=timeout_s,
            env=environment(),
            cwd="/",
        )
    except FileNotFoundError as error:
        raise StateError(
            f"{argv[0]} is not on this machine, which must be a Debian or Ubuntu with systemd"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StateError(f"`{' '.join(argv)}` did not end within {timeout_s:.0f} s") from error


def last_lines(text: str, count: int) -> str:
    """Return the last lines of a text that say something, indented."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-count:])
