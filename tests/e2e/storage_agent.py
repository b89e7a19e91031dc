"""Runs on a node: does one file operation for each line of JSON it is told, and answers with one line.

It is sent there as text, so it needs nothing but Python's own library. A file is written only where the
shared file system is really mounted, as the workers do it.
"""

import hashlib
import json
import os
import random
import sys


def content(seed: int, size: int) -> bytes:
    """Return the bytes of a file, which follow from its seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


def write(path: str, seed: int, size: int) -> str:
    """Write a new file; it is acknowledged by this function's return, closed and synced."""
    parent = os.path.dirname(path)  # noqa: PTH120 - the tests' style does not matter on the node
    mount = os.path.dirname(parent)  # noqa: PTH120
    if os.stat(mount).st_dev == os.stat(os.path.dirname(mount)).st_dev:  # noqa: PTH116, PTH120
        raise OSError("nothing is mounted")
    os.makedirs(parent, exist_ok=True)  # noqa: PTH103
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        if os.fstat(descriptor).st_dev != os.stat(mount).st_dev:  # noqa: PTH116
            raise OSError("written beneath the mount")
        left = memoryview(content(seed, size))
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return ""


def read(path: str) -> str:
    """Return a file's checksum, without what the kernel still has of it."""
    with open(path, "rb") as stream:  # noqa: PTH123
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.sha256(stream.read()).hexdigest()


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        writing = order.pop("do") == "write"
        try:
            answer = {"sha256": write(**order) if writing else read(**order), "error": ""}
        except OSError as error:
            answer = {"sha256": "", "error": error.strerror or str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
