"""The cluster's key on the controller: made once, and replaced in steps, after each of which a run may end.

KEY is in use. KEY.next is installed and tried before it takes KEY's place, which leaves KEY.old until no
machine takes that any more.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from data_miner.errors import MinerError

#: the first word of what a key is called that was made here, or for a lab
OURS = "data-miner"


class SshError(MinerError):
    """A key or host key can't be used; the message says what to do."""


def make(path: Path, comment: str) -> bool:
    """Make a key unless it is there, and return whether it was made."""
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.making")
    for left in (new, public_path(new)):
        left.unlink(missing_ok=True)
    _keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new))
    public_path(new).replace(public_path(path))
    new.replace(path)
    return True


def public(path: Path) -> str:
    """Return the public part of a key, of a key with a passphrase from the file beside it.

    Raises:
        SshError: it can't be had.
    """
    try:
        return _keygen("-y", "-P", "", "-f", str(path)).strip()
    except SshError:
        if public_path(path).exists():
            return public_path(path).read_text().strip()
        raise


def public_path(path: Path) -> Path:
    """Return where a key's public part lies."""
    return path.with_name(f"{path.name}.pub")


def next_path(path: Path) -> Path:
    """Return where the key lies that will come next."""
    return path.with_name(f"{path.name}.next")


def old_path(path: Path) -> Path:
    """Return where the key lies that was in use before."""
    return path.with_name(f"{path.name}.old")


def swap(path: Path) -> None:
    """Put the next key in the place of the one in use; that one becomes the old one."""
    new, old = next_path(path), old_path(path)
    after = public(new)
    public_path(old).write_text(f"{public(path)}\n")
    copy = path.with_name(f"{path.name}.making")
    shutil.copy2(path, copy)
    copy.replace(old)
    # ssh offers what is in the file beside a key, and gives up where that is another's.
    public_path(path).unlink(missing_ok=True)
    new.replace(path)
    public_path(path).write_text(f"{after}\n")
    public_path(new).unlink(missing_ok=True)


def forget_old(path: Path) -> None:
    """Remove the old key, which no machine takes any more.

    One that was not made here may open other things, so it is kept under another name.
    """
    old = old_path(path)
    if public(old).split()[2:3] == [OURS]:
        old.unlink()
    else:
        kept = path.with_name(f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        public_path(kept).write_text(f"{public(old)}\n")
        old.replace(kept)
    public_path(old).unlink(missing_ok=True)


def _keygen(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["ssh-keygen", *arguments],  # noqa: S607 - whichever the user's PATH has, as with ssh
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SshError(f"{arguments[-1]}: {' '.join(done.stderr.split())}")
    return done.stdout
