"""Lookups that ask the cluster: nothing where there is none, an error in words where it is silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.kube.api import Api, KubeError

TIMEOUT_S = 5


class ClusterLookup(LookupBase):  # type: ignore[misc]
    """One value; a plugin says which."""

    #: the answer where there is no cluster yet
    nothing: ClassVar[Any] = {}

    def answer(self, api: Api, cluster: Cluster) -> Any:
        """Return what the plugin is for.

        Raises:
            KubeError: the API refuses or does not answer.
        """
        raise NotImplementedError

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[Any]:  # noqa: ARG002 - it takes none
        """Return the answer."""
        self.set_options(var_options=variables, direct=kwargs)
        cluster = as_cluster(self.get_option("cluster"))
        kubeconfig = Path(cluster.state_dir) / "kubeconfig"
        if not kubeconfig.is_file():
            return [self.nothing]
        try:
            return [self.answer(Api(kubeconfig, timeout_s=TIMEOUT_S), cluster)]
        except KubeError as error:
            raise AnsibleLookupError(str(error)) from None
