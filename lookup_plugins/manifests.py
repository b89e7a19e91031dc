"""Lookup plugin: a cluster's Kubernetes objects, rendered."""

from __future__ import annotations

DOCUMENTATION = r"""
name: manifests
short_description: The Kubernetes objects of a cluster, rendered from its configuration
description:
  - Plans which objects the cluster consists of and renders a template for each.
  - Fails with file, line and key where the configuration of the application or of the cluster can't be used.
options:
  _terms:
    description: Phases whose objects are wanted, see C(miner_cluster.manifests.PHASES); none means all.
    type: list
    elements: str
  cluster:
    description: The variable C(cluster) of the inventory.
    type: dict
    required: true
  images:
    description: Of each image reference the ID under which the nodes have it.
    type: dict
    default: {}
  token_digest:
    description: Changes with HF_TOKEN, see the lookup C(token_digest).
    type: str
    default: ""
  storage_digests:
    description: Of each Secret of the storage what changes with it, see the lookup C(storage_digests).
    type: dict
    default: {}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Apply the workers
  kube_apply:
    kubeconfig: .state/lab/kubeconfig
    objects: "{{ workers | map(attribute='object') }}"
  vars:
    workers: "{{ lookup('manifests', 'workers', cluster=cluster, wantlist=True) }}"
"""

RETURN = r"""
_list:
  description: For each object its C(phase), the C(path) of its file, and the C(object) itself.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template

from data_miner.errors import MinerError
from miner_cluster.app_config import load_miner_config
from miner_cluster.cluster import as_cluster
from miner_cluster.manifests import PHASES, plan
from miner_cluster.rendering import render

#: between two objects of one template; JSON, in which all values are written, has no such character
_NEXT = "\x1e"


class LookupModule(LookupBase):  # type: ignore[misc]
    """Renders the plan with Ansible's own template engine."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the objects of the phases in ``terms``."""
        self.set_options(var_options=variables, direct=kwargs)
        phases = terms or list(PHASES)
        if unknown := sorted(set(phases) - set(PHASES)):
            raise AnsibleLookupError(f"no phase {', '.join(unknown)}; there are: {', '.join(PHASES)}")
        cluster = as_cluster(self.get_option("cluster"))
        try:
            items = plan(
                cluster,
                load_miner_config(cluster),
                dict(self.get_option("images")),
                token_digest=str(self.get_option("token_digest")),
                storage_digests=dict(self.get_option("storage_digests")),
            )
            wanted = [item for item in items if item.phase in phases]
            return render(wanted, template=self._template, config_file=cluster.config_file)
        except MinerError as error:
            raise AnsibleLookupError(str(error)) from None

    def _template(self, text: str, inputs: list[dict[str, Any]]) -> list[str]:
        """Fill a template with each of several inputs.

        Compiling it is what takes the time, so that is done once.
        """
        names = ", ".join(f"{name}=_manifest[{name!r}]" for name in inputs[0])
        one = f"{{% with {names} %}}{text}{{% endwith %}}{_NEXT}"
        loop = f"{{% for _manifest in _manifests %}}{one}{{% endfor %}}"
        templar = self._templar.copy_with_new_env(available_variables={"_manifests": inputs})
        return str(templar.template(trust_as_template(loop), escape_backslashes=False)).split(_NEXT)[:-1]
