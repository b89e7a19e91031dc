"""Every secret value of a deployed lab, so that tests can look for them where none belongs."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import yaml

from tests.e2e.lab import Lab

SERVER = "lab-server"
#: shorter ones would be found by chance
LEAST = 16
FILES = (
    "/var/lib/rancher/k3s/server/token",
    "/var/lib/rancher/k3s/server/tls/client-ca.key",
    "/data/data_miner_db/secrets/*",
)


def secrets_in(text: str) -> Iterator[str]:
    """Yield the secret parts of a value: of keys their lines, of settings what is quoted, else all of it."""
    keys = re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)\n-----END", text, re.DOTALL)
    if keys:
        # The first line of a key only says what kind it is.
        yield from (line for key in keys for line in key.splitlines()[1:])
    elif "=" in text and "\n" in text.strip():
        yield from (part for part in re.findall(r'"([^"\n]+)"', text) if "/" not in part)
    elif "-----BEGIN" not in text:
        yield text.strip()


def values(lab: Lab) -> dict[str, str]:
    """Return every secret value, and where it comes from, as plain text and in base64."""
    texts: dict[str, str] = {}
    for secret in lab.get("secrets", "-A")["items"]:
        where = f"Secret {secret['metadata']['namespace']}/{secret['metadata']['name']}"
        for key, data in (secret.get("data") or {}).items():
            texts[f"{where}, {key}"] = base64.b64decode(data).decode()
    for pattern in FILES:
        listed = lab.ssh(SERVER, f"ls -1 {pattern}").stdout.split()
        assert listed, pattern
        texts |= {path: lab.ssh(SERVER, f"cat {path}").stdout for path in listed}
    user = yaml.safe_load((lab.state / "kubeconfig").read_text())["users"][0]["user"]
    texts["kubeconfig"] = base64.b64decode(user["client-key-data"]).decode()
    texts["SSH key"] = (lab.state / "id_ed25519").read_text()
    found: dict[str, str] = {}
    for where, text in texts.items():
        for part in secrets_in(text.replace("\\n", "\n")):
            if len(part) >= LEAST:
                found |= dict.fromkeys((part, *_base64(part)), where)
    return found


def shown(output: str, secrets: dict[str, str]) -> set[str]:
    """Return of which secrets a value stands in an output."""
    return {where for value, where in secrets.items() if value in output}


def _base64(text: str) -> Iterator[str]:
    """Yield a text in base64, as it looks wherever in a longer one it begins; without what surrounds it."""
    data = text.encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        yield encoded[-(-before * 8 // 6) : -1]
