"""What the cluster runs now, as far as manifests carry it: images, the workers' token, the storage's keys."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from miner_cluster.cluster import Cluster
from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, Object
from miner_cluster.kube.look import KINDS
from miner_cluster.kube.prune import OURS
from miner_cluster.manifest_item import IMAGE_ANNOTATION, TOKEN_KEY, TOKEN_SECRET
from miner_cluster.storage_security import COMPONENTS, digest, secret_name

#: of scrypt: 16 MiB and some 50 ms for each guess
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
_DIGEST_BYTES = 8


def deployed_images(api: Api, cluster: Cluster) -> dict[str, str]:
    """Return of each image reference the ID that the workloads carry.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    return images_of(
        workload
        for namespace in (cluster.seaweedfs.namespace, cluster.namespace)
        for api_version, kind in KINDS
        for workload in api.list(api_version, kind, namespace, labelSelector=OURS)
    )


def images_of(workloads: Iterable[Object]) -> dict[str, str]:
    """Return of each image reference in pod templates the ID that stands beside it."""
    found = {}
    for workload in workloads:
        template = workload["spec"]["template"]
        image_id = (template["metadata"].get("annotations") or {}).get(IMAGE_ANNOTATION)
        if image_id:
            found[template["spec"]["containers"][0]["image"]] = image_id
    return found


def deployed_token(api: Api, namespace: str) -> str:
    """Return the token that the cluster's workers get; empty where there is none.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    try:
        secret = api.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{TOKEN_SECRET}")
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return ""
    return base64.b64decode((secret.get("data") or {}).get(TOKEN_KEY, "")).decode()


def storage_digests(api: Api, namespace: str) -> dict[str, str]:
    """Return of each Secret with the storage's keys and certificates what changes with it.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    return {name: digest(data) for name, data in _storage_secrets(api, namespace).items()}


def storage_certificates(api: Api, namespace: str) -> dict[str, str]:
    """Return the certificates that the storage runs with, by the names of their files.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    return {
        file: base64.b64decode(text).decode()
        for data in _storage_secrets(api, namespace).values()
        for file, text in data.items()
        if file.endswith(".crt")
    }


def _storage_secrets(api: Api, namespace: str) -> dict[str, dict[str, str]]:
    names = {secret_name(component) for component in COMPONENTS}
    return {
        secret["metadata"]["name"]: secret.get("data") or {}
        for secret in api.list("v1", "Secret", namespace)
        if secret["metadata"]["name"] in names
    }


def token_digest(token: str, cluster: str) -> str:
    """Return what changes with a token and neither contains it nor is of use for guessing; empty for none.

    Args:
        token: HF_TOKEN.
        cluster: its name, so that nobody sees that two clusters have the same token.
    """
    if not token:
        return ""
    salt = f"data-miner/{cluster}/{TOKEN_SECRET}".encode()
    digest = hashlib.scrypt(token.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=_DIGEST_BYTES)
    return digest.hex()
