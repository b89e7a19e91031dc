"""Lookup: which of a cluster's machines do not answer."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unreachable_nodes
short_description: Machines whose SSH port does not answer, each with the reason
description:
  - Connects to the SSH port of every machine at once, from the controller. Takes 5 s at most.
options:
  _terms:
    description: Names of machines; none means all.
    type: list
    elements: str
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
  addresses:
    description: Addresses by name, of machines that the cluster does not have any more, in place of its own.
    type: dict
author: [data-miner]
"""

EXAMPLES = r"""
- name: Say who is away
  ansible.builtin.debug:
    msg: "{{ lookup('unreachable_nodes', cluster=cluster) }}"
"""

RETURN = r"""
_raw:
  description: One dictionary of reasons by name of machine.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import as_cluster
from miner_cluster.reach import unreachable


class LookupModule(LookupBase):  # type: ignore[misc]
    """Asks all machines at once."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return the reasons."""
        self.set_options(var_options=variables, direct=kwargs)
        addresses = self.get_option("addresses")
        cluster = as_cluster(self.get_option("cluster"), nodes=None if addresses else terms or None)
        addresses = addresses or {name: node.ip for name, node in cluster.nodes.items()}
        names = terms or list(addresses)
        return [unreachable({name: (str(addresses[name]), cluster.ssh.port) for name in names})]
