"""A small client for the Kubernetes API: one kept connection, plain JSON, errors in words.

The playbooks call the API from short-lived modules, where importing a generated client and discovering
every API group costs more than the calls themselves. Only group versions that are used are discovered.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import ssl
import tempfile
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
#: how a connection that was kept shows that the server has closed it meanwhile
_IDLE_ENDED = (
    http.client.RemoteDisconnected,
    BrokenPipeError,
    ConnectionResetError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
JSON = "application/json"
HTTP_ERROR = 400
NOT_FOUND = 404
#: under which the API server notes what we set
FIELD_MANAGER = "data-miner"
#: API groups that a cluster has not of itself, and what to do where one is missing
EXTENSIONS = {"keda.sh": "install KEDA in the namespace keda, or remove workers.*.autoscale"}


class KubeError(Exception):
    """The cluster can't be used as asked; the message says what is wrong and what to do."""


class ApiError(KubeError):
    """The API refused a request.

    Attributes:
        status: HTTP status code.
        reason: the API's machine-readable reason, such as NotFound or Invalid.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Where objects of one kind live in the API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Path of one object, or of all objects of this kind (in one namespace, if given)."""
        root = "/api" if "/" not in self.api_version else "/apis"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}/{self.api_version}{scope}/{self.plural}" + (f"/{name}" if name else "")


def site_command(kubeconfig: Path) -> str:
    """Return the command that brings up the cluster whose kubeconfig lies in its state directory."""
    state = kubeconfig.absolute().parent
    if (state / "inventory").is_dir():
        return f"make site LAB={state.name}"
    if state.name != "lab" and (state.parent.parent / "inventory" / state.name).is_dir():
        return f"make site INVENTORY=inventory/{state.name}"
    return "ansible-playbook site.yml"


def other_clusters(kubeconfig: Path) -> str:
    """Return a sentence about the clusters that this controller has under other names; empty for none."""
    state = kubeconfig.absolute().parent
    names = sorted(path.parent.name for path in state.parent.glob("*/kubeconfig"))
    if not names:
        return ""
    labs = [name for name in names if (state.parent / name / "inventory").is_dir()]
    how = (
        f"; for a lab: LAB={labs[0]} (make), -i .state/{labs[0]}/inventory (ansible-playbook)" if labs else ""
    )
    return f". There are clusters of other names: {', '.join(names)}{how}"


class Api:
    """Connection to the API server of a kubeconfig, or to another one of its cluster.

    Raises:
        KubeError: there is no kubeconfig, it can't be read, or nobody answers.
    """

    def __init__(self, kubeconfig: Path, *, server: str | None = None, timeout_s: float = 30) -> None:
        if not kubeconfig.exists():
            raise KubeError(
                f"There is no cluster yet ({kubeconfig} does not exist); run: {site_command(kubeconfig)}"
                f"{other_clusters(kubeconfig)}"
            )
        cluster, user = _current(kubeconfig)
        self.server = server or str(cluster["server"])
        url = urllib.parse.urlsplit(self.server)
        self._connection = http.client.HTTPSConnection(
            url.hostname or "", url.port or 443, timeout=timeout_s, context=_tls(cluster, user, kubeconfig)
        )
        self._headers = {"Accept": JSON}
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        self._resources: dict[str, dict[str, Resource]] = {}

    def raw(self, method: str, path: str, body: object = None, *, content: str = JSON, **query: str) -> bytes:
        """Send one request and return the body of the answer; ApiError when the API refuses."""
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        payload = None if body is None else json.dumps(body)
        headers = self._headers | ({"Content-Type": content} if payload is not None else {})
        try:
            try:
                self._connection.request(method, target, payload, headers)
                answer = self._connection.getresponse()
            except _IDLE_ENDED:
                self._connection.close()  # the server closed an idle connection
                self._connection.request(method, target, payload, headers)
                answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise KubeError(
                f"The Kubernetes API at {self.server} does not answer ({error}); "
                "look at `systemctl status k3s` on the server, or run: ansible-playbook site.yml --tags k3s"
            ) from error
        if answer.status >= HTTP_ERROR:
            raise _refusal(answer.status, data)
        return data

    def close(self) -> None:
        """End the kept connection; the next request makes another one."""
        self._connection.close()

    def call(
        self, method: str, path: str, body: object = None, *, content: str = JSON, **query: str
    ) -> Object:
        """Send one request and return the object that the API answers with."""
        parsed: Object = json.loads(self.raw(method, path, body, content=content, **query))
        return parsed

    def resource(self, api_version: str, kind: str) -> Resource:
        """Find out where objects of a kind live; KubeError when the cluster doesn't know the kind."""
        try:
            return self._kinds(api_version)[kind]
        except KeyError:
            group = api_version.partition("/")[0]
            hint = f"; {EXTENSIONS[group]}" if group in EXTENSIONS else ""
            raise KubeError(f"The cluster at {self.server} has no {kind} of {api_version}{hint}") from None

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether there are objects of this kind in the cluster, or could be."""
        return kind in self._kinds(api_version)

    def _kinds(self, api_version: str) -> dict[str, Resource]:
        if api_version not in self._resources:
            root = "/api" if "/" not in api_version else "/apis"
            try:
                listed = self.call("GET", f"{root}/{api_version}")["resources"]
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise
                listed = []
            self._resources[api_version] = {
                item["kind"]: Resource(
                    api_version=api_version,
                    kind=item["kind"],
                    plural=item["name"],
                    namespaced=item["namespaced"],
                )
                for item in listed
                if "/" not in item["name"]
            }
        return self._resources[api_version]

    def list(self, api_version: str, kind: str, namespace: str | None = None, **query: str) -> list[Object]:
        """All objects of a kind, in one namespace or everywhere, each with its apiVersion and kind."""
        found = self.call("GET", self.resource(api_version, kind).path(namespace), **query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in found["items"]]


def _current(kubeconfig: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Cluster and user of the kubeconfig's current context."""
    try:
        config = yaml.load(kubeconfig.read_text(), Loader=yaml.CSafeLoader)
        names = {c["name"]: c["context"] for c in config["contexts"]}[config["current-context"]]
        cluster = {c["name"]: c["cluster"] for c in config["clusters"]}[names["cluster"]]
        user = {u["name"]: u["user"] for u in config["users"]}[names["user"]]
    except OSError as error:
        raise KubeError(f"{kubeconfig}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise KubeError(
            f"{kubeconfig} is not a usable kubeconfig ({error!r}); "
            "remove it and run: ansible-playbook site.yml --tags k3s"
        ) from error
    return cluster, user


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], kubeconfig: Path) -> ssl.SSLContext:
    """TLS settings: the cluster's own CA only, and the user's client certificate if there is one."""
    try:
        context = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority", kubeconfig))
        certificate = _pem(user, "client-certificate", kubeconfig)
        if certificate is not None:
            # The ssl module takes a client certificate from a file only.
            with tempfile.NamedTemporaryFile("w", prefix="data-miner-", suffix=".pem") as pair:
                pair.write(f"{certificate}\n{_pem(user, 'client-key', kubeconfig)}")
                pair.flush()
                context.load_cert_chain(pair.name)
    except (OSError, ValueError, binascii.Error) as error:
        raise KubeError(f"{kubeconfig}: unusable certificate or key ({error})") from error
    return context


def _pem(entry: Mapping[str, Any], name: str, kubeconfig: Path) -> str | None:
    """PEM text of `name` from an entry of a kubeconfig: embedded, or in a file beside it."""
    if f"{name}-data" in entry:
        return base64.b64decode(str(entry[f"{name}-data"])).decode()
    if name in entry:
        return (kubeconfig.parent / str(entry[name])).read_text()
    return None


def _refusal(status: int, data: bytes) -> ApiError:
    """The error that an answer of the API describes."""
    try:
        body = json.loads(data)
        message = body.get("message", f"HTTP {status}")
        if status == HTTPStatus.TOO_MANY_REQUESTS:  # which budget it is, stands in the causes only
            causes = (body.get("details") or {}).get("causes") or []
            message = " ".join([message, *(cause.get("message", "") for cause in causes)])
        return ApiError(status, body.get("reason", ""), message)
    except (ValueError, AttributeError):
        return ApiError(status, "", f"HTTP {status}: {data[:300].decode(errors='replace').strip()}")
