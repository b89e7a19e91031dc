"""A volume server leaves only when all that it held lies elsewhere, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from miner_cluster.kube.api import KubeError, Object
from miner_cluster.kube.prune import EMPTIED
from miner_cluster.seaweedfs.leaving import Departure, find, replication_in_use
from miner_cluster.seaweedfs.replication import place
from miner_cluster.seaweedfs.shell import WeedShell
from miner_cluster.seaweedfs.topology import Server, Volume, name_of
from tests.modules import load_module
from tests.unit.cluster.conftest import lab
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

NAMESPACE = "data-miner"
NAMES = ("volume-one", "volume-two", "volume-three")


def address(name: str) -> str:
    return f"{name}-0.{name}.{NAMESPACE}:8080"


def statefulset(name: str) -> Object:
    made = obj("StatefulSet", name)
    made["metadata"]["labels"]["app.kubernetes.io/component"] = "volume"
    return made


def pod(name: str) -> Object:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "volume", "containerID": "containerd://1"}],
    }
    return obj("Pod", f"{name}-0", status=status)


class Storage(WeedShell):
    """SeaweedFS in memory, asked in the words of its shell."""

    def __init__(self, slots: int = 9) -> None:
        super().__init__(kubectl=Path("kubectl"), namespace=NAMESPACE)
        servers = {
            name: Server(address=address(name), place=place(None, None), slots=slots) for name in NAMES
        }
        object.__setattr__(self, "all", servers)
        object.__setattr__(self, "known", set(NAMES))
        object.__setattr__(self, "done", list[str]())
        object.__setattr__(self, "before", dict[str, Callable[[], None]]())

    all: dict[str, Server]
    known: set[str]
    done: list[str]
    #: by the first word of a command, what happens just before it
    before: dict[str, Callable[[], None]]

    def put(self, number: int, *names: str, replication: str = "001", empty: bool = False) -> None:
        for name in names:
            self.all[name].volumes.append(
                Volume(id=number, size_bytes=1 << 20, replication=replication, empty=empty)
            )

    def numbers(self, name: str) -> list[int]:
        return sorted(volume.id for volume in self.all[name].volumes)

    def exec(self, pod: str, command: Sequence[str], *, stdin: str = "", timeout_s: float = 60) -> str:
        assert timeout_s > 0
        if command[0] == "ls":
            return "\n".join(f"{number}.dat\n{number}.idx" for number in self.numbers(pod[:-2]))
        assert pod == "master-0"
        return "".join(self._shell(line.split()) for line in stdin.splitlines())

    def _shell(self, words: list[str]) -> str:
        if hook := self.before.pop(words[0], None):
            hook()
        self.done.append(words[0])
        options = dict(zip(words[1::2], words[2::2], strict=False))
        if words[0] == "volume.list":
            return self._list()
        if words[0] == "volume.move":
            source, target = (self.all[name_of(options[side])] for side in ("-source", "-target"))
            (moved,) = (one for one in source.volumes if str(one.id) == options["-volumeId"])
            source.volumes.remove(moved)
            target.volumes.append(moved)
        if words[0] == "volume.vacuum":
            wanted = int(words[1].partition("=")[2])
            for server in self.all.values():
                server.volumes = [
                    replace(volume, size_bytes=8) if volume.empty and volume.id == wanted else volume
                    for volume in server.volumes
                ]
        if words[0] == "volume.deleteEmpty":
            assert "-apply" in words
            for server in self.all.values():
                server.volumes = [volume for volume in server.volumes if not volume.cleared]
        if words[0] == "volumeServer.leave":
            self.known.discard(name_of(options["-node"]))
        return ""

    def _list(self) -> str:
        lines = ["Topology volumeSizeLimit:64 MB", "DataCenter d hdd(volume:", "Rack r hdd(volume:"]
        for name in sorted(self.known):
            one = self.all[name]
            lines.append(f"DataNode {one.address} hdd(volume:{len(one.volumes)}/{one.slots} active:0)")
            lines += [
                f"volume Id:{v.id}, Size:{v.size_bytes}, ReplicaPlacement:{v.replication}, Collection:, "
                f"FileCount:6, DeleteCount:{6 if v.empty else 2}, DeletedByteCount:0"
                for v in one.volumes
            ]
        return "\n".join(lines) + "\n"


class Cluster(FakeApi):
    """An API whose pods start again when they are deleted, and are then known to the master again."""

    def __init__(self, storage: Storage, *objects: Object) -> None:
        super().__init__(*objects)
        self.storage = storage

    def raw(self, method: str, path: str, body: object = None, *, content: str = "", **query: str) -> bytes:
        if method == "DELETE" and "/pods/" in path:
            self.requests.append((method, path, content))
            self.storage.known.add(path.rpartition("/")[2][:-2])
            return b"{}"
        if method == "PATCH" and isinstance(body, dict) and "labels" not in body["metadata"]:
            annotations = self.objects[path]["metadata"].setdefault("annotations", {})
            for name, value in body["metadata"]["annotations"].items():
                annotations.pop(name) if value is None else annotations.update({name: value})
            return b"{}"
        return super().raw(method, path, body, content=content, **query)


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def api(storage: Storage) -> Cluster:
    return Cluster(storage, *(make(name) for name in NAMES for make in (statefulset, pod)))


def leave(api: Cluster, storage: Storage, *, lost: Sequence[str] = (), wanted: str = "001") -> int:
    sets = find(api, NAMESPACE, set(NAMES[:2]))
    quiet = {"say": lambda _: None, "sleep": lambda _: storage.done.append("wait")}
    departure = Departure(api=api, shell=storage, replication=wanted, lost=lost, **quiet)
    moved = departure.empty(sets.leaving)
    assert find(api, NAMESPACE, set(NAMES[:2])).leaving == {}
    return moved


def test_everything_moves_and_the_server_may_go(api: Cluster, storage: Storage) -> None:
    storage.put(1, "volume-one", "volume-three")
    storage.put(2, "volume-two", "volume-three")
    assert leave(api, storage) == 2
    assert [storage.numbers(name) for name in NAMES] == [[1, 2], [1, 2], []]
    assert storage.known == set(NAMES[:2])


def test_nothing_moves_where_not_everything_fits(api: Cluster, storage: Storage) -> None:
    storage.all["volume-one"].slots = storage.all["volume-two"].slots = 1
    for number in (1, 2, 3):
        storage.put(number, "volume-three", replication="000")
    with pytest.raises(KubeError, match=r"3 volumes must leave volume-three, and 1 of them.*None were moved"):
        leave(api, storage, wanted="000")
    assert storage.numbers("volume-three") == [1, 2, 3]
    assert "volume.move" not in storage.done


def test_volumes_whose_files_were_all_deleted_make_room(api: Cluster, storage: Storage) -> None:
    storage.all["volume-one"].slots = storage.all["volume-two"].slots = 1
    storage.put(1, "volume-one", "volume-two", empty=True)
    for number in (2, 3):
        storage.put(number, "volume-three", replication="000")
    departure = Departure(api=api, shell=storage, say=lambda _: None, replication="000")
    assert departure.planned(["volume-three"]) == "2 volumes would move off volume-three"
    assert storage.numbers("volume-one") == [1]
    assert leave(api, storage, wanted="000") == 2
    assert sorted(storage.numbers(name) for name in NAMES) == [[], [2], [3]]
    cleared = storage.done.index("volume.vacuum")
    assert storage.done[cleared + 1 :][:4] == ["unlock", "wait", "lock", "volume.deleteEmpty"]


def test_empty_volumes_stay_where_all_others_fit(api: Cluster, storage: Storage) -> None:
    storage.put(1, "volume-one", empty=True)
    storage.put(2, "volume-two", "volume-three")
    assert leave(api, storage) == 1
    assert "volume.deleteEmpty" not in storage.done


def test_a_place_that_somebody_took_is_looked_for_again(api: Cluster, storage: Storage) -> None:
    def full() -> None:
        raise KubeError("weed shell failed: copy volume 1: no space left for disk type hdd")

    storage.all["volume-one"].slots = 20
    storage.put(1, "volume-three")
    storage.before["volume.move"] = full
    assert leave(api, storage) == 1
    assert [storage.numbers(name) for name in NAMES] == [[], [1], []]
    assert storage.done.count("wait") == 1


def test_a_disk_that_stays_full_is_named(api: Cluster, storage: Storage) -> None:
    def full() -> None:
        storage.before["volume.move"] = full
        raise KubeError("weed shell failed: copy volume 1: no space left for disk type hdd")

    storage.put(1, "volume-three")
    storage.before["volume.move"] = full
    with pytest.raises(
        KubeError, match=r"volume-(one|two) says that it has no space left for volume 1, 0 vol"
    ):
        leave(api, storage)
    assert storage.numbers("volume-three") == [1]
    assert "volumeServer.leave" not in storage.done


def test_what_is_written_meanwhile_moves_too(api: Cluster, storage: Storage) -> None:
    storage.put(1, "volume-three")
    storage.before["volume.move"] = lambda: storage.put(2, "volume-three")
    assert leave(api, storage) == 2
    assert storage.numbers("volume-three") == []


def test_what_arrives_as_the_server_leaves_brings_it_back_and_moves(api: Cluster, storage: Storage) -> None:
    storage.before["volumeServer.leave"] = lambda: storage.put(2, "volume-three")
    assert leave(api, storage) == 1
    assert storage.numbers("volume-three") == []
    assert storage.done.count("volumeServer.leave") == 2


def test_an_interrupted_run_is_finished(api: Cluster, storage: Storage) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    storage.put(1, "volume-three")
    for command in ("volume.move", "volumeServer.leave"):
        storage.before[command] = stop
        with pytest.raises(KeyboardInterrupt):
            leave(api, storage)
    # Gone from the master already, and with a file all the same.
    storage.known.discard("volume-three")
    storage.put(5, "volume-three")
    assert leave(api, storage) == 1
    assert storage.numbers("volume-three") == []


def test_a_server_that_started_again_after_it_was_emptied_is_emptied_again(
    api: Cluster, storage: Storage
) -> None:
    """A run that is interrupted before the server is deleted leaves it to a restart of its machine."""
    storage.put(1, "volume-three")
    leave(api, storage)
    api.objects[api.path(pod("volume-three"))]["status"]["containerStatuses"][0]["containerID"] = (
        "containerd://2"
    )
    storage.known.add("volume-three")
    storage.put(2, "volume-three")
    assert leave(api, storage) == 1
    assert storage.numbers("volume-three") == []


def test_a_server_that_was_emptied_may_be_switched_off(api: Cluster, storage: Storage) -> None:
    leave(api, storage)
    status = api.objects[api.path(pod("volume-three"))]["status"]
    status["conditions"] = []
    assert find(api, NAMESPACE, set(NAMES[:2])).leaving == {}
    del status["containerStatuses"]
    assert find(api, NAMESPACE, set(NAMES[:2])).leaving == {}
    del api.objects[api.path(pod("volume-three"))]
    assert find(api, NAMESPACE, set(NAMES[:2])).leaving == {}


def test_old_volumes_get_the_new_replication_before_they_move(api: Cluster, storage: Storage) -> None:
    storage.put(1, "volume-three", "volume-one", replication="001")

    def trim() -> None:
        for server in storage.all.values():
            server.volumes.clear()
        storage.put(1, "volume-one", replication="000")

    storage.before["volume.fix.replication"] = trim
    assert leave(api, storage, wanted="000") == 0
    assert storage.done.index("volume.configure.replication") < storage.done.index("volumeServer.leave")


def test_a_server_that_does_not_answer_is_refused_until_it_is_given_up(
    api: Cluster, storage: Storage
) -> None:
    storage.known.discard("volume-three")
    api.objects[api.path(pod("volume-three"))]["status"] = {"conditions": []}
    with pytest.raises(KubeError, match=r"volume-three does not answer.*Start three.*-e lost=three"):
        leave(api, storage)
    assert leave(api, storage, lost=["volume-three"]) == 0


def test_a_server_that_is_wanted_again_starts_again(api: Cluster, storage: Storage) -> None:
    leave(api, storage)
    assert EMPTIED in api.objects[api.path(statefulset("volume-three"))]["metadata"]["annotations"]
    sets = find(api, NAMESPACE, set(NAMES))
    Departure(api=api, shell=storage, say=lambda _: None, replication="001").take_back(sets.returned)
    assert storage.known == set(NAMES)
    assert find(api, NAMESPACE, set(NAMES)).returned == {}


def test_where_all_servers_are_wanted_nothing_is_asked_of_seaweedfs(api: Cluster, storage: Storage) -> None:
    sets = find(api, NAMESPACE, set(NAMES))
    assert (sets.leaving, sets.returned) == ({}, {})
    assert storage.done == []


def test_the_replication_in_use_is_what_the_master_was_started_with(api: Cluster) -> None:
    assert replication_in_use(api, NAMESPACE) == ""
    command = ["weed", "master", "-defaultReplication=001", "-telemetry=false"]
    master = obj("StatefulSet", "master", spec={"template": {"spec": {"containers": [{"command": command}]}}})
    assert replication_in_use(FakeApi(master), NAMESPACE) == "001"


def test_more_copies_than_fit_are_refused_before_anything_changes(
    api: Cluster, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_module("storage_servers")
    command = ["weed", "master", "-defaultReplication=000"]
    master = obj("StatefulSet", "master", spec={"template": {"spec": {"containers": [{"command": command}]}}})
    api.objects[api.path(master)] = master
    for name in NAMES:
        storage.all[name].slots = 1
    storage.put(1, "volume-one", replication="000")
    storage.put(2, "volume-two", replication="000")
    nodes = {name.removeprefix("volume-"): next(iter(lab().nodes.values())) for name in NAMES}
    seaweedfs = lab().seaweedfs.model_copy(update={"namespace": NAMESPACE})
    cluster = lab().model_copy(update={"nodes": nodes, "seaweedfs": seaweedfs}).plain()
    monkeypatch.setattr(loaded, "Api", lambda _: api)
    monkeypatch.setattr(loaded, "WeedShell", lambda **_: storage)
    with pytest.raises(KubeError, match=r"replication 001 needs 2 volumes more.*and 1 are free"):
        loaded.run({"cluster": cluster, "lost": []}, check=False)
    storage.all["volume-three"].slots = 9
    assert loaded.run({"cluster": cluster, "lost": []}, check=False)["changed"] is False


def test_a_machine_of_the_file_is_not_given_up() -> None:
    params = {"cluster": lab().plain(), "lost": ["lab-server"]}
    with pytest.raises(KubeError, match=r"lab-server is in cluster_config.*take it out there"):
        load_module("storage_servers").run(params, check=False)
