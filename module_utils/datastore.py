"""The database of a k3s server, copied as it is at one moment while the server goes on."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import sqlite3
import ssl
from pathlib import Path

SQLITE, ETCD = "db/state.db", "db/etcd"
_ETCD_PORT, _TIMEOUT_S = 2379, 300
#: etcd ends a snapshot with the checksum of what comes before it, which is whole pages
_DIGEST_BYTES, _PAGE_BYTES = 32, 512


class DatastoreError(Exception):
    """The database can't be copied; the message says why."""


def kind(server_dir: Path) -> str:
    """Return which database a server has: sqlite, etcd, or an empty text where there is none."""
    if (server_dir / SQLITE).is_file():
        return "sqlite"
    return "etcd" if (server_dir / ETCD).is_dir() else ""


def copy(server_dir: Path, target: Path) -> None:
    """Copy the database of a server into a new file.

    Raises:
        DatastoreError: it does not answer, or the copy is not whole.
        OSError: the file can't be written.
    """
    target.touch(mode=0o600)
    if kind(server_dir) == "sqlite":
        _copy_sqlite(server_dir / SQLITE, target)
    else:
        _copy_etcd(server_dir / "tls" / "etcd", target)


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        database, backup = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(str(target))
        with database, backup:
            database.backup(backup)
            found = backup.execute("PRAGMA integrity_check").fetchone()[0]
        database.close()
        backup.close()
    except sqlite3.Error as error:
        raise DatastoreError(f"{source} can't be copied: {error}") from error
    if found != "ok":
        raise DatastoreError(f"{source} is damaged: {found}")


def _copy_etcd(tls: Path, target: Path) -> None:
    """Ask etcd for a snapshot, as `etcdctl snapshot save` does, and look whether it came whole."""
    try:
        context = ssl.create_default_context(cafile=str(tls / "server-ca.crt"))
        context.load_cert_chain(str(tls / "client.crt"), str(tls / "client.key"))
        connection = http.client.HTTPSConnection("127.0.0.1", _ETCD_PORT, timeout=_TIMEOUT_S, context=context)
        connection.request("POST", "/v3/maintenance/snapshot", "{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        with target.open("wb") as file:
            for line in answer:
                file.write(blob(line))
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise DatastoreError(f"etcd gives no snapshot: {error}; see: journalctl -u k3s") from error
    check_etcd(target)


def blob(line: bytes) -> bytes:
    """Return the bytes of one line of etcd's answer.

    Raises:
        DatastoreError: etcd refuses.
    """
    try:
        message = json.loads(line)
        if "result" not in message:
            raise DatastoreError(f"etcd gives no snapshot: {line[:300].decode(errors='replace')}")
        return base64.b64decode(message["result"].get("blob", ""))
    except ValueError as error:
        raise DatastoreError(f"etcd gives no snapshot: {line[:300].decode(errors='replace')}") from error


def check_etcd(snapshot: Path) -> None:
    """Compare a snapshot with the checksum at its end.

    Raises:
        DatastoreError: it is not whole.
        OSError: it can't be read.
    """
    size = snapshot.stat().st_size - _DIGEST_BYTES
    digest = hashlib.sha256()
    with snapshot.open("rb") as file:
        left = max(size, 0)
        while left > 0:
            block = file.read(min(left, 1 << 20))
            digest.update(block)
            left -= len(block)
        end = file.read()
    if size <= 0 or size % _PAGE_BYTES or end != digest.digest():
        raise DatastoreError(f"etcd's snapshot did not come whole ({size + _DIGEST_BYTES} bytes)")
