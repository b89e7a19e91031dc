"""``weed shell`` in the master's pod, which has what it takes to talk to all servers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.kube.api import KubeError
from miner_cluster.seaweedfs.topology import Server, TopologyError, parse

MASTER_POD, MASTER_PORT = "master-0", 9333
#: SeaweedFS's own maintenance holds the lock now and then, for as long as it copies
LOCK_S = 300.0
LOOK_S = 60.0


@dataclass(frozen=True, kw_only=True)
class WeedShell:
    """Runs commands of SeaweedFS's shell, and commands in the pods of its servers."""

    kubectl: Path
    namespace: str

    def servers(self) -> dict[str, Server]:
        """Return the volume servers that the master knows, by address.

        Raises:
            KubeError: they can't be asked for.
        """
        try:
            return parse(self.run("volume.list"))
        except TopologyError as error:
            raise KubeError(f"SeaweedFS's volumes can't be listed: {error}") from error

    def locked(self, *commands: str, work_s: float) -> str:
        """Run commands that change something, alone; return what they print.

        Raises:
            KubeError: one fails, or they are not done within ``work_s`` after the lock was waited for.
        """
        return self.run("lock", *commands, "unlock", timeout_s=LOCK_S + work_s)

    def run(self, *commands: str, timeout_s: float = LOOK_S) -> str:
        """Run commands and return what they print.

        Raises:
            KubeError: one fails or hangs.
        """
        text = "".join(f"{command}\n" for command in commands)
        # By the name that is in its certificate.
        master = f"-master={MASTER_POD}.master.{self.namespace}:{MASTER_PORT}"
        printed = self.exec(MASTER_POD, ["/usr/bin/weed", "shell", master], stdin=text, timeout_s=timeout_s)
        failures = [line for line in printed.splitlines() if line.startswith("error:")]
        if failures:
            raise KubeError(
                f"weed shell, {commands[-1] if len(commands) == 1 else commands[1]}: {failures[0]}"
            )
        return printed

    def exec(self, pod: str, command: Sequence[str], *, stdin: str = "", timeout_s: float = LOOK_S) -> str:
        """Run a command in a server's pod and return what it prints.

        Raises:
            KubeError: it can't be run, fails or hangs.
        """
        full = [str(self.kubectl), "exec", "--stdin", "-n", self.namespace, pod, "--", *command]
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments
                full,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise KubeError(
                f"{' '.join(command)} in pod {self.namespace}/{pod} is not done after {timeout_s:.0f} s"
            ) from error
        except OSError as error:
            raise KubeError(
                f"{self.kubectl}: {error.strerror}; run: ansible-playbook site.yml --tags k3s"
            ) from error
        if done.returncode:
            words = " ".join(done.stdout.split())[-400:]
            raise KubeError(f"{' '.join(command)} in pod {self.namespace}/{pod} failed: {words}")
        return done.stdout
