"""The cluster's key: installed with a password that is asked for once, replaced, and no other let in."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Lab

PLAYBOOK = "playbooks/ssh_keys.yml"
SETTINGS = "/etc/ssh/sshd_config.d/00-test.conf"


@pytest.fixture
def anew(lab: Lab) -> Iterator[Lab]:
    """The lab, reached by connections that nobody has opened before."""
    with tempfile.TemporaryDirectory() as sockets:
        yield Lab(name=lab.name, env={**lab.env, "SOCKETS": sockets})


def fresh(lab: Lab) -> tuple[str, str]:
    return ("-e", f"ansible_control_path_dir={lab.env['SOCKETS']}")


@pytest.fixture
def password_file(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """A password by which root may log in everywhere, as on a machine that was just installed."""
    password, file = secrets.token_hex(12), tmp_path / "password"
    file.write_text(password)
    file.chmod(0o600)
    allow = f"printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' >{SETTINGS}"
    for node in lab.nodes():
        command = f"chpasswd && {allow} && systemctl reload ssh"
        subprocess.run(lab.ssh_command(node, command), check=True, input=f"root:{password}", text=True)
    yield file
    for node in lab.nodes():
        lab.ssh(node, f"rm {SETTINGS}; usermod -p '*' root; systemctl reload ssh")


def authorized(lab: Lab) -> dict[str, str]:
    return {node: lab.ssh(node, "cat .ssh/authorized_keys").stdout for node in lab.nodes()}


def test_machines_that_know_no_key_get_it_by_their_password(anew: Lab, password_file: Path) -> None:
    lab, key = anew, anew.state / "id_ed25519"
    for node in lab.nodes():
        lab.ssh(node, "rm .ssh/authorized_keys")
    for file in (key, key.with_name("id_ed25519.pub"), lab.state / "known_hosts"):
        file.unlink()
    closed = lab.play(PLAYBOOK, *fresh(lab))
    assert closed.code != 0
    assert "playbooks/ssh_keys.yml --ask-pass" in closed.output
    run = lab.play(PLAYBOOK, *fresh(lab), "--connection-password-file", str(password_file), "-vvv").ok()
    assert password_file.read_text() not in run.output
    assert key.stat().st_mode & 0o777 == 0o600
    assert all("ssh-ed25519" in text for text in authorized(lab).values())
    assert set(lab.play(PLAYBOOK, *fresh(lab)).ok().changed.values()) == {0}


def test_the_key_is_replaced_and_the_old_one_opens_nothing(lab: Lab) -> None:
    public = lab.state / "id_ed25519.pub"
    before = public.read_text().split()[1]
    lab.play(PLAYBOOK, "-e", "rotate=true").ok()
    after = public.read_text().split()[1]
    assert after != before
    assert all(after in text and before not in text for text in authorized(lab).values())
    assert sorted(path.name for path in lab.state.glob("id_ed25519*")) == ["id_ed25519", "id_ed25519.pub"]
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_somebody_elses_key_can_be_revoked_and_ones_own_not(lab: Lab, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", theirs], check=True)
    public = Path(f"{theirs}.pub").read_text()
    for node in lab.nodes():
        subprocess.run(
            lab.ssh_command(node, "cat >>.ssh/authorized_keys"), check=True, input=public, text=True
        )
    lab.play(PLAYBOOK, "-e", f"revoke={theirs}.pub").ok()
    assert not any(public.split()[1] in text for text in authorized(lab).values())
    own = lab.play(PLAYBOOK, "-e", f"revoke={lab.state / 'id_ed25519.pub'}")
    assert own.code != 0
    assert "Nothing was revoked" in own.output


def test_a_host_key_that_has_changed_is_refused_until_it_was_compared(lab: Lab) -> None:
    node = list(lab.nodes())[-1]
    lab.ssh(node, "rm /etc/ssh/ssh_host_*; ssh-keygen -qA; systemctl restart ssh")
    refused = lab.play(PLAYBOOK)
    assert refused.code != 0
    assert f"THE HOST KEY OF {node} HAS CHANGED" in refused.output
    lab.play(PLAYBOOK, "-e", f"accept_host_key={node}").ok()
    lab.play("site.yml", "--tags", "k3s").ok()
