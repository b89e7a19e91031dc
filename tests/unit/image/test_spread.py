"""Blobs on their way: machines are processes here, and what they say to each other goes over real sockets."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from miner_cluster.images import spread
from miner_cluster.images.peer import BrokenError, Staging
from miner_cluster.images.schedule import DIRECT_BYTES
from miner_cluster.images.spread import Machine, Outcome, Spread

PROGRAM = Path(spread.__file__).with_name("peer.py")
BIG = os.urandom(1 << 20) * ((DIRECT_BYTES >> 20) + 3)
SMALL = b"code"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def opened(content: bytes) -> Iterator[IO[bytes]]:
    yield io.BytesIO(content)


class Fleet:
    """Machines with a directory each; a ctr of the tests' own gives what is in their containerd."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []
        self.blobs = {digest(content): content for content in (BIG, SMALL)}

    def machine(self, name: str, *, own: tuple[bytes, ...] = (), **changes: Any) -> Machine:
        store = self.root / name / "containerd"
        store.mkdir(parents=True)
        for content in own:
            (store / digest(content)).write_bytes(content)
        ctr = self.root / name / "ctr"
        ctr.write_text(
            f'#!/bin/sh\ntest "$1 $2 $3 $4" = "--namespace k8s.io content get" && cat {store}/"$5"\n'
        )
        ctr.chmod(0o755)
        given: dict[str, Any] = {
            "address": "127.0.0.1",
            "reach": (),
            "directory": str(self.incoming(name)),
            "ctr": [str(ctr)],
            "missing": frozenset(self.blobs) - {digest(content) for content in own},
            "holds": frozenset(digest(content) for content in own),
        }
        return Machine(name=name, **(given | changes))

    def incoming(self, name: str) -> Path:
        return self.root / name / "incoming"

    def spread(self, *machines: Machine, bytes_per_s: float | None = None) -> Outcome:
        sizes = {name: len(content) for name, content in self.blobs.items()}
        return Spread(
            sizes=sizes,
            open_blob=lambda name: opened(self.blobs[name]),
            bytes_per_s=bytes_per_s,
            tell=self.lines.append,
        ).run(machines)

    def has_all(self, name: str) -> bool:
        found = {path.name: path.read_bytes() for path in self.incoming(name).iterdir()}
        return found == {name.partition(":")[2]: content for name, content in self.blobs.items()}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


class Counted(spread._Session):
    """Counts how many sessions there are."""

    open = most = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Counted.open += 1
        Counted.most = max(Counted.most, Counted.open)

    def close(self) -> None:
        super().close()
        Counted.open -= 1


def peers() -> list[int]:
    """Return the processes of the program that are left."""
    found = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()]
    return [int(row[0]) for row in rows if "Runs on each machine while parts of images" in row[2]]


def test_a_big_blob_leaves_the_controller_once(fleet: Fleet) -> None:
    outcome = fleet.spread(*[fleet.machine(f"m{number}") for number in range(4)], bytes_per_s=2 * len(BIG))
    assert outcome.problems == {}
    assert all(fleet.has_all(f"m{number}") for number in range(4))
    assert outcome.sent_bytes < 2 * len(BIG)
    assert outcome.sent_bytes + outcome.passed_on_bytes == 4 * (len(BIG) + len(SMALL))
    assert fleet.lines[-1].startswith("images: ")


@pytest.mark.parametrize(("sessions", "passing_on"), [(1, 0), (2, 1), (3, 2)])
def test_many_machines_take_turns(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, sessions: int, passing_on: int
) -> None:
    monkeypatch.setattr(spread, "SESSIONS", sessions)
    monkeypatch.setattr(spread, "PASSING_ON", passing_on)
    monkeypatch.setattr(spread, "_Session", Counted)
    Counted.open = Counted.most = 0
    names = [f"m{number}" for number in range(6)]
    away = fleet.machine("away", reach=["false"])
    outcome = fleet.spread(away, *[fleet.machine(name) for name in names])
    assert list(outcome.problems) == ["away"]
    assert all(fleet.has_all(name) for name in names)
    assert (Counted.open, Counted.most) == (0, sessions)


def test_nothing_listens_afterwards(fleet: Fleet) -> None:
    fleet.spread(fleet.machine("a"), fleet.machine("b"))
    assert peers() == []


def test_machines_pass_on_what_is_in_their_containerd(fleet: Fleet) -> None:
    outcome = fleet.spread(fleet.machine("new"), fleet.machine("old", own=(BIG, SMALL)))
    assert outcome.problems == {}
    assert fleet.has_all("new")
    assert outcome.passed_on_bytes >= len(BIG)


def test_the_controller_steps_in_where_a_machine_does_not_have_what_it_should(fleet: Fleet) -> None:
    liar = fleet.machine("liar", own=(b"",), missing=frozenset(), holds=frozenset(fleet.blobs))
    outcome = fleet.spread(fleet.machine("new"), liar)
    assert outcome.problems == {}
    assert fleet.has_all("new")
    assert any("nothing from liar (it ended too early)" in line for line in fleet.lines)


def test_what_is_not_what_its_digest_says_is_not_taken(fleet: Fleet) -> None:
    forger = fleet.machine("forger", missing=frozenset(), holds=frozenset(fleet.blobs))
    for name, content in fleet.blobs.items():
        (fleet.root / "forger/containerd" / name).write_bytes(content[:-1] + b"!")
    outcome = fleet.spread(fleet.machine("new"), forger)
    assert outcome.problems == {}
    assert fleet.has_all("new")
    assert any("its content is not what its digest says" in line for line in fleet.lines)


def test_a_machine_without_room_is_named_and_the_others_go_on(fleet: Fleet) -> None:
    (fleet.root / "file").touch()
    broken = fleet.machine("broken", directory=str(fleet.root / "file"))
    outcome = fleet.spread(broken, fleet.machine("well"))
    assert list(outcome.problems) == ["broken"]
    assert "file" in outcome.problems["broken"]
    assert fleet.has_all("well")


def test_a_machine_without_room_for_the_import_is_named_before_anything_comes(fleet: Fleet) -> None:
    free = 3 * sum(map(len, fleet.blobs.values())) - 1
    say = json.dumps({"said": "ready", "port": 1, "have": [], "free": free})
    small = fleet.machine("small", reach=["sh", "-c", f"echo '{say}'; exec sleep 60"])
    outcome = fleet.spread(small)
    assert "with their import need" in outcome.problems["small"]
    assert outcome.sent_bytes == 0


def full(_: int) -> bytes:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_ran_full_is_not_left_full(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path / "incoming"))
    staging.begin([])
    with pytest.raises(BrokenError, match="No space left"):
        staging.take(digest(SMALL), len(SMALL), full, lambda _: None)
    assert list(staging.directory.iterdir()) == []
    assert staging.take(digest(SMALL), len(SMALL), lambda _: b"", lambda _: None)
    assert list(staging.directory.iterdir()) == []


def test_a_machine_that_can_not_take_part_keeps_nothing_that_came(tmp_path: Path) -> None:
    with Alone(tmp_path / "in") as alone:
        alone.put(SMALL)
        (tmp_path / "in" / f"{'0' * 64}.part").mkdir()  # can't be written
        order = {"do": "put", "digest": f"sha256:{'0' * 64}", "size": 1}
        alone.stdin.write(json.dumps(order).encode() + b"\nx")
        alone.stdin.flush()
        assert alone.hear()["said"] == "broken"
    assert not (tmp_path / "in").exists()


def test_a_machine_that_can_not_be_reached_is_named(fleet: Fleet) -> None:
    away = fleet.machine("away", reach=["sh", "-c", "echo ssh: no route to host >&2; exit 255"])
    outcome = fleet.spread(away, fleet.machine("well"))
    assert outcome.problems == {"away": "ssh: no route to host"}
    assert fleet.has_all("well")


def test_what_arrived_before_an_interruption_is_not_sent_again(fleet: Fleet) -> None:
    machine = fleet.machine("m")
    fleet.spread(machine)
    fleet.incoming("m").joinpath("stale").write_text("of an image that nobody wants")
    fleet.incoming("m").joinpath(digest(SMALL).partition(":")[2]).write_bytes(b"torn")
    outcome = fleet.spread(machine)
    assert outcome.sent_bytes == len(SMALL)
    assert fleet.has_all("m")


def test_the_cap_holds_for_all_machines_together(fleet: Fleet) -> None:
    fleet.blobs = {digest(content): content for content in (SMALL * 50_000, BIG[:200_000])}
    started = time.monotonic()
    outcome = fleet.spread(fleet.machine("a"), fleet.machine("b"), bytes_per_s=200_000)
    assert outcome.sent_bytes >= 400_000
    assert time.monotonic() - started >= outcome.sent_bytes / 200_000 - 0.2


def test_machines_that_died_take_nothing_of_the_cap(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[int] = []

    def wait(_: object, size: int) -> None:
        passed.append(size)
        time.sleep(0.01)

    monkeypatch.setattr("miner_cluster.images.throttle.Throttle.wait", wait)
    say = json.dumps({"said": "ready", "port": 1, "have": [], "free": 1 << 40})
    dying = fleet.machine("dying", reach=["sh", "-c", f"echo '{say}'; sleep 0.2; exit 1"])
    assert list(fleet.spread(dying, bytes_per_s=1e9).problems) == ["dying"]
    time.sleep(1)
    assert sum(passed) < len(BIG) // 2


def test_a_machine_says_how_far_it_is(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "TELL_EVERY_S", 0.2)
    fleet.blobs = {digest(SMALL * 50_000): SMALL * 50_000}
    fleet.spread(fleet.machine("a"), bytes_per_s=200_000)
    assert any(line.startswith("a: 0.") and "from the controller" in line for line in fleet.lines)


def test_a_machine_that_hangs_is_given_up(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "STALL_S", 1.0)
    say = json.dumps({"said": "ready", "port": 1, "have": [], "free": 1 << 40})
    hanging = fleet.machine("hanging", reach=["sh", "-c", f"echo '{say}'; exec sleep 60"])
    outcome = fleet.spread(hanging, fleet.machine("well"))
    assert list(outcome.problems) == ["hanging"]
    assert fleet.has_all("well")


def test_a_machine_that_hands_on_too_slowly_harms_nobody_else(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "STALL_S", 1.0)
    with trickling() as port:
        say = json.dumps({"said": "ready", "port": port, "have": [], "free": 1 << 40})
        reach = ["sh", "-c", f"echo '{say}'; exec sleep 60"]
        slow = fleet.machine("slow", reach=reach, missing=frozenset(), holds=frozenset(fleet.blobs))
        outcome = fleet.spread(slow, fleet.machine("innocent"))
    assert outcome.problems == {}
    assert fleet.has_all("innocent")
    assert any("nothing from slow (nothing moved for 1 s)" in line for line in fleet.lines)


@contextmanager
def trickling() -> Iterator[int]:
    """Return the port of one who sends a byte now and then."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(bytes(16))
            while True:
                connection.sendall(b"x")
                time.sleep(0.1)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def test_a_machine_that_never_begins_is_given_up_and_one_that_should_help_is_not_waited_for(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "BEGIN_S", 1.0)
    silent = ["sh", "-c", "exec sleep 60"]
    hanging = fleet.machine("hanging", reach=silent)
    helper = fleet.machine("helper", reach=silent, missing=frozenset(), holds=frozenset(fleet.blobs))
    outcome = fleet.spread(hanging, helper, fleet.machine("well"))
    assert outcome.problems == {"hanging": "it did not begin within 1 s"}
    assert fleet.has_all("well")


@pytest.mark.parametrize(
    "said",
    [
        {"said": "has"},
        {"said": "has", "digest": digest(b"nothing that was sent")},
        {"said": "failed", "digest": digest(SMALL), "why": "unasked"},
        {"said": "ready", "port": "none", "have": [], "free": 1},
        {"said": "ready"},
    ],
)
def test_a_machine_that_talks_nonsense_harms_itself_only(fleet: Fleet, said: dict[str, Any]) -> None:
    liar = fleet.machine("liar", reach=["sh", "-c", f"echo '{json.dumps(said)}'; exec sleep 60"])
    outcome = fleet.spread(liar, fleet.machine("well"))
    assert list(outcome.problems) == ["liar"]
    assert "makes no sense" in outcome.problems["liar"]
    assert fleet.has_all("well")


def test_a_greeting_before_the_program_speaks_is_passed_over(fleet: Fleet) -> None:
    greeting = "echo '{motd} welcome'; echo 17; echo '{}'; "
    ends = fleet.machine("ends", reach=["sh", "-c", f"{greeting} exit 1"])
    talks = fleet.machine("talks", reach=["sh", "-c", f'{greeting} eval "$0"'])
    outcome = fleet.spread(ends, talks)
    assert list(outcome.problems) == ["ends"]
    assert fleet.has_all("talks")


def test_a_blob_that_can_not_be_read_here_is_named(fleet: Fleet) -> None:
    @contextmanager
    def broken(name: str) -> Iterator[IO[bytes]]:
        raise FileNotFoundError(2, "No such file or directory", name)
        yield

    sizes = {name: len(content) for name, content in fleet.blobs.items()}
    outcome = Spread(sizes=sizes, open_blob=broken).run([fleet.machine("m")])
    assert "No such file" in outcome.problems["m"]


class Alone:
    """One machine's program, spoken to by hand."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "begin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.secret = "ab" * 32
        settings = {
            "directory": str(directory),
            "ctr": ["false"],
            "secret": self.secret,
            "address": "127.0.0.1",
            "wanted": [digest(SMALL)],
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stdin.write(b"a password\nbegin\n" + json.dumps(settings).encode() + b"\n")
        self.stdin.flush()
        self.port = self.hear()["port"]

    def hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self.stdout.readline())
        return heard

    def put(self, content: bytes) -> None:
        order = {"do": "put", "digest": digest(content), "size": len(content)}
        self.stdin.write(json.dumps(order).encode() + b"\n" + content)
        self.stdin.flush()
        assert self.hear()["said"] == "has"

    def ask(self, wish: dict[str, str]) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            file = connection.makefile("rb")
            assert len(file.read(16)) == 16
            connection.sendall(json.dumps(wish).encode() + b"\n")
            return file.read()

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.stdin.close()
        self.stdout.close()


@pytest.mark.parametrize("proof", ["", "0" * 64])
def test_nobody_without_the_secret_gets_anything(tmp_path: Path, proof: str) -> None:
    with Alone(tmp_path / "in") as alone:
        alone.put(SMALL)
        assert alone.ask({"digest": digest(SMALL), "proof": proof}) == b""


def test_the_program_ends_when_the_controller_is_gone(tmp_path: Path) -> None:
    with Alone(tmp_path / "in") as alone:
        alone.stdin.close()
        assert alone.process.wait(timeout=5) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", alone.port), timeout=5)


def test_what_arrives_is_for_root_alone(tmp_path: Path) -> None:
    with Alone(tmp_path / "in") as alone:
        alone.put(SMALL)
    assert (tmp_path / "in").stat().st_mode & 0o777 == 0o700


def test_a_killed_run_leaves_no_process(fleet: Fleet) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.unit.image.test_spread import Fleet
Fleet(Path({str(fleet.root)!r})).spread(Fleet(Path({str(fleet.root)!r})).machine("m"), bytes_per_s=1000)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as run:
        wait_for(lambda: fleet.incoming("m").exists())
        assert peers() != []
        run.send_signal(signal.SIGKILL)
    wait_for(lambda: peers() == [])


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
