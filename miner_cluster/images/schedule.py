"""Which machine gets which blob from whom: decided anew whenever one has arrived.

The controller sends a big blob once, and machines that have it pass it on, each to one other at a time: so
the number of machines with it doubles, and time grows with the logarithm of the fleet. Different blobs go to
different machines first. What is small goes from the controller to everyone at once, and so does everything
where the controller turns out to be about as fast as the machines are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: what a blob may come to for all machines together so that passing it on is not worth the while
DIRECT_BYTES = 8_000_000
#: transfers from the controller at the same time
CONTROLLER_AT_ONCE = 4
#: part of the machines' speed from which on the controller's is no bottleneck
AS_FAST = 0.5
#: how many sources that a machine can't get anything from are enough to ask the controller only, and the same
#: for machines that can't get anything from a source
REFUSALS = 2
#: what must have been sent at once to tell how fast a way is
TELLING_BYTES = 1_000_000
_NEWEST_COUNTS = 0.3


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One blob on its way."""

    digest: str
    size: int
    target: str
    #: a machine; empty is the controller
    source: str


@dataclass(kw_only=True)
class Schedule:
    """Who needs, has, takes and gives what."""

    sizes: Mapping[str, int]
    direct_bytes: float = DIRECT_BYTES
    _needs: dict[str, set[str]] = field(default_factory=dict)
    _holders: dict[str, set[str]] = field(default_factory=dict)
    _takes: dict[str, Transfer] = field(default_factory=dict)
    _gives: Counter[str] = field(default_factory=Counter)
    _gave: Counter[str] = field(default_factory=Counter)
    _refused: set[tuple[str, str]] = field(default_factory=set)
    _refused_by: Counter[str] = field(default_factory=Counter)
    _refused_of: Counter[str] = field(default_factory=Counter)
    _speeds: dict[bool, float] = field(default_factory=dict)
    #: how many machines need a blob, and how many have it that are still to join
    _needed: Counter[str] = field(default_factory=Counter)
    _expected: Counter[str] = field(default_factory=Counter)

    def join(self, machine: str, needs: Iterable[str], holds: Iterable[str]) -> None:
        """Let a machine take part."""
        self._needs[machine] = set(needs)
        self._needed.update(self._needs[machine])
        for digest in holds:
            self._holders.setdefault(digest, set()).add(machine)

    def leave(self, machine: str) -> None:
        """Let a machine go, whatever it was doing; what it gave to others fails by itself."""
        self._needed.subtract(self._needs.pop(machine, set()))
        self._end(machine)
        for holders in self._holders.values():
            holders.discard(machine)

    def expect(self, needs: Iterable[str], holds: Iterable[str]) -> None:
        """Count a machine that joins later."""
        self._needed.update(needs)
        self._expected.update(holds)

    def expect_no_more(self, needs: Iterable[str], holds: Iterable[str]) -> None:
        """Count it no longer: it joins now, or never will."""
        self._needed.subtract(needs)
        self._expected.subtract(holds)

    def arrived(self, machine: str, seconds: float) -> None:
        """Note that what a machine took is there."""
        done = self._end(machine)
        if done is None:
            return
        self._needs[machine].discard(done.digest)
        self._needed[done.digest] -= 1
        self._holders.setdefault(done.digest, set()).add(machine)
        if done.size >= TELLING_BYTES and seconds > 0:
            speed, passed_on = done.size / seconds, bool(done.source)
            before = self._speeds.get(passed_on, speed)
            self._speeds[passed_on] = before + _NEWEST_COUNTS * (speed - before)

    def failed(self, machine: str) -> None:
        """Note that what a machine took did not arrive; it does not try the same source again."""
        ended = self._end(machine)
        if ended and ended.source:
            self._refused.add((machine, ended.source))
            self._refused_by[machine] += 1
            self._refused_of[ended.source] += 1

    def joined(self, machine: str) -> bool:
        """Return whether a machine takes part."""
        return machine in self._needs

    def whole(self, machine: str) -> bool:
        """Return whether a machine has all that it needs."""
        return not self._needs[machine]

    def idle(self, machine: str) -> bool:
        """Return whether a machine neither takes nor gives."""
        return machine not in self._takes and not self._gives[machine]

    def under_way(self) -> Mapping[str, Transfer]:
        """Return what each machine takes at the moment."""
        return self._takes

    def next(self) -> list[Transfer]:
        """Return the transfers to begin now; each counts as begun."""
        waiting = [name for name, needs in self._needs.items() if needs and name not in self._takes]
        view = _View(self, {digest for name in waiting for digest in self._needs[name]})
        begun = []
        for machine in waiting:
            if transfer := self._for(machine, view):
                self._takes[machine] = transfer
                self._gives[transfer.source] += 1
                self._gave[transfer.source] += 1
                view.begins(transfer)
                begun.append(transfer)
        return begun

    def _for(self, machine: str, view: _View) -> Transfer | None:
        needs = [digest for digest in view.order if digest in self._needs[machine]]
        trusts = self._refused_by[machine] < REFUSALS
        if trusts:
            for digest in needs:
                if source := self._holder(view.free[digest], machine):
                    return self._transfer(digest, machine, source)
        if self._gives[""] < CONTROLLER_AT_ONCE:
            for digest in sorted(needs, key=lambda digest: digest in view.coming):
                if not trusts or self._from_controller(digest, machine, comes=digest in view.coming):
                    return self._transfer(digest, machine, "")
        return None

    def _transfer(self, digest: str, target: str, source: str) -> Transfer:
        return Transfer(digest=digest, size=self.sizes[digest], target=target, source=source)

    def _holder(self, free: list[str], machine: str) -> str | None:
        """Return the first of some machines from which this one may take something."""
        return next((name for name in free if (machine, name) not in self._refused), None)

    def _from_controller(self, digest: str, machine: str, *, comes: bool) -> bool:
        if self.sizes[digest] * self._needed[digest] <= self.direct_bytes:
            return True
        others = (
            name
            for name in self._holders.get(digest, ())
            if self._refused_of[name] < REFUSALS and (machine, name) not in self._refused
        )
        if not comes and not self._expected[digest] and not any(others):
            return True
        controller, machines = self._speeds.get(False), self._speeds.get(True)
        return controller is not None and machines is not None and controller >= AS_FAST * machines

    def _end(self, machine: str) -> Transfer | None:
        ended = self._takes.pop(machine, None)
        if ended:
            self._gives[ended.source] -= 1
        return ended


class _View:
    """What one round of decisions looks at again and again."""

    def __init__(self, schedule: Schedule, digests: Iterable[str]) -> None:
        holders, gives = schedule._holders, schedule._gives
        #: the rarest first, then the biggest
        self.order = sorted(
            digests, key=lambda digest: (len(holders.get(digest, ())), -schedule.sizes[digest], digest)
        )
        #: machines that have a blob and give nothing; those that gave least first
        self.free = {
            digest: sorted(
                (
                    name
                    for name in holders.get(digest, ())
                    if not gives[name] and schedule._refused_of[name] < REFUSALS
                ),
                key=lambda name: (schedule._gave[name], name),
            )
            for digest in self.order
        }
        self.coming = {transfer.digest for transfer in schedule._takes.values()}

    def begins(self, transfer: Transfer) -> None:
        """Take account of a transfer that begins."""
        self.coming.add(transfer.digest)
        for free in self.free.values():
            if transfer.source in free:
                free.remove(transfer.source)
