"""The archive itself: texts without secrets, in a file that only its owner can read."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from miner_cluster.support.redact import Redactor


def write(path: Path, texts: Iterable[tuple[str, str]], redactor: Redactor) -> int:
    """Write texts into a new archive below a directory of its name, and return how many.

    Raises:
        OSError: it can't be written, or is there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    top, count = path.name.partition(".")[0], 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in texts:
            content = redactor.clean(text).encode("utf-8", "replace")
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
            count += 1
    return count
