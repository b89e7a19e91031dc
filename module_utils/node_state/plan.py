"""The difference between wanted and seen, as steps: pure functions that touch no machine."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from . import text
from .model import (
    Attributes,
    Kind,
    Loaded,
    Observed,
    Owned,
    StateError,
    Wanted,
    WantedDirectory,
    WantedFile,
    WantedUnit,
    digest,
)
from .steps import (
    EnableUnit,
    InstallPackages,
    LoadModule,
    MakeDirectory,
    ReloadSystemd,
    RemoveFile,
    SetAttributes,
    SetSysctl,
    StartUnit,
    Step,
    StopUnit,
    WriteFile,
)

UNIT_DIRECTORY = "/etc/systemd/system/"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do, in order, and what else the caller must know.

    Attributes:
        steps: empty when nothing differs.
        owned: the record once the steps are done, except what units are started with.
        stale: checksummed paths that are missing or differ, which the role has to deliver.
        deferred: units whose start waits for a stale path.
    """

    steps: tuple[Step, ...] = ()
    owned: Owned = field(default_factory=Owned)
    stale: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()


def make_plan(wanted: Wanted, observed: Observed, owned: Owned) -> Plan:
    """Plan how to reach the wanted state.

    Raises:
        StateError: something that was not made here stands in the way.
    """
    wanted = replace(wanted, files=(*wanted.files, *_generated(wanted, observed)))
    if problems := [*_in_the_way(wanted, observed, owned)]:
        raise StateError("\n".join(problems))
    wanted = replace(wanted, directories=tuple(_with_parents(wanted, observed)))
    removed = _removed(wanted, owned)
    path_steps: list[Step] = [
        *_directory_steps(wanted, observed),
        *_file_steps(wanted, observed),
        *_block_steps(wanted, observed),
        *(RemoveFile(path=path) for path in removed if observed.at(path).kind is not Kind.MISSING),
    ]
    missing = tuple(name for name in wanted.packages if name not in observed.packages)
    unloaded = [name for name in wanted.modules if observed.modules.get(name, Loaded.NO) is Loaded.NO]
    changed = frozenset(getattr(step, "path", "") for step in path_steps)
    starts = {unit.name: _start(unit, wanted, observed, owned, changed) for unit in wanted.units}
    stale = tuple(path for path, sha in sorted(wanted.checksums.items()) if observed.at(path).sha256 != sha)
    deferred = tuple(u.name for u in wanted.units if u.running and set(stale) & set(u.restart_on))
    return Plan(
        steps=(
            *([InstallPackages(names=missing)] if missing else []),
            *(LoadModule(name=name) for name in unloaded),
            *path_steps,
            *_sysctl_steps(wanted, observed),
            *_reload(wanted, observed, changed),
            *_unit_steps(wanted, observed),
            *(start for name, start in starts.items() if start and name not in deferred),
        ),
        owned=_recorded(
            wanted,
            observed,
            # Whatever the record says: no unit runs with what is not there yet.
            replace(owned, units={**owned.units, **dict.fromkeys(deferred, "")}),
            removed,
            {name for name, start in starts.items() if start is None and name not in deferred},
        ),
        stale=stale,
        deferred=deferred,
    )


def started_with(unit: WantedUnit, wanted: Wanted, observed: Observed) -> str:
    """Return the digest of all that a unit must be restarted for."""
    known = {file.path: digest(file.content) for file in wanted.files} | dict(wanted.checksums)
    shas = {path: known.get(path) or observed.at(path).sha256 or "-" for path in unit.restart_on}
    return digest("\n".join(f"{path} {sha}" for path, sha in sorted(shas.items())).encode())


# --- files and directories --------------------------------------------------------------------------------


def _generated(wanted: Wanted, observed: Observed) -> Iterator[WantedFile]:
    """Return the files by which modules and kernel parameters outlive a reboot."""
    attributes = replace(wanted.parent_attributes, mode=0o644)
    loadable = [
        name for name in wanted.modules if observed.modules.get(name, Loaded.NO) is not Loaded.BUILT_IN
    ]
    if loadable:
        path = text.modules_path(wanted.name)
        yield WantedFile(path=path, content=text.modules_file(loadable), attributes=attributes)
    path = text.sysctl_path(wanted.name)
    already = text.sysctl_keys(observed.at(path).content)
    raised = {
        key: str(least)
        for key, least in wanted.sysctls_at_least.items()
        if key in already or _below(observed.sysctls.get(key), least)
    }
    if values := {**raised, **wanted.sysctls}:
        yield WantedFile(path=path, content=text.sysctl_file(values), attributes=attributes)


def _in_the_way(wanted: Wanted, observed: Observed, owned: Owned) -> Iterator[str]:
    """Say what stands where something is wanted and was not made here."""
    for directory in wanted.directories:
        seen = observed.at(directory.path)
        if seen.kind not in {Kind.MISSING, Kind.DIRECTORY}:
            yield f"{directory.path} is {seen.kind.value}, where a directory is wanted; move it away"
    same = {file.path: observed.at(file.path).content == file.content for file in wanted.files}
    same |= {path: observed.at(path).sha256 == sha for path, sha in wanted.checksums.items()}
    same |= {block.path: True for block in wanted.blocks}
    for path, is_same in same.items():
        seen = observed.at(path)
        if seen.kind not in {Kind.MISSING, Kind.FILE}:
            yield f"{path} is {seen.kind.value}, where a file is wanted; move it away"
        elif seen.kind is Kind.FILE and not is_same and path not in owned.files:
            yield (
                f"{path} is there already and was not written by data-miner; "
                "remove what it belongs to, or move it away, and run this again"
            )


def _with_parents(wanted: Wanted, observed: Observed) -> list[WantedDirectory]:
    """Return the wanted directories and the missing ones on the way to what is wanted, outermost first."""
    found = {directory.path: directory for directory in wanted.directories}
    for path in [*found, *_file_paths(wanted)]:
        for parent in _parents(path):
            if parent not in found and observed.at(parent).kind is Kind.MISSING:
                found[parent] = WantedDirectory(path=parent, attributes=wanted.parent_attributes)
    return sorted(found.values(), key=lambda directory: directory.path)


def _file_paths(wanted: Wanted) -> list[str]:
    return [*(file.path for file in wanted.files), *(b.path for b in wanted.blocks), *wanted.checksums]


def _parents(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    while parent not in {"/", ""}:
        yield parent
        parent = posixpath.dirname(parent)


def _removed(wanted: Wanted, owned: Owned) -> list[str]:
    """Return the recorded files that are not wanted any more."""
    generated = {text.modules_path(wanted.name), text.sysctl_path(wanted.name)}
    unwanted = generated - {file.path for file in wanted.files}
    known = {file.path for file in wanted.files} | set(wanted.checksums)
    left = {path for path in owned.files if posixpath.dirname(path) in wanted.only_wanted_in} - known
    return sorted((unwanted | set(wanted.absent) | left) & owned.files)


def _directory_steps(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    for directory in wanted.directories:
        seen = observed.at(directory.path)
        if seen.kind is Kind.MISSING:
            yield MakeDirectory(path=directory.path, attributes=directory.attributes)
        else:
            yield from _attribute_steps(directory.path, seen.attributes, directory.attributes)


def _attribute_steps(path: str, before: Attributes | None, after: Attributes) -> Iterator[Step]:
    if before is not None and before != after:
        yield SetAttributes(path=path, before=before, after=after)


def _file_steps(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    for file in wanted.files:
        seen = observed.at(file.path)
        if seen.content != file.content:
            yield WriteFile(
                path=file.path,
                before=seen.content,
                content=file.content,
                attributes=file.attributes,
                secret=file.secret,
            )
        else:
            yield from _attribute_steps(file.path, seen.attributes, file.attributes)


def _block_steps(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    for block in wanted.blocks:
        seen = observed.at(block.path)
        content = text.with_block(seen.content or b"", wanted.name, block.content)
        if content != seen.content:
            attributes = seen.attributes or replace(wanted.parent_attributes, mode=0o644)
            yield WriteFile(path=block.path, before=seen.content, content=content, attributes=attributes)


def _recorded(
    wanted: Wanted, observed: Observed, owned: Owned, removed: list[str], as_started: set[str]
) -> Owned:
    """Return the record after the plan: what is made now, or was made earlier.

    It is written before anything is made. So a file that is there already, just as wanted, and is not in the
    record is somebody else's, and not one of a run that was interrupted.
    """
    made = {
        directory.path: directory.data
        for directory in wanted.directories
        if observed.at(directory.path).kind is Kind.MISSING or directory.path in owned.directories
    }
    new = [path for path in made if observed.at(path).kind is Kind.MISSING]
    places = {path: place for path, place in owned.places.items() if path not in new}
    places |= {path: observed.at(path).real for path in new if observed.at(path).real}
    digests = {
        unit.name: started_with(unit, wanted, observed)
        if unit.name in as_started
        else owned.units.get(unit.name, "")
        for unit in wanted.units
    }
    files = [*(file.path for file in wanted.files), *wanted.checksums]
    blocks = {block.path for block in wanted.blocks}
    missing = {path for path in [*files, *blocks] if observed.at(path).kind is Kind.MISSING}
    return Owned(
        files=(owned.files | missing & set(files)) - set(removed),
        blocks=owned.blocks | blocks,
        made_for_blocks=owned.made_for_blocks | missing & blocks,
        directories={**owned.directories, **made},
        units={**owned.units, **digests},
        places=places,
    )


# --- kernel parameters ------------------------------------------------------------------------------------


def _below(current: str | None, least: int) -> bool:
    return current is None or not current.strip().isdigit() or int(current) < least


def _sysctl_steps(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    for key, least in sorted(wanted.sysctls_at_least.items()):
        current = observed.sysctls.get(key)
        if _below(current, least):
            yield SetSysctl(key=key, before=current, value=str(least))
    for key, value in sorted(wanted.sysctls.items()):
        current = observed.sysctls.get(key)
        if current is None or current.split() != value.split():
            yield SetSysctl(key=key, before=current, value=value)


# --- units ------------------------------------------------------------------------------------------------


def _reload(wanted: Wanted, observed: Observed, changed: frozenset[str]) -> Iterator[Step]:
    seen = [observed.units[unit.name] for unit in wanted.units if unit.name in observed.units]
    if any(path.startswith(UNIT_DIRECTORY) for path in changed) or any(unit.needs_reload for unit in seen):
        yield ReloadSystemd()


def _unit_steps(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    for unit in wanted.units:
        seen = observed.unit(unit.name)
        if unit.enabled is not None and unit.enabled != (seen.enabled == "enabled"):
            yield EnableUnit(name=unit.name, enabled=unit.enabled)
        if unit.running is False and not seen.down:
            yield StopUnit(name=unit.name)


def _start(
    unit: WantedUnit, wanted: Wanted, observed: Observed, owned: Owned, changed: frozenset[str]
) -> StartUnit | None:
    """Return the start or restart that a unit needs: it is down, or runs with what is outdated.

    The record tells what it runs with, empty from the moment of planning until it was started. So a run that
    was interrupted between writing a file and the restart is finished by the next one. Of a unit that runs
    and was never recorded only what changes now counts. One that is still coming up with what is outdated is
    restarted too: a start would only wait for it.
    """
    seen = observed.unit(unit.name)
    now, before = started_with(unit, wanted, observed), owned.units.get(unit.name)
    outdated = bool(changed & set(unit.restart_on)) if before is None else before != now
    if not unit.running or (seen.running and not outdated):
        return None
    restart = outdated and not seen.down
    return StartUnit(name=unit.name, restart=restart, timeout_s=unit.timeout_s, started_with=now)
