"""Inventory plugin: the machines of a cluster_config.yaml."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_config
plugin_type: inventory
short_description: Hosts, groups and the variable C(cluster) from cluster_config.yaml
description:
  - Reads any file whose name ends with C(cluster_config.yaml), checks it as a whole, and stops with every
    problem it has, each with file, line, column and key.
  - Yields the groups C(server), C(agent), C(gpu) and C(storage_only), the variable C(cluster) for every host
    and for localhost, and the variable C(node) for each host.
  - The extra variable C(run_config) replaces the file's C(run_config).
options: {}
author: [data-miner]
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# inventory = inventory/lab
# [inventory]
# enable_plugins = cluster_config
"""

from pathlib import Path
from typing import Any, NoReturn

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from data_miner.errors import ConfigError
from miner_cluster.as_wanted import sources_digest
from miner_cluster.inventory import load_inventory

#: what ansible-playbook returns when it cannot parse its input
PARSER_ERROR = 4
SUFFIX = "cluster_config.yaml"


def _stop(message: str) -> NoReturn:
    Display().error(message, wrap_text=False)
    raise SystemExit(PARSER_ERROR)


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Hands what ``miner_cluster.inventory`` reads to Ansible."""

    NAME = "cluster_config"

    def verify_file(self, path: str) -> bool:
        """Take files of this name, and a path where nothing is, which reading then says in words."""
        return path.endswith(SUFFIX) or not Path(path).exists()

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory.

        A broken file ends the program here: Ansible would turn an exception into a wrapped warning, followed
        by another error that says nothing.
        """
        super().parse(inventory, loader, path, cache)
        file = Path(path)
        if file.is_relative_to(Path.cwd()):
            file = file.relative_to(Path.cwd())
        try:
            read = load_inventory(file, run_config=load_extra_vars(loader).get("run_config"))
        except ConfigError as error:
            count = len(error.problems)
            title = "This file can't be used" if count == 1 else f"This file has {count} problems"
            _stop(f"{title}, nothing was done:\n{error}")
        if other := inventory.groups["all"].get_vars().get("cluster"):
            _stop(f"One cluster at a time, nothing was done: give -i {other['config_file']} or -i {path}")
        for warning in read.warnings:
            Display().warning(str(warning))
        inventory.set_variable("all", "cluster", read.cluster)
        # Taken here, before Ansible reads a playbook: what is edited while a run goes on is not what it runs.
        inventory.set_variable("all", "code_digest", sources_digest())
        for group, members in read.groups.items():
            inventory.add_group(group)
            for name in members:
                inventory.add_host(name, group=group)
        for name, variables in read.hosts.items():
            for key, value in variables.items():
                inventory.set_variable(name, key, value)
