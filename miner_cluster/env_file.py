"""Secrets from the environment or the checkout's .env."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data_miner.errors import MinerError
from miner_cluster.cluster import CHECKOUT

ENV_FILE = CHECKOUT / ".env"


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of a .env: NAME=VALUE lines, with export, quotes, comments as in a shell."""
    values = {}
    for raw in text.splitlines():
        line = raw.strip().removeprefix("export ").lstrip()
        name, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        value = value.strip()
        if value[:1] in {"'", '"'} and value.count(value[0]) > 1:
            value = value[1 : value.index(value[0], 1)]
        else:
            value = value.partition(" #")[0].rstrip()
        values[name.strip()] = value
    return values


def secret(name: str, environ: Mapping[str, str], env_file: Path = ENV_FILE) -> str:
    """Return a secret: from the environment, else from the file; empty where neither has it.

    Raises:
        MinerError: there is a file that can't be read, or that others can read.
    """
    if value := environ.get(name, ""):
        return value
    try:
        if env_file.stat().st_mode & 0o077:
            raise MinerError(f"{env_file} can be read by others and holds secrets; run: chmod 600 {env_file}")
        return parse_env(env_file.read_text("utf-8")).get(name, "")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise MinerError(f"{env_file} can't be read ({error}); see .env.example") from error
