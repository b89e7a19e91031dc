"""Runs on the first server, by ``python3 -c``, for as long as a run has the lock. From Python 3.8 on.

The lock is an abstract Unix socket: the kernel gives its name to one process, and takes it back when that
process ends, however it ends, so nothing is ever left over. Whoever finds it taken connects to it and reads
who has it. The process ends when its standard input does (the run ended, or was killed) and when nothing came
there for as long as the lease (the controller or the way to it is gone), by this machine's clock. Each line
that comes there is answered by one, so that the run knows that it has the lock.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import sys
import time
from typing import Any

TRIES, PAUSE_S = 50, 0.1
ANSWER_S = 2.0


def say(answer: dict[str, Any]) -> None:
    """Print one line for the keeper."""
    print(json.dumps(answer), flush=True)


def ask(address: str, *, give_way: bool) -> dict[str, Any] | None:
    """Return who has the lock and for how long, None when they are gone; tell them to give way if wanted."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(address)
            if give_way:
                connection.sendall(b"give way")
            connection.shutdown(socket.SHUT_WR)
            found: dict[str, Any] = json.loads(connection.makefile().read())
        except (OSError, ValueError):
            return None
        return found


def answered(lock: socket.socket, holder: dict[str, Any], taken_at_s: float) -> bool:
    """Tell one who asks; return whether they may have the lock taken from us, and want to."""
    connection, _ = lock.accept()
    with connection:
        connection.settimeout(ANSWER_S)
        try:
            wish = connection.makefile("rb").read()
            connection.sendall(
                json.dumps({"holder": holder, "age_s": time.monotonic() - taken_at_s}).encode()
            )
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return False
    return wish == b"give way" and struct.unpack("3i", peer)[1] in {0, os.geteuid()}


def hold(lock: socket.socket, holder: dict[str, Any], lease_s: float) -> None:
    """Keep the lock until the lease ends, standard input ends, or somebody takes it from us."""
    taken_at_s = time.monotonic()
    ends_at_s = taken_at_s + lease_s
    while True:
        left_s = max(0.0, ends_at_s - time.monotonic())
        ready = select.select([0, lock.fileno()], [], [], left_s)[0]
        if not ready or (0 in ready and not os.read(0, 4096)):
            return
        if 0 in ready:
            ends_at_s = time.monotonic() + lease_s
            say({"state": "taken"})
        if lock.fileno() in ready and answered(lock, holder, taken_at_s):
            return


def main(name: str, holder_json: str, lease: str, wish: str) -> None:
    """Take the lock and hold it, or say who has it.

    Args:
        name: of the lock.
        holder_json: who takes it.
        lease: how many seconds it is held after the last line of standard input.
        wish: to "ask" for it, to "break" it whoever has it, or "again" to have it from a session of the same
            run, whose connection was lost and which doesn't know that yet; or only to "look" who has it.
    """
    address, holder, found = f"\0{name}", json.loads(holder_json), None
    if wish == "look":
        say(ask(address, give_way=False) or {})
        return
    with socket.socket(socket.AF_UNIX) as lock:
        for _ in range(TRIES):
            try:
                lock.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                lock.listen()
                say({"state": "taken"})
                hold(lock, holder, float(lease))
                return
            found = ask(address, give_way=wish == "break") or found
            ours = found is not None and found["holder"]["run"] == holder["run"]
            if ours and wish == "again":
                ask(address, give_way=True)
            elif ours:
                say({"state": "ours"})
                return
            elif found and wish != "break":
                break
            time.sleep(PAUSE_S)
    say({"state": "held", **(found or {"holder": {}, "age_s": 0})})


if __name__ == "__main__":
    main(*sys.argv[1:])
