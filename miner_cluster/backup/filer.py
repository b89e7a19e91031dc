"""The names of the shared storage: saved from the filer and loaded into one, by ``weed shell`` in a pod.

Of each file the filer knows where its pieces lie, and nothing else: the pieces are on the machines' disks
and are no part of a backup. So names come back as files only where the volumes still are.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.filer_meta import Entry, read, without
from miner_cluster.backup.pods import Pod

FILE = "filer/meta"
#: loading has been seen to leave out the last file; what is missing is loaded again
_ATTEMPTS = 4
#: weed shell says `error` and ends well all the same; it drops what it has not finished when its input ends
_SHELL = """
run() { { cat; sleep "$LINGER"; } | weed shell -master="$MASTER" -filer="$FILER"; }
"""
_SAVE = """
file=$(mktemp /tmp/meta.XXXXXX); trap 'rm -f "$file"' EXIT
printf 'fs.meta.save -o %s /\\n' "$file" | run >&2
cat "$file"
"""
_LOAD = """
file=$(mktemp /tmp/meta.XXXXXX); trap 'rm -f "$file"' EXIT
cat >"$file"
printf 'fs.meta.load -v=false -concurrency=1 %s\\n' "$file" | run
"""
_COMMAND = """
printf '%s\\n' "$COMMAND" | run
"""
_VOLUME = re.compile(r"volume id:(\d+)", re.IGNORECASE)
_VERIFIED = re.compile(r"verified (\d+) files, error (\d+) files")
_SAVED = re.compile(r"total (\d+) directories, (\d+) files")
#: seconds that the shell's input stays open after the last command
_LINGER_S = 3


@dataclass(frozen=True, kw_only=True)
class Filer:
    """The pod that has ``weed shell`` and a certificate for it, and how master and filer are called."""

    pod: Pod
    master: str
    address: str

    def shell(self, script: str, command: str = "") -> list[str]:
        """Return the arguments that run a script in the pod."""
        values = {"MASTER": self.master, "FILER": self.address, "COMMAND": command, "LINGER": str(_LINGER_S)}
        given = [f"{name}={value}" for name, value in values.items()]
        return ["env", *given, "sh", "-euc", _SHELL + script]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was saved: how many directories and files, and in which volumes their pieces lie."""

    directories: int
    files: int
    volumes: list[int]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What came of loading: files with all their pieces, files without, and names that were left out."""

    changed: bool
    readable: int
    unreadable: int
    renamed: int


def facts(entries: Collection[Entry]) -> Facts:
    """Count."""
    files = [entry for entry in entries if not entry.is_directory]
    return Facts(
        directories=len(entries) - len(files),
        files=len(files),
        volumes=sorted(set().union(*(entry.volumes for entry in files))),
    )


def save(filer: Filer, backup: Path) -> dict[str, object]:
    """Save the filer's metadata into a backup and return its facts.

    Raises:
        BackupError: the shell fails, or what it saved is not all.
        OSError: the file can't be written.
    """
    return asdict(facts(_saved(filer, backup / FILE)))


def look(filer: Filer) -> list[Entry]:
    """Return what the filer knows now.

    Raises:
        BackupError: the shell fails.
    """
    with tempfile.TemporaryDirectory(prefix="data-miner-") as directory:
        return _saved(filer, Path(directory) / "meta")


def refuse(
    wanted: Collection[Entry],
    there: Collection[Entry],
    volumes: Collection[int],
    *,
    overwrite: bool,
    without_data: bool,
) -> None:
    """Check that names can be loaded.

    Args:
        wanted: the names in the backup.
        there: the names that the filer knows.
        volumes: numbers of the volumes that are there.
        overwrite: whether files may be replaced by those of the backup that have their names.
        without_data: whether names may come back whose files can't be read.

    Raises:
        BackupError: they can't.
    """
    lost = [entry for entry in wanted if entry.volumes - set(volumes)]
    if lost and not without_data:
        gone = sorted(set().union(*(entry.volumes for entry in lost)) - set(volumes))
        raise BackupError(
            f"{len(lost)} of {facts(wanted).files} files of the backup lie in volumes that are not there "
            f"({', '.join(map(str, gone))}): they would have names and could not be read. Nothing changed: "
            "start the machines that have these volumes and try again; or leave the names out: "
            "--skip-tags filer; or have them all the same: -e without_data=true"
        )
    known = {entry.path: entry.chunks for entry in wanted}
    others = [entry for entry in there if entry.chunks and known.get(entry.path) != entry.chunks]
    if others and not overwrite:
        raise BackupError(
            f"The shared storage is not empty: it has {len(others)} files that the backup has not, or has "
            f"otherwise, such as {others[0].path}. Nothing was changed; to load the backup's names over them "
            "(other names stay): -e overwrite=true"
        )


def volumes(filer: Filer) -> set[int]:
    """Return the numbers of the volumes that the master knows.

    Raises:
        BackupError: the shell fails.
    """
    return {int(number) for number in _VOLUME.findall(_command(filer, "volume.list"))}


def load(filer: Filer, backup: Path) -> Loaded:
    """Load the backup's names, until all are there, and count which files can be read.

    Earlier names of files that have another one by now are left out.

    Raises:
        BackupError: the shell fails, or some names don't come.
        OSError: the backup can't be read.
    """
    saved, there = read(backup / FILE), look(filer)
    old = outdated(saved, there)
    wanted = [entry for entry in saved if entry.path not in old]
    missing = _missing(wanted, there)
    changed = bool(missing)
    with tempfile.TemporaryDirectory(prefix="data-miner-") as directory:
        chosen = Path(directory) / "meta"
        chosen.write_bytes(without((backup / FILE).read_bytes(), old))
        for _ in range(_ATTEMPTS):
            if not missing:
                break
            _refuse_errors(filer.pod.load(chosen, *filer.shell(_LOAD)))
            missing = _missing(wanted, look(filer))
    if missing:
        raise BackupError(
            f"{len(missing)} names were not taken, such as {missing[0].path}; see the filer's log"
        )
    said = _command(filer, "fs.verify /")
    if not (match := _VERIFIED.search(said)):
        raise BackupError(f"weed shell does not say what it verified: {said[-300:]}")
    return Loaded(changed=changed, readable=int(match[1]), unreadable=int(match[2]), renamed=len(old))


def outdated(saved: Sequence[Entry], there: Collection[Entry]) -> set[str]:
    """Return the paths in a backup whose pieces another name has: they were renamed.

    The filer counts no references: removing the one name would take the pieces from the other. While names
    are saved files are renamed, so one may have been seen under both, the later one last.
    """
    owner = {chunk: entry.path for entry in saved if not entry.linked for chunk in entry.chunks}
    owner |= {chunk: entry.path for entry in there if not entry.linked for chunk in entry.chunks}
    return {
        entry.path
        for entry in saved
        if not entry.linked and any(owner[chunk] != entry.path for chunk in entry.chunks)
    }


def _missing(wanted: Sequence[Entry], there: Collection[Entry]) -> list[Entry]:
    known = {entry.path: entry for entry in there}
    return [entry for entry in wanted if known.get(entry.path) != entry]


def _saved(filer: Filer, path: Path) -> list[Entry]:
    said = filer.pod.save(path, *filer.shell(_SAVE))
    _refuse_errors(said)
    entries = read(path)
    found = facts(entries)
    match = _SAVED.search(said)
    if not match or (int(match[1]), int(match[2])) != (found.directories, found.files):
        raise BackupError(
            f"The filer's metadata did not come whole: {found.directories} directories, {found.files} files, "
            f"and weed shell says: {said[-300:]}"
        )
    return entries


def _command(filer: Filer, command: str) -> str:
    said = filer.pod.text(*filer.shell(_COMMAND, command))
    if "fs.verify" not in command:  # whose errors are counted, not fatal
        _refuse_errors(said)
    return said


def _refuse_errors(said: str) -> None:
    wrong = [line for line in said.splitlines() if line.startswith(("error:", "unknown command"))]
    if wrong:
        raise BackupError(f"weed shell says: {wrong[0]}; see the pods: kubectl get pods -A")
