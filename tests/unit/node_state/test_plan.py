"""Plans for what a test can't have on the machine it runs on: units, kernel settings, packages, mounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.node_state import steps, text
from module_utils.node_state.model import (
    Attributes,
    Kind,
    Loaded,
    Observed,
    Owned,
    Seen,
    SeenUnit,
    Wanted,
    WantedDirectory,
    WantedFile,
    WantedUnit,
    digest,
)
from module_utils.node_state.plan import Plan, make_plan
from module_utils.node_state.removal import make_removal

ROOT = Attributes(mode=0o644, uid=0, gid=0)
CONFIG = WantedFile(path="/etc/k3s.yaml", content=b"a: 1\n", attributes=ROOT)
UNIT_FILE = WantedFile(path="/etc/systemd/system/k3s.service", content=b"[Unit]\n", attributes=ROOT)
K3S = WantedUnit(name="k3s.service", enabled=True, running=True, restart_on=(CONFIG.path,))
UP = SeenUnit(active="active", enabled="enabled")


def seen(file: WantedFile) -> Seen:
    return Seen(kind=Kind.FILE, attributes=file.attributes, content=file.content, sha256=digest(file.content))


def machine(*files: WantedFile, **more: Any) -> Observed:
    there = {"/etc": Seen(kind=Kind.DIRECTORY), "/etc/systemd": Seen(kind=Kind.DIRECTORY)}
    there |= {path: Seen(kind=Kind.DIRECTORY) for path in ("/etc/systemd/system", "/etc/sysctl.d")}
    return Observed(paths={**there, **{file.path: seen(file) for file in files}}, **more)


def told(plan: Plan) -> list[str]:
    return [steps.sentence(step) for step in plan.steps]


def with_start_recorded(plan: Plan) -> Owned:
    started = {step.name: step.started_with for step in plan.steps if isinstance(step, steps.StartUnit)}
    return replace(plan.owned, units={**plan.owned.units, **started})


def wanted(**parts: Any) -> Wanted:
    return Wanted(name="k3s", **parts)


ALL = wanted(files=(CONFIG, UNIT_FILE), units=(K3S,))


def test_a_new_unit_is_written_enabled_and_started_in_this_order() -> None:
    assert told(make_plan(ALL, machine(), Owned())) == [
        "write /etc/k3s.yaml",
        "write /etc/systemd/system/k3s.service",
        "reload systemd's unit files",
        "enable k3s.service",
        "start k3s.service",
    ]


def test_a_running_unit_is_restarted_when_a_file_that_it_reads_changes() -> None:
    owned = with_start_recorded(make_plan(ALL, machine(), Owned()))
    converged = machine(CONFIG, UNIT_FILE, units={"k3s.service": UP})
    assert told(make_plan(ALL, converged, owned)) == []
    other = wanted(files=(replace(CONFIG, content=b"a: 2\n"), UNIT_FILE), units=(K3S,))
    assert told(make_plan(other, converged, owned)) == ["change /etc/k3s.yaml", "restart k3s.service"]


@pytest.mark.parametrize("state", ["activating", "deactivating", "reloading"])
def test_a_unit_that_is_on_its_way_up_with_an_old_file_is_restarted(state: str) -> None:
    owned = with_start_recorded(make_plan(ALL, machine(), Owned()))
    busy = machine(CONFIG, UNIT_FILE, units={"k3s.service": SeenUnit(active=state, enabled="enabled")})
    other = wanted(files=(replace(CONFIG, content=b"a: 2\n"), UNIT_FILE), units=(K3S,))
    assert told(make_plan(other, busy, owned)) == ["change /etc/k3s.yaml", "restart k3s.service"]


def test_a_unit_that_comes_up_as_it_should_is_only_waited_for() -> None:
    owned = with_start_recorded(make_plan(ALL, machine(), Owned()))
    busy = machine(CONFIG, UNIT_FILE, units={"k3s.service": replace(UP, active="activating")})
    assert told(make_plan(ALL, busy, owned)) == ["start k3s.service"]


def test_a_restart_that_was_interrupted_is_made_up_for() -> None:
    owned = with_start_recorded(make_plan(ALL, machine(), Owned()))
    new = replace(CONFIG, content=b"a: 2\n")
    other = wanted(files=(new, UNIT_FILE), units=(K3S,))
    interrupted = make_plan(other, machine(CONFIG, UNIT_FILE, units={"k3s.service": UP}), owned)
    after_the_file = machine(new, UNIT_FILE, units={"k3s.service": UP})
    assert told(make_plan(other, after_the_file, interrupted.owned)) == ["restart k3s.service"]


def test_a_unit_that_runs_and_was_never_recorded_is_left_running() -> None:
    converged = machine(CONFIG, UNIT_FILE, units={"k3s.service": UP})
    plan = make_plan(ALL, converged, Owned())
    assert told(plan) == []
    assert plan.owned.units["k3s.service"]


def test_a_stale_file_defers_the_start() -> None:
    unit = replace(K3S, restart_on=(CONFIG.path, "/usr/local/bin/k3s"))
    late = wanted(files=(CONFIG, UNIT_FILE), units=(unit,), checksums={"/usr/local/bin/k3s": "0" * 64})
    plan = make_plan(late, machine(), Owned())
    assert plan.stale == ("/usr/local/bin/k3s",)
    assert plan.deferred == ("k3s.service",)
    assert "start k3s.service" not in told(plan)


def test_a_unit_is_restarted_for_a_file_that_was_exchanged_and_exchanged_back() -> None:
    new, other = (replace(CONFIG, path="/etc/k3s", content=content) for content in (b"new", b"old"))
    unit = replace(K3S, restart_on=(new.path,))
    wish = wanted(files=(UNIT_FILE,), units=(unit,), checksums={new.path: digest(b"new")})
    started = make_plan(
        wish, machine(UNIT_FILE, new, units={"k3s.service": UP}), Owned(files=frozenset({new.path}))
    )
    # Somebody put the old one back and restarted the unit with it.
    found = make_plan(wish, machine(UNIT_FILE, other, units={"k3s.service": UP}), started.owned)
    assert found.stale == (new.path,)
    delivered = machine(UNIT_FILE, new, units={"k3s.service": UP})
    assert told(make_plan(wish, delivered, found.owned)) == ["restart k3s.service"]


def test_a_unit_that_systemd_has_not_read_again_is_reloaded() -> None:
    unread = machine(CONFIG, UNIT_FILE, units={"k3s.service": replace(UP, needs_reload=True)})
    owned = with_start_recorded(make_plan(ALL, machine(), Owned()))
    assert told(make_plan(ALL, unread, owned)) == ["reload systemd's unit files"]


def test_only_missing_packages_are_installed() -> None:
    plan = make_plan(wanted(packages=("fuse3", "kmod")), machine(packages=frozenset({"kmod"})), Owned())
    assert told(plan) == ["install fuse3"]


def test_a_loadable_module_is_loaded_and_listed_for_boot_and_a_built_in_one_is_left() -> None:
    modules = {"overlay": Loaded.BUILT_IN, "br_netfilter": Loaded.NO}
    plan = make_plan(wanted(modules=tuple(modules)), machine(modules=modules), Owned())
    assert "load the kernel module br_netfilter" in told(plan)
    [written] = [step for step in plan.steps if isinstance(step, steps.WriteFile)]
    assert written.path == text.modules_path("k3s")
    assert b"br_netfilter" in written.content
    assert b"overlay" not in written.content


@given(
    st.dictionaries(st.sampled_from(["vm.a", "vm.b"]), st.integers(0, 9).map(str)),
    st.dictionaries(st.sampled_from(["fs.c", "fs.d"]), st.integers(0, 9)),
    st.dictionaries(st.sampled_from(["vm.a", "vm.b", "fs.c", "fs.d"]), st.integers(0, 9).map(str)),
)
def test_kernel_parameters_reach_their_values_and_stay(
    exact: dict[str, str], least: dict[str, int], current: dict[str, str]
) -> None:
    wish = wanted(sysctls=exact, sysctls_at_least=least)
    plan = make_plan(wish, machine(sysctls=dict(current)), Owned())
    after = dict(current) | {s.key: s.value for s in plan.steps if isinstance(s, steps.SetSysctl)}
    assert all(after[key] == value for key, value in exact.items())
    assert all(int(after[key]) >= value for key, value in least.items())
    assert all(after[key] == current[key] for key in least if int(current.get(key, "-1")) >= least[key])
    written = [
        WantedFile(path=step.path, content=step.content, attributes=step.attributes)
        for step in plan.steps
        if isinstance(step, steps.WriteFile)
    ]
    assert make_plan(wish, machine(*written, sysctls=dict(after)), plan.owned).steps == ()
    # At boot the kernel has its own values again, and the file alone brings ours back.
    lines = b"".join(file.content for file in written).decode().splitlines()
    booted = dict(current) | dict(line.split(" = ") for line in lines if " = " in line)
    assert {key: booted[key] for key in [*exact, *least]} == {key: after[key] for key in [*exact, *least]}


def test_a_mounted_directory_is_neither_changed_nor_removed() -> None:
    mount = WantedDirectory(path="/swdfs_mnt/swshared", attributes=replace(ROOT, mode=0o555))
    mounted = Observed(
        paths={path: Seen(kind=Kind.DIRECTORY) for path in ("/swdfs_mnt", "/swdfs_mnt/swshared")},
        mounts=frozenset({"/swdfs_mnt/swshared"}),
    )
    owned = Owned(directories={"/swdfs_mnt": False, "/swdfs_mnt/swshared": False})
    assert make_plan(wanted(directories=(mount,)), mounted, owned).steps == ()
    removal = make_removal("k3s", mounted, owned, wipe=True)
    assert removal.steps == ()
    assert removal.kept == {
        "/swdfs_mnt": "/swdfs_mnt/swshared is mounted",
        "/swdfs_mnt/swshared": "/swdfs_mnt/swshared is mounted",
    }
    assert removal.owned.directories == owned.directories


def test_a_removal_stops_our_unit_and_restarts_one_that_only_read_our_files() -> None:
    owned = Owned(
        files=frozenset({UNIT_FILE.path}), units={"k3s.service": "d", "systemd-journald.service": "d"}
    )
    units = {"k3s.service": UP, "systemd-journald.service": UP}
    removal = make_removal("k3s", machine(UNIT_FILE, units=units), owned, wipe=False)
    assert [steps.sentence(step) for step in removal.steps] == [
        "stop k3s.service",
        "disable k3s.service",
        "remove /etc/systemd/system/k3s.service",
        "reload systemd's unit files",
        "restart systemd-journald.service",
    ]
    assert removal.owned.empty


def test_a_mount_below_where_a_link_leads_keeps_the_directory() -> None:
    linked = Observed(
        paths={"/data/d": Seen(kind=Kind.DIRECTORY, real="/disk/d")}, mounts=frozenset({"/disk/d/sub"})
    )
    owned = Owned(directories={"/data/d": True}, places={"/data/d": "/disk/d"})
    removal = make_removal("k3s", linked, owned, wipe=True)
    assert removal.steps == ()
    assert removal.kept == {"/data/d": "/disk/d/sub is mounted"}
    assert removal.owned == owned
