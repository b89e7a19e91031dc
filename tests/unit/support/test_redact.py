"""No secret is in the archive, however it was written."""

from __future__ import annotations

import base64
import json
import tarfile
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.support import archive
from miner_cluster.support.collect import secrets as cluster_secrets
from miner_cluster.support.collect import texts
from miner_cluster.support.redact import REMOVED, Redactor
from tests.modules import load_module
from tests.unit.cluster.conftest import lab
from tests.unit.kube.conftest import obj
from tests.unit.kube.fake_api import FakeApi

PASSWORD = 'dU7-x"Zq/93+kK=lm&nö'  # noqa: S105 - none
KEYS = '[jwt.signing]\nkey = "q8Yw2mNn3bVvCcXxZz1L"\nexpires = 10\n'


def encodings(secret: str) -> list[str]:
    return [
        secret,
        json.dumps({"password": secret}),
        f"postgresql://postgres:{urllib.parse.quote(secret, safe='')}@db/x",
        *(base64.b64encode(f"{'u' * n}{secret}".encode()).decode() for n in range(4)),
        base64.b64encode(f"user:{secret}\nmore".encode()).decode(),
        base64.urlsafe_b64encode(f"user:{secret}".encode()).decode(),
    ]


def leaks(text: str, secret: str) -> bool:
    """Tell whether somebody could read the secret out of a text."""
    plain = {secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe="")}
    if any(form in text for form in plain):
        return True
    for word in text.replace('"', " ").split():
        for alphabet in (base64.b64decode, base64.urlsafe_b64decode):
            padded = word + "=" * (-len(word) % 4)
            try:
                if secret.encode() in alphabet(padded.encode()):
                    return True
            except ValueError:
                continue
    return False


@pytest.mark.parametrize("number", range(len(encodings(PASSWORD))))
def test_a_known_secret_goes_however_it_is_encoded(number: int) -> None:
    text = f"before {encodings(PASSWORD)[number]} after"
    assert leaks(text, PASSWORD)
    cleaned = Redactor([PASSWORD]).clean(text)
    assert not leaks(cleaned, PASSWORD)
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40),
    st.text(max_size=6),
    st.text(max_size=6),
)
def test_no_secret_can_be_read_out_of_base64_wherever_it_stands_in_it(
    secret: str, before: str, after: str
) -> None:
    text = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    assert not leaks(Redactor([secret]).clean(text), secret)


def test_the_keys_within_a_longer_secret_go_too() -> None:
    cleaned = Redactor([KEYS]).clean("loaded key q8Yw2mNn3bVvCcXxZz1L of [jwt.signing]")
    assert cleaned == f"loaded key {REMOVED} of [jwt.signing]"


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
        f"K10{'ab' * 32}::server:0123456789abcdef",
        "hf_AbCdEfGhIjKlMnOp",
        "eyJhbGciOi.eyJzdWIiOiJ4.c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_secret_goes_though_nobody_knows_it(secret: str) -> None:
    assert Redactor([]).clean(f"x {secret} y") == f"x {REMOVED} y"


@pytest.mark.parametrize(
    "text",
    [
        "password: {}",
        "PGPASSWORD={} psql",
        '{{"password": "{}"}}',
        "remote: ':sftp,host=h,pass={},user=u:backups'",
        "  secret_access_key = {}",
        'token: "{}"',
    ],
)
def test_what_is_called_like_a_secret_goes_whatever_it_is(text: str) -> None:
    assert Redactor([]).clean(text.format("hunter22")) == text.format(REMOVED)


@pytest.mark.parametrize(
    "text",
    [
        '"secret": {"secretName": "postgres"}',
        '"automountServiceAccountToken": false, "hf_token": true',
        'volume "x": secret "postgres" not found',
        "bypass: always",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert Redactor([]).clean(text) == text


def test_passwords_in_urls_and_settings_go_and_words_stay() -> None:
    clean = Redactor(["postgres", "x"]).clean
    assert clean("postgresql://postgres:hunter22@db:5432/x") == f"postgresql://{REMOVED}@db:5432/x"
    assert clean("password=hunter22 user=me") == f"password={REMOVED} user=me"
    assert clean("Authorization: Bearer abcdefgh12345") == f"Authorization: Bearer {REMOVED}"
    assert clean("pod postgres-0 has no token yet") == "pod postgres-0 has no token yet"


def test_planted_secrets_are_nowhere_in_the_archive(tmp_path: Path) -> None:
    planted = [PASSWORD, KEYS]
    secret = obj("Secret", "grafana", data={"a": base64.b64encode(PASSWORD.encode()).decode()})
    config = obj(
        "ConfigMap", "settings", data={"env": f"URL={encodings(PASSWORD)[2]} KEY=q8Yw2mNn3bVvCcXxZz1L"}
    )
    pod = obj(
        "Pod",
        "web-0",
        spec={"containers": [{"name": "web"}]},
        status={"containerStatuses": [{"name": "web", "restartCount": 1}]},
    )
    api = FakeApi(secret, config, pod)
    api.logs = {f"{api.path(pod)}/log": "\n".join([*encodings(PASSWORD), KEYS])}
    known = [*cluster_secrets(api, ["data-miner"]), KEYS]
    assert known == planted
    path = tmp_path / "support" / "support-lab.tar.gz"
    count = archive.write(path, texts(api, ["data-miner"]), Redactor(known))
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as opened:
        files = {
            member.name: extracted.read().decode()
            for member in opened.getmembers()
            if (extracted := opened.extractfile(member)) is not None
        }
    assert len(files) == count
    assert "support-lab/logs/data-miner/web-0.web.log" in files
    assert "support-lab/logs/data-miner/web-0.web.previous.log" in files
    for name, text in files.items():
        assert not leaks(text, PASSWORD), name
        assert not leaks(text, "q8Yw2mNn3bVvCcXxZz1L"), name
    assert json.loads(files["support-lab/cluster/data-miner/secrets.json"])[0]["data"] == {"a": ""}


def test_it_says_when_the_api_did_not_tell_its_secrets(tmp_path: Path) -> None:
    cluster = lab().model_copy(update={"state_dir": str(tmp_path)}).plain()
    options = {
        "path": str(tmp_path / "a.tar.gz"),
        "cluster": cluster,
        "machines": {},
        "status": {},
        "files": [],
    }
    result = load_module("support_archive").run({**options, "secrets": [PASSWORD]}, check=False)
    assert (result["known"], result["files"]) == (False, 2)
