"""What pip needs to reach packages from here, handed to the build as secrets that never enter the image."""

from __future__ import annotations

import configparser
import io
from collections.abc import Mapping
from pathlib import Path

_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: settings that mean the same in a container; paths, such as find-links, do not
_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
_FILES = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")


def ca_bundle(environment: Mapping[str, str]) -> Path | None:
    """Return the bundle of certificates that the environment names, where it exists."""
    paths = (Path(environment[name]) for name in _CA_VARIABLES if environment.get(name))
    return next((path for path in paths if path.is_file()), None)


def pip_conf(environment: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
    """Return a pip.conf with the user's package index and proxy, and more; empty where that is nothing.

    As with pip itself the environment wins over PIP_CONFIG_FILE, and that over the usual files.
    """
    wanted: dict[str, str] = {}
    for path in reversed(_files(environment)):
        wanted |= _read(path)
    for name in _SETTINGS:
        if value := environment.get(f"PIP_{name.upper().replace('-', '_')}"):
            wanted[name] = value
    wanted |= more or {}
    if not wanted:
        return ""
    parser = configparser.RawConfigParser()
    parser["global"] = wanted
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _files(environment: Mapping[str, str]) -> list[Path]:
    own = environment.get("PIP_CONFIG_FILE")
    return [Path(name).expanduser() for name in ([own] if own else []) + list(_FILES)]


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, "utf-8")
    except configparser.Error:
        return {}  # pip itself says what is wrong with it
    return {
        name: parser[section][name]
        for section in ("global", "install")
        if parser.has_section(section)
        for name in _SETTINGS
        if name in parser[section]
    }
