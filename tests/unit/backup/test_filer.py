"""Reading what the filer saves, and when it may be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.backup import filer, filer_meta
from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.filer_meta import Entry
from miner_cluster.backup.pods import Pod

#: two directories and a file, as `weed shell` 4.48 wrote them
SAVED = bytes.fromhex(
    "0000002d0a012f12281001222410d1ad9ed80618ed8380800830d1ad9ed806900180"
    "92b8c398feffffff01980 1a2e5d427".replace(" ", "")
    + "0000004a0a012f12450a036f75741001223c10d4ad9ed80618f98380800830d4ad9ed8068801bce3c39086"
    "9dfdd64390018092b8c398feffffff019801bbeec674b001d4ad9ed806b801bbeec674"
)


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def encoded(entry: Entry) -> bytes:
    """A record as SeaweedFS writes it, with some of the fields that we don't read."""
    directory, _, name = entry.path.rpartition("/")
    chunks = [
        field(3, field(1, chunk.encode()) + field(2, 1 << 40) + varint(7 << 3 | 5) + b"\0" * 4)
        for chunk in entry.chunks
    ]
    inner = field(1, name.encode()) + (field(2, 1) if entry.is_directory else b"") + b"".join(chunks)
    link = field(7, b"\x01link") if entry.linked else b""
    message = field(1, (directory or "/").encode()) + field(2, inner + field(4, b"\x08\x07") + link)
    return len(message).to_bytes(4, "big") + message


names = st.text(st.characters(blacklist_characters="/", blacklist_categories=["Cs"]), min_size=1, max_size=9)
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
chunk_ids = st.builds(
    "{},{:x}".format, st.integers(min_value=1, max_value=10**6), st.integers(min_value=0, max_value=1 << 60)
)
files = st.builds(
    Entry,
    path=paths,
    is_directory=st.just(False),
    chunks=st.lists(chunk_ids, max_size=4).map(tuple),
    linked=st.booleans(),
)
directories = st.builds(Entry, path=paths, is_directory=st.just(True), chunks=st.just(()))
saved = st.lists(st.one_of(files, directories), max_size=6)


def test_what_the_real_program_wrote_is_read() -> None:
    assert list(filer_meta.entries(SAVED)) == [
        Entry(path="/", is_directory=True, chunks=()),
        Entry(path="/out", is_directory=True, chunks=()),
    ]


@given(saved)
def test_any_names_and_pieces_are_read_back(entries: list[Entry]) -> None:
    assert list(filer_meta.entries(b"".join(map(encoded, entries)))) == entries


@given(saved, st.data())
def test_names_are_left_out_and_the_others_stay_as_they_are(
    entries: list[Entry], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from([entry.path for entry in entries] or ["/"])))
    rest = b"".join(encoded(entry) for entry in entries if entry.path not in gone)
    assert filer_meta.without(b"".join(map(encoded, entries)), gone) == rest


@given(saved.filter(bool), st.data())
def test_what_was_cut_off_is_refused_wherever_it_was_cut(entries: list[Entry], data: st.DataObject) -> None:
    records = [encoded(entry) for entry in entries]
    whole = b"".join(records)
    borders = {sum(map(len, records[:n])) for n in range(len(records) + 1)}
    end = data.draw(st.integers(min_value=1, max_value=len(whole) - 1).filter(lambda n: n not in borders))
    with pytest.raises(ValueError, match="too early"):
        list(filer_meta.entries(whole[:end]))


def test_another_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "meta").write_bytes(b"error: list /: rpc error")
    with pytest.raises(BackupError, match="is no metadata of a filer, or not all of it"):
        filer_meta.read(tmp_path / "meta")


def entry(path: str, *chunks: str) -> Entry:
    return Entry(path=path, is_directory=not chunks, chunks=chunks)


BACKUP = [entry("/d"), entry("/d/a", "1,01", "2,02"), entry("/d/b", "3,03")]


def test_the_facts_count_files_and_name_their_volumes() -> None:
    assert filer.facts(BACKUP) == filer.Facts(directories=1, files=2, volumes=[1, 2, 3])


def refuse(there: list[Entry], volumes: set[int], **options: bool) -> None:
    filer.refuse(BACKUP, there, volumes, **({"overwrite": False, "without_data": False} | options))


def test_names_are_loaded_where_all_volumes_are_and_nothing_else_is() -> None:
    refuse([], {1, 2, 3, 4})
    refuse([entry("/d"), entry("/other")], {1, 2, 3})
    refuse(BACKUP[:2], {1, 2, 3})


def test_files_whose_volumes_are_lost_are_counted_and_not_loaded_unless_asked_for() -> None:
    with pytest.raises(
        BackupError, match=r"1 of 2 files .* volumes that are not there \(2\).*--skip-tags filer"
    ):
        refuse([], {1, 3})
    refuse([], {1, 3}, without_data=True)


@pytest.mark.parametrize("other", [entry("/d/new", "3,09"), entry("/d/a", "1,01")])
def test_a_storage_with_other_files_is_left_alone_unless_told(other: Entry) -> None:
    with pytest.raises(BackupError, match=rf"1 files .* such as {other.path}.*-e overwrite=true"):
        refuse([other], {1, 2, 3})
    refuse([other], {1, 2, 3}, overwrite=True)


def test_a_file_that_was_renamed_since_gets_no_second_name() -> None:
    """Removing either would take the pieces from the other."""
    there = [entry("/d"), entry("/d/new", "1,01", "2,02"), BACKUP[2]]
    assert filer.outdated(BACKUP, there) == {"/d/a"}
    assert filer.outdated(BACKUP, BACKUP) == set()
    assert filer.outdated(BACKUP, []) == set()


def test_of_a_file_that_was_renamed_while_names_were_saved_the_later_name_counts() -> None:
    assert filer.outdated([entry("/unfinished/a", "1,01"), entry("/videos/a", "1,01")], []) == {
        "/unfinished/a"
    }
    saved = [entry("/unfinished/a", "1,01"), entry("/videos/a", "1,01")]
    assert filer.outdated(saved, [saved[0]]) == {"/videos/a"}


def test_names_of_a_hard_link_may_share_their_pieces() -> None:
    links = [Entry(path=path, is_directory=False, chunks=("1,01",), linked=True) for path in ("/a", "/b")]
    assert filer.outdated(links, links[:1]) == set()


class Shell(Pod):
    """A filer in memory, asked through `weed shell`."""

    def __init__(self, *there: Entry) -> None:
        super().__init__(kubectl=Path("kubectl"), namespace="seaweedfs", name="master-0", container="master")
        object.__setattr__(self, "names", {entry.path: entry for entry in there})

    names: dict[str, Entry]

    def save(self, path: Path, *argv: str) -> str:
        assert "fs.meta.save" in argv[-1]
        path.write_bytes(b"".join(map(encoded, self.names.values())))
        directories = sum(entry.is_directory for entry in self.names.values())
        return f"total {directories} directories, {len(self.names) - directories} files"

    def load(self, path: Path, *argv: str) -> str:
        assert "fs.meta.load" in argv[-1]
        self.names.update({entry.path: entry for entry in filer_meta.read(path)})
        return ""

    def text(self, *argv: str, stdin: str = "") -> str:
        assert "COMMAND=fs.verify /" in argv
        return f"verified {len(self.names)} files, error 0 files"


def test_what_is_loaded_are_the_names_of_the_backup_but_for_outdated_ones(tmp_path: Path) -> None:
    (tmp_path / "filer").mkdir()
    (tmp_path / filer.FILE).write_bytes(b"".join(map(encoded, BACKUP)))
    shell = Shell(entry("/d"), entry("/d/new", "1,01", "2,02"))
    loaded = filer.load(filer.Filer(pod=shell, master="m", address="f"), tmp_path)
    assert sorted(shell.names) == ["/d", "/d/b", "/d/new"]
    assert (loaded.changed, loaded.renamed) == (True, 1)
