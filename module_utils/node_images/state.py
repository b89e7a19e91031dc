"""What is kept beside containerd's store, and goes with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

#: how many deployments a machine remembers, and of how many names besides the last one
REMEMBERED, NAMED = 10, 50
#: in a deployment that has not come to its end: what it was asked for with
UNDER_WAY = "under_way"
#: when images were deployed, under which tag, the newest schema of the database that they know, and their IDs
#: by what they are for; the latest last
Deployments = list[dict[str, Any]]


class State:
    """Beside containerd's store: blobs that came and are to be imported, and what was deployed."""

    def __init__(self, directory: str) -> None:
        self.incoming = Path(directory, "incoming")
        self._deployed = Path(directory, "deployed.json")

    def deployments(self) -> Deployments:
        """Return what was deployed; nothing where that can't be read, which is no reason to stop."""
        try:
            found: Deployments = json.loads(self._deployed.read_text("utf-8"))
        except (OSError, ValueError):
            return []
        return found

    def remember(self, deployments: Deployments) -> None:
        """Write down what was deployed."""
        self._deployed.parent.mkdir(parents=True, exist_ok=True)
        new = self._deployed.with_suffix(".new")
        new.write_text(json.dumps(deployments, indent=2) + "\n", "utf-8")
        new.replace(self._deployed)

    def forget(self) -> None:
        """Remove everything."""
        if self._deployed.parent.exists():
            shutil.rmtree(str(self._deployed.parent))

    def forget_incoming(self) -> None:
        """Remove blobs that nobody needs any more."""
        if self.incoming.exists():
            shutil.rmtree(str(self.incoming))


def remembered(deployments: Deployments, latest: dict[str, Any], now: int) -> Deployments:
    """Return the deployments with the latest one, where that is another than the one before."""
    latest = {key: value for key, value in latest.items() if value}
    if deployments and all(deployments[-1].get(key) == latest.get(key) for key in ("tag", "images")):
        more = {key: value for key, value in latest.items() if key != UNDER_WAY}
        return [*deployments[:-1], {**deployments[-1], **more}]
    return _kept([*deployments, {"at": now, **latest}])


def _kept(deployments: Deployments) -> Deployments:
    """Return the last deployments, and of other names the last one: a name is given to be found again."""
    recent = deployments[-REMEMBERED:]
    older = {past["tag"]: past for past in deployments[:-REMEMBERED]}
    for past in recent:
        older.pop(past["tag"], None)
    return [*sorted(older.values(), key=lambda past: past["at"])[-NAMED:], *recent]


def completed(deployments: Deployments) -> Deployments:
    """Return the deployments where the latest one has come to its end."""
    return [
        *deployments[:-1],
        *({key: value for key, value in past.items() if key != UNDER_WAY} for past in deployments[-1:]),
    ]
