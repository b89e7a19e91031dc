"""Runs on each machine while parts of images travel, by ``python3 -c``. From Python 3.8 on.

Takes blobs from the controller through its standard input, or from another machine, and hands on what it
has, to whoever knows the secret of the run. Nothing is kept that is not what its digest says. The process
ends, and nothing listens any more, when its standard input does (the run ended, or was killed) and when
nothing came there for as long as the lease (the controller or the way to it is gone).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

LEASE_S = 60.0
#: after so long without a byte the other side counts as gone
STALL_S = 15.0
CONNECT_S = 5.0
TELL_EVERY_S = 1.0
CHUNK = 1 << 18
NONCE_BYTES = 16
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BrokenError(Exception):
    """This machine can't take part any more; the text says why."""


class LostError(Exception):
    """Another machine does not answer any more; the text says why."""


class Staging:
    """The directory of blobs that arrived; a file has the name of its digest once it is whole."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)

    def begin(self, wanted: list[str]) -> list[str]:
        """Make the directory, remove what nobody wants, and return what is there whole."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            for path in list(self.directory.iterdir()):
                if f"sha256:{path.name}" not in wanted or not self._is_whole(path):
                    path.unlink()
        except OSError as error:
            raise BrokenError(f"{error.filename}: {error.strerror}") from error
        return [f"sha256:{path.name}" for path in self.directory.iterdir()]

    def path(self, digest: str) -> Path:
        """Return where a blob lies."""
        return self.directory / digest.partition(":")[2]

    def take(self, digest: str, size: int, read: Callable[[int], bytes], tell: Callable[[int], None]) -> str:
        """Read a blob to its end, and return what is wrong with it. What is not whole does not stay.

        Raises:
            BrokenError: it can't be written.
        """
        part = self.path(f"{digest}.part")
        try:
            why = self._fill(part, digest, size, read, tell)
            if not why:
                part.rename(self.path(digest))
        except OSError as error:
            raise BrokenError(f"{self.directory}: {error.strerror}") from error
        finally:
            with suppress(OSError):  # it is whole, or never was there
                part.unlink()
        return why

    def clear(self) -> None:
        """Remove everything: this machine can't take part, perhaps because its disk is full of it."""
        shutil.rmtree(str(self.directory), ignore_errors=True)

    def _fill(
        self,
        part: Path,
        digest: str,
        size: int,
        read: Callable[[int], bytes],
        tell: Callable[[int], None],
    ) -> str:
        found = hashlib.sha256()
        left = size
        with part.open("wb") as file:
            while left and (chunk := read(min(left, CHUNK))):
                found.update(chunk)
                file.write(chunk)
                left -= len(chunk)
                tell(size - left)
        if left:
            return "it ended too early"
        if f"sha256:{found.hexdigest()}" != digest:
            return "its content is not what its digest says"
        return ""

    def _is_whole(self, path: Path) -> bool:
        if path.suffix:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == path.name


class Peer:
    """One machine among those that exchange blobs."""

    def __init__(self, settings: dict[str, Any], source: BinaryIO) -> None:
        self.staging = Staging(settings["directory"])
        self.ctr: list[str] = settings["ctr"]
        self.secret = bytes.fromhex(settings["secret"])
        self.address: str = settings["address"]
        self.source = source
        self.heard_s = time.monotonic()
        self.voice = threading.Lock()
        #: through which something is taken, and why that was given up
        self.taking: socket.socket | None = None
        self.given_up = ""

    def say(self, **words: Any) -> None:
        """Tell the controller."""
        with self.voice:
            print(json.dumps(words), flush=True)

    def watch(self) -> None:
        """End the process when the lease has run out."""
        while time.monotonic() - self.heard_s < LEASE_S:
            time.sleep(1)
        os._exit(1)

    def listen(self) -> socket.socket:
        """Return a socket at the address by which others know us, else at all of them."""
        listener = socket.socket()
        try:
            listener.bind((self.address, 0))
        except OSError:  # it is translated on the way
            listener.bind(("", 0))
        listener.listen(64)
        return listener

    def serve(self, listener: socket.socket) -> None:
        """Hand on blobs until the process ends."""
        while True:
            connection, _ = listener.accept()
            start(self.hand_on, connection)

    def hand_on(self, connection: socket.socket) -> None:
        """Send a blob to one who proves to know the secret; nothing else is answered."""
        with connection, suppress(OSError, ValueError, KeyError):
            connection.settimeout(STALL_S)
            nonce = os.urandom(NONCE_BYTES)
            connection.sendall(nonce)
            wish = json.loads(connection.makefile("rb").readline(1000))
            digest = wish["digest"]
            if not hmac.compare_digest(proof(self.secret, nonce, digest), wish["proof"]):
                return
            if not _DIGEST.fullmatch(digest):
                return
            if self.staging.path(digest).exists():
                with self.staging.path(digest).open("rb") as file:
                    connection.sendfile(file)
            else:
                self.hand_on_own(connection, digest)

    def hand_on_own(self, connection: socket.socket, digest: str) -> None:
        """Send a blob out of containerd's store."""
        argv = [*self.ctr, "--namespace", "k8s.io", "content", "get", digest]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            output = process.stdout
            try:
                while output is not None and (chunk := output.read(CHUNK)):
                    connection.sendall(chunk)
            finally:
                process.kill()

    def get(self, digest: str, size: int, host: str, port: int) -> None:
        """Take a blob from another machine."""
        try:
            with socket.create_connection((host, port), timeout=CONNECT_S) as connection:
                connection.settimeout(STALL_S)
                self.taking = connection
                file = connection.makefile("rb")
                nonce = file.read(NONCE_BYTES)
                wish = {"digest": digest, "proof": proof(self.secret, nonce, digest)}
                connection.sendall(json.dumps(wish).encode() + b"\n")
                why = self.staging.take(digest, size, from_network(file.read), self.teller(digest))
        except LostError as error:
            why = str(error)
        except OSError as error:
            why = reason(error)
        self.taking = None
        self.answer(digest, why and (self.given_up or why))

    def give_up(self, why: str) -> None:
        """End what is taken from another machine."""
        self.given_up = why
        if self.taking is not None:
            with suppress(OSError):
                self.taking.shutdown(socket.SHUT_RDWR)

    def teller(self, digest: str) -> Callable[[int], None]:
        """Return what tells the controller now and then how far a blob is."""
        told_s = time.monotonic()

        def tell(done: int) -> None:
            nonlocal told_s
            if time.monotonic() - told_s > TELL_EVERY_S:
                told_s = time.monotonic()
                self.say(said="got", digest=digest, bytes=done)

        return tell

    def answer(self, digest: str, why: str) -> None:
        """Say how the transfer of a blob ended."""
        self.say(said="failed" if why else "has", digest=digest, why=why)

    def read(self, size: int) -> bytes:
        """Read from the controller."""
        chunk = self.source.read(size)
        self.heard_s = time.monotonic()
        return chunk

    def obey(self, order: dict[str, Any]) -> None:
        """Do what the controller says; what takes bytes from its own input is done before the next order."""
        if order["do"] == "put":
            why = self.staging.take(order["digest"], order["size"], self.read, lambda _: None)
            self.answer(order["digest"], why)
        elif order["do"] == "give_up":
            self.give_up(order["why"])
        elif order["do"] == "get":
            self.given_up = ""
            start(self.guarded, self.get, order["digest"], order["size"], order["host"], order["port"])

    def guarded(self, task: Callable[..., None], *arguments: Any) -> None:
        """Do something, and end the process where this machine can't go on."""
        try:
            task(*arguments)
        except BrokenError as error:
            self.staging.clear()
            self.say(said="broken", why=str(error))
            os._exit(1)

    def run(self, wanted: list[str]) -> None:
        """Take part until the controller is gone."""
        have = self.staging.begin(wanted)
        listener = self.listen()
        start(self.watch)
        start(self.serve, listener)
        free = shutil.disk_usage(self.staging.directory).free
        self.say(said="ready", port=listener.getsockname()[1], have=have, free=free)
        while line := self.source.readline():
            self.heard_s = time.monotonic()
            self.obey(json.loads(line))


def proof(secret: bytes, nonce: bytes, digest: str) -> str:
    """Return what only somebody who knows the secret can tell of a connection's nonce."""
    return hmac.new(secret, nonce + digest.encode(), hashlib.sha256).hexdigest()


def reason(error: OSError) -> str:
    """Return why the network failed."""
    if isinstance(error, socket.timeout):
        return "no answer"
    return str(error.strerror or error).lower()


def from_network(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Return a function that tells what the network does to it from what a disk does."""

    def guarded(size: int) -> bytes:
        try:
            return read(size)
        except OSError as error:
            raise LostError(reason(error)) from error

    return guarded


def start(task: Callable[..., None], *arguments: Any) -> None:
    """Run something beside the rest."""
    threading.Thread(target=task, args=arguments, daemon=True).start()


def main(marker: str) -> None:
    """Wait for the marker, before which sudo may leave a password that it did not need, and take part."""
    source = sys.stdin.buffer
    for line in source:
        if line.strip() == marker.encode():
            break
    settings = json.loads(source.readline())
    peer = Peer(settings, source)
    peer.guarded(peer.run, settings["wanted"])
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
