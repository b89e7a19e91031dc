"""The pipeline's page on the lab: reached on every machine, read by all, changed by whoever has the token."""

from __future__ import annotations

import base64
import re
import urllib.error
import urllib.request
from http import HTTPStatus

import pytest

from tests.e2e.lab import Lab

NAMESPACE = "data-miner"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(lab: Lab, node: str, path: str, **headers: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    data = b"" if headers or path.endswith("/retry") else None
    request = urllib.request.Request(f"http://{lab.nodes()[node]}:30090{path}", data, headers)
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_it_shows_the_demo_on_every_machine(lab: Lab) -> None:
    for node in lab.nodes():
        status, body = ask(lab, node, "/")
        assert status == HTTPStatus.OK
        assert b"demo" in body


def test_the_gallery_shows_frames_of_the_shared_storage(lab: Lab) -> None:
    node = next(iter(lab.nodes()))
    _, body = ask(lab, node, "/p/demo/gallery")
    pictures = re.findall(r'<img src="([^"]*)"', body.decode())
    assert pictures
    status, picture = ask(lab, node, pictures[0])
    assert (status, picture[:3]) == (HTTPStatus.OK, b"\xff\xd8\xff")


@pytest.mark.parametrize(("right", "status"), [(False, HTTPStatus.FORBIDDEN), (True, HTTPStatus.SEE_OTHER)])
def test_only_the_token_tries_items_again(lab: Lab, right: bool, status: HTTPStatus) -> None:
    data = lab.get("secret", "-n", NAMESPACE, "monitor-page")["data"]["token"]
    token = base64.b64decode(data).decode() if right else "wrong"
    node = next(iter(lab.nodes()))
    assert ask(lab, node, "/p/demo/retry", Authorization=f"Bearer {token}")[0] == status
