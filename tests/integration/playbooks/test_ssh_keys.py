"""The cluster's key is exchanged on machines that a stand-in for ssh plays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import Play, Run

#: says what a module says and does nothing; $AUTHORIZED is what can be read there; the machine $GONE is away
#: once it took a key, and $OFF always
SSH = """\
#!/bin/sh
for word; do case $word in 192.0.2.*) machine=$word ;; *@192.0.2.*) machine=${word#*@} ;; esac; done
for last; do :; done
[ "$machine" = "$OFF" ] && exit 255
[ "$last" = true ] && exit 0
cat >"$CALLS/input-$machine"
echo . >>"$CALLS/$machine"
if [ "$machine" = "$GONE" ] && [ "$(wc -l <"$CALLS/$machine")" -gt 1 ]; then
  echo "ssh: connect to host $machine port 22: No route to host" >&2
  exit 255
fi
grep -q "ansible.builtin.slurp\\|modules.slurp" "$CALLS/input-$machine" && [ -n "$AUTHORIZED" ] && {
  echo "{\\"content\\": \\"$(printf %s "$AUTHORIZED" | base64 -w0)\\", \\"encoding\\": \\"base64\\"}"
  exit 0
}
echo '{"changed": true}'
"""
SCAN = """\
#!/bin/sh
for machine; do :; done
[ "$machine" = "$OFF" ] && exit 1
echo "$machine ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGWn3Nyi2lUfnaGLoUrpFVVWKaFnBf5bvQRG6gbLlfnj"
"""
NAME = "test-ssh-keys"


class Machines:
    """The playbook with such programs."""

    def __init__(self, play: Play, directory: Path) -> None:
        self._play, self._bin = play, directory / "bin"
        self.key = directory / "keys" / "id_ed25519"
        self._bin.mkdir()
        for name, text in (("ssh", SSH), ("ssh-keyscan", SCAN)):
            (self._bin / name).write_text(text)
            (self._bin / name).chmod(0o755)

    def run(self, *arguments: str, gone: str = "", off: str = "", authorized: str = "") -> Run:
        """Run it while the machine at an address is ``off``, or ``gone`` when a key is to be removed."""
        calls = self._bin.parent / "calls"
        shutil.rmtree(calls, ignore_errors=True)
        calls.mkdir()
        return self._play(
            "playbooks/ssh_keys.yml",
            *arguments,
            PATH=f"{self._bin}:{os.environ['PATH']}",
            CALLS=str(calls),
            GONE=gone,
            OFF=off,
            AUTHORIZED=authorized,
        )


@pytest.fixture
def machines(play: Play, absent: Path, tmp_path: Path) -> Iterator[Machines]:
    state = CHECKOUT / ".state" / NAME
    file = absent / "cluster_config.yaml"
    made = Machines(play, tmp_path)
    text = file.read_text().replace("name: test\n", f"name: {NAME}\n")
    file.write_text(text.replace("ssh: {", f"ssh: {{key: {made.key}, "))
    yield made
    shutil.rmtree(state, ignore_errors=True)


def test_the_old_key_is_known_for_as_long_as_a_machine_may_take_it(machines: Machines) -> None:
    assert machines.run().code == 0
    before = machines.key.read_bytes()
    away = machines.run("-e", "rotate=true", gone="192.0.2.2")
    assert away.code != 0
    assert machines.key.read_bytes() != before
    assert machines.key.with_name("id_ed25519.old").read_bytes() == before
    assert machines.run("-e", "rotate=true").code == 0
    assert not machines.key.with_name("id_ed25519.old").exists()


@pytest.mark.parametrize("line", ["restrict {}", "ssh-ed25519 AAAAsomebody else\n{}", "{}"])
def test_the_key_in_use_is_not_revoked_however_it_is_written(
    machines: Machines, tmp_path: Path, line: str
) -> None:
    assert machines.run().code == 0
    own = machines.key.with_name("id_ed25519.pub").read_text()
    (tmp_path / "theirs.pub").write_text(line.format(own))
    refused = machines.run("-e", f"revoke={tmp_path / 'theirs.pub'}")
    assert refused.code != 0
    assert "Nothing was revoked" in refused.output


def test_a_limited_run_says_that_it_needs_the_controller(machines: Machines) -> None:
    run = machines.run("--limit", "two")
    assert run.code == 2
    assert "--limit two,localhost" in run.output


def test_a_key_is_revoked_where_that_can_be_while_a_machine_is_away(machines: Machines) -> None:
    assert machines.run().code == 0
    revoke = ("-e", "revoke='ssh-ed25519 AAAAtheirs them'")
    away = machines.run(*revoke, off="192.0.2.2")
    assert away.code != 0
    assert "--limit 'all,localhost,!two'" in " ".join(away.output.split())
    here = machines.run(*revoke, "--limit", "all,localhost,!two", off="192.0.2.2")
    assert here.code == 0, here.output
    assert machines.run("-e", "rotate=true", "--limit", "all,localhost,!two", off="192.0.2.2").code != 0


def test_keys_that_were_lost_let_nobody_in_any_more_and_those_of_others_do(machines: Machines) -> None:
    assert machines.run().code == 0
    own = machines.key.with_name("id_ed25519.pub").read_text().strip()
    lost, theirs = f"ssh-ed25519 AAAAlost data-miner {NAME}", "ssh-ed25519 AAAAtheirs ann@desk"
    other = f"ssh-ed25519 AAAAother data-miner {NAME}-too"
    run = machines.run("-e", "revoke_lost=true", authorized="\n".join((own, lost, theirs, other)))
    assert run.code == 0, run.output
    removed = run.output.partition("TASK [Let nobody in by a key that is not in use any more]")[2]
    assert removed.count(f"(item=data-miner {NAME})") == 3  # on each machine
    assert "ann@desk" not in removed
    assert f"{NAME}-too" not in removed
    assert f"(item=data-miner {NAME})" not in machines.run().output
