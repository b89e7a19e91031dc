"""What a run is told about the lock."""

from __future__ import annotations

import time
from typing import Any

_MINUTE_S, _HOUR_S = 60, 3600
_ONCE = "what is done is not done twice"


def refusal(holder: dict[str, Any], age_s: float, *, now_s: float) -> str:
    """Say who has the lock, since when, and what to do."""
    if not holder:
        return (
            "Nothing was done. Another run has the lock of this cluster and does not say whose it is; wait a "
            "minute and try again, or take the lock from it: -e break_lock=true"
        )
    return (
        f"Nothing was done. {at_work(holder, age_s, now_s=now_s)}. Wait until it has ended. Where it hangs, "
        f"end it there (kill {holder['pid']}), and the lock is free at once; or take the lock from it, which "
        "ends it if its controller still reaches the first server: -e break_lock=true"
    )


def at_work(holder: dict[str, Any], age_s: float, *, now_s: float) -> str:
    """Say who does what on the cluster, and since when."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now_s - age_s))
    return (
        f"{_who(holder)} runs {holder['playbook']} on this cluster since {since} "
        f"({_duration(age_s)}, process {holder['pid']} there)"
    )


def taken_away(holder: dict[str, Any]) -> str:
    """Say to a run that was ended that another one has the lock now."""
    other = f"{_who(holder)}, who runs {holder['playbook']}" if holder else "another run"
    return (
        f"This run was ended: the lock of the cluster went to {other}. Run it again when that one has ended: "
        f"{_ONCE}."
    )


def unheard(age_s: float) -> str:
    """Say to a run that was ended that the first server did not answer for longer than the lock is kept."""
    return (
        f"This run was ended: the first server did not hear of it for {_duration(age_s)} (did this machine "
        "sleep, or is the way there broken?), so the lock of the cluster is free, and somebody else may be "
        f"at work. Run it again: {_ONCE}."
    )


def _who(holder: dict[str, Any]) -> str:
    return f"{holder['user']}@{holder['host']}"


def _duration(age_s: float) -> str:
    if age_s < _MINUTE_S:
        return f"{age_s:.0f} s"
    if age_s < _HOUR_S:
        return f"{age_s / _MINUTE_S:.0f} min"
    return f"{age_s / _HOUR_S:.1f} h"
