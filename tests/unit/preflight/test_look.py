"""The pure parts of looking at a machine, and the looks at this one."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from data_miner.errors import MinerError
from miner_cluster.cluster import CHECKOUT
from miner_cluster.env_file import parse_env, secret
from miner_cluster.reach import unreachable
from module_utils.keyed import keyed
from module_utils.node_state.control import converge
from tests.modules import load_module
from tests.unit.node_state.conftest import file, wanted

node_check = load_module("node_check")

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4343 1
   2: 0100007F:280A 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 4444 1
"""


def test_only_wanted_ports_that_are_listened_on_count() -> None:
    assert node_check.listeners(TCP, {6443, 10250}) == {6443: "4242"}


def test_the_owner_of_a_port_is_found_by_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        inodes = node_check.listeners(Path("/proc/net/tcp").read_text(), {port})
        owner = node_check.owners({inode: p for p, inode in inodes.items()})[port]
    assert f"process {os.getpid()}" in owner["who"]
    assert not owner["k3s"]


def test_os_release_is_read_with_its_quotes() -> None:
    text = (
        'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
    )
    assert node_check.os_release(text) == ("debian", "12", "Debian GNU/Linux 12 (bookworm)")
    assert node_check.os_release("") == ("", "", "unknown")


@pytest.mark.parametrize(
    ("record", "known"),
    [
        ('{"version": 1, "names": {"k3s": {"files": {"/etc/systemd/system/k3s.service": "ab"}}}}', True),
        ('{"names": {"k3s": {"files": ["/etc/systemd/system/k3s.service"]}}}', True),
        ('{"names": {"k3s": {"files": ["/etc/systemd/system/k3s-agent.service"]}}}', False),
        ("", False),
        ("no json", False),
    ],
)
def test_a_unit_is_ours_when_the_record_names_it(record: str, known: bool) -> None:
    assert node_check.recorded(record, "/etc/systemd/system/k3s.service") is known


@pytest.mark.parametrize(
    ("record", "names"),
    [('{"names": {"k3s": {}, "common": {}}}', ["common", "k3s"]), ("[]", []), ("", []), ('{"names": 1}', [])],
)
def test_what_was_installed_is_known_by_its_names(record: str, names: list[str]) -> None:
    assert node_check.recorded_names(record) == names


@pytest.mark.parametrize(
    ("text", "begins"),
    [("node-name: s1\ncluster-init: true\n", True), ("cluster-init: false\n", False), ("", False)],
)
def test_a_server_that_began_an_etcd_is_known_by_its_configuration(text: str, *, begins: bool) -> None:
    assert node_check.cluster_init(text) is begins


def test_the_disk_of_a_path_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    assert node_check.disk(str(tmp_path / "a" / "b")) == node_check.disk(str(tmp_path))


def test_only_the_files_of_the_directory_itself_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_bytes(b"x" * 8192)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "2.dat").write_bytes(b"x" * 81920)
    assert 8192 <= node_check.files_bytes(str(tmp_path)) < 81920
    assert node_check.files_bytes(str(tmp_path / "nowhere")) == 0


def test_each_volume_counts_once(tmp_path: Path) -> None:
    for name in ("1.dat", "1.idx", "1.vif", "frames_2.dat", "vol_dir.uuid"):
        (tmp_path / name).touch()
    assert node_check.count_volumes(str(tmp_path)) == 2
    assert node_check.count_volumes(str(tmp_path / "nowhere")) == 0


def test_an_empty_directory_and_a_new_disk_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert not node_check.holds_something(str(tmp_path))
    assert not node_check.holds_something(str(tmp_path / "nowhere"))
    (tmp_path / "pgdata").mkdir()
    assert node_check.holds_something(str(tmp_path))


def test_only_directories_of_data_are_read_from_a_record() -> None:
    directories = {"/data/db/postgres": {"data": True}, "/etc/rancher": {"data": False}}
    record = json.dumps({"version": 1, "names": {"storage": {"directories": directories}}})
    assert node_check.recorded_data(record) == ["/data/db/postgres"]
    assert node_check.recorded_data("") == node_check.recorded_data("[]") == []


def test_this_machine_can_be_looked_at() -> None:
    params = {"paths": ["/"], "ports": [], "volume_dir": None, "data_dirs": ["/etc"], "record": "/nowhere"}
    facts = node_check.look(params | {"digests": None, "shared": None})
    assert facts["digests"] == {}
    assert facts["met"] == facts["owners"] == {}
    assert facts["recorded_data"] == []
    assert facts["data_dirs"] == ["/etc"]
    assert facts["memory_bytes"] > 0
    assert facts["disks"]["/"]["total_bytes"] > 0


def test_an_ssh_server_answers_and_others_do_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ssh, socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            for server, greeting in ((ssh, b"SSH-2.0-x\r\n"), (other, b"HTTP/1.1 200\r\n")):
                connection, _ = server.accept()
                connection.sendall(greeting)
                connection.close()

        thread = threading.Thread(target=greet)
        thread.start()
        found = unreachable({"a": ssh.getsockname(), "b": other.getsockname()})
        thread.join()
    assert found == {"b": "what answers there is no SSH server"}


def test_a_closed_port_and_a_silent_one_have_their_reasons() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closed = socket.create_server(("127.0.0.1", 0))
        address = closed.getsockname()
        closed.close()
        found = unreachable({"closed": address, "silent": silent.getsockname()}, timeout_s=0.2)
    assert found["closed"] == "connection refused"
    assert found["silent"].startswith("no answer")


def test_a_dotenv_is_read_as_a_shell_reads_it() -> None:
    text = "# c\nexport A=1\nB='x # y'\nC=\"q\"\nD=plain # comment\n\nE=\nnot a line\n"
    assert parse_env(text) == {"A": "1", "B": "x # y", "C": "q", "D": "plain", "E": ""}


def test_a_file_of_secrets_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("T=file\n")
    file.chmod(0o640)
    with pytest.raises(MinerError, match=r"can be read by others.*chmod 600"):
        secret("T", {}, file)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert secret("T", {}, file) == ""
    file.touch(mode=0o600)
    file.write_text("T=file\n")
    assert secret("T", {}, file) == "file"
    assert secret("T", {"T": "environment"}, file) == "environment"
    assert secret("T", {"T": ""}, file) == "file"


def test_an_old_python_imports_only_what_it_can() -> None:
    """What is imported on the way must need no newer Python than the one it tells of."""
    tree = ast.parse((CHECKOUT / "library/node_check.py").read_text())
    imported = {
        alias.name if node.module == "ansible.module_utils" else str(node.module).rpartition(".")[2]
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ansible.module_utils")
        for alias in node.names
    }
    for name in imported:
        text = (CHECKOUT / f"module_utils/{name}.py").read_text()
        assert "kw_only" not in text, name
        assert "import node_state" not in text, name
        assert "from .node_state" not in text, name
    assert "shared_mount" not in imported


def test_of_secrets_only_what_says_nothing_without_the_key_is_told(tmp_path: Path) -> None:
    token, record = tmp_path / "token", tmp_path / "owned.json"
    token.write_text("hunter2\n")
    plain = hashlib.sha256(b"hunter2\n").hexdigest()
    state = wanted(files=(file(token, "hunter2\n", 0o600, secret=True),))
    converge(state, record, check=False, inputs=f"4711 {plain}")
    nothing: dict[str, Any] = {"paths": [], "ports": [], "volume_dir": None, "data_dirs": [], "shared": None}
    params = nothing | {"record": str(record)}
    found = node_check.look(params | {"digests": {"key": "k", "paths": [str(token), "/nowhere"]}})
    assert found["digests"] == {str(token): keyed("k", plain)}
    met = {"inputs": keyed("k", f"4711 {plain}"), "secrets": {str(token): keyed("k", plain)}}
    assert found["met"] == {"role": met}
    assert plain not in str(found)
    without = node_check.look(params | {"digests": {"key": "", "paths": [str(token)]}})
    assert without["digests"] == without["met"] == {}
