"""Look, plan, record, apply: the two things that the module node_state does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from .apply import apply
from .met import met
from .model import Wanted
from .observe import observe, observe_owned, require_disks
from .plan import make_plan
from .record import Record, open_record
from .removal import make_removal
from .steps import InstallPackages, StartUnit, Step, difference, note, sentence


class Result(TypedDict):
    """What the module returns."""

    changed: bool
    changes: list[str]
    diff: list[dict[str, str]]
    stale: list[str]
    deferred: list[str]
    restarted: list[str]
    kept: dict[str, str]


def converge(wanted: Wanted, record_path: Path, *, check: bool, inputs: str = "") -> Result:
    """Bring the machine into the wanted state.

    The record is written before anything is made, so that what an interrupted run made is known as ours. A
    package brings files and users of its own, so after installing one everything is looked at again.
    What is met in the end is recorded too, with ``inputs``, for the next look.

    Raises:
        StateError: the state can't be reached.
    """
    require_disks(wanted)
    with open_record(record_path, read_only=check) as record:
        owned = record.of(wanted.name)
        plan = make_plan(wanted, observe(wanted, owned), owned)
        installs = [step for step in plan.steps if isinstance(step, InstallPackages)]
        if not check:
            if installs:
                apply(installs, started=lambda _: None)
                plan = make_plan(wanted, observe(wanted, owned), owned)
                plan = replace(plan, steps=(*installs, *plan.steps))
            done = met(wanted, inputs) if not (plan.stale or plan.deferred) else None
            record.put(wanted.name, replace(plan.owned, met=None if plan.steps else done))
            apply(plan.steps[len(installs) :], started=lambda step: _keep_start(record, wanted.name, step))
            record.put(wanted.name, replace(record.of(wanted.name), met=done))
    ahead = [*(f"deliver {path}" for path in plan.stale), *(f"start {name}" for name in plan.deferred)]
    return _result(plan.steps, ahead=ahead if check else [], stale=plan.stale, deferred=plan.deferred)


def uninstall(name: str, record_path: Path, *, wipe: bool, check: bool) -> Result:
    """Remove what was made for a name.

    Raises:
        StateError: something can't be removed; running it again goes on from there.
    """
    with open_record(record_path, read_only=check) as record:
        owned = record.of(name)
        removal = make_removal(name, observe_owned(owned), owned, wipe=wipe)
        if not check:
            apply(removal.steps, started=lambda _: None)
            record.put(name, removal.owned)
    return _result(removal.steps, kept=dict(removal.kept))


def _keep_start(record: Record, name: str, step: StartUnit) -> None:
    owned = record.of(name)
    record.put(name, replace(owned, units={**owned.units, step.name: step.started_with}))


def _result(steps: Iterable[Step], *, ahead: Iterable[str] = (), **more: Any) -> Result:
    """Return what the module returns; ``ahead`` is what the role itself would do next."""
    steps, ahead = list(steps), list(ahead)
    changes = [*(sentence(step) for step in steps), *ahead]
    result: Result = {
        "changed": bool(changes),
        "changes": changes,
        "diff": [*(difference(step) for step in steps), *(note(line) for line in ahead)],
        "stale": list(more.get("stale", ())),
        "deferred": list(more.get("deferred", ())),
        "restarted": [step.name for step in steps if isinstance(step, StartUnit)],
        "kept": more.get("kept", {}),
    }
    return result
