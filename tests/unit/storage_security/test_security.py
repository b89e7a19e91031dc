"""Keys and certificates of the shared storage: who gets what, and when they are made anew."""

from __future__ import annotations

import base64
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from data_miner.errors import MinerError
from miner_cluster.storage_security import (
    CA_DAYS,
    CERTIFICATE_DAYS,
    COMPONENTS,
    DIRECTORY,
    RENEW_DAYS,
    SERVERS,
    Security,
    digest,
    make,
    parse,
    renewed,
    secret_name,
    secret_values,
)
from tests.modules import load_module

NOW = datetime(2026, 11, 26, tzinfo=UTC)
module = load_module("storage_security")


@pytest.fixture(scope="module")
def security() -> Security:
    return make(NOW)


def config(security: Security, component: str) -> dict[str, Any]:
    return tomllib.loads(secret_values(security)[secret_name(component)]["security.toml"])


def certificate(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def test_what_is_kept_is_what_was_made(security: Security) -> None:
    assert parse(security.text()) == security


def test_nothing_is_made_anew_before_its_time(security: Security) -> None:
    in_time = NOW + timedelta(days=CERTIFICATE_DAYS - RENEW_DAYS - 1)
    assert renewed(security, in_time) is security


def test_certificates_that_end_soon_are_signed_anew_by_the_same_ca(security: Security) -> None:
    late = NOW + timedelta(days=CERTIFICATE_DAYS - RENEW_DAYS + 1)
    found = renewed(security, late)
    assert (found.keys, found.ca) == (security.keys, security.ca)
    assert all(found.certificates[name] != security.certificates[name] for name in COMPONENTS)
    ca = certificate(found.ca.certificate)
    for pair in found.certificates.values():
        certificate(pair.certificate).verify_directly_issued_by(ca)


def test_a_kind_of_pod_that_is_new_gets_a_certificate_and_the_others_keep_theirs(security: Security) -> None:
    fewer = {name: pair for name, pair in security.certificates.items() if name != "mount"}
    found = renewed(Security(keys=security.keys, ca=security.ca, certificates=fewer), NOW)
    assert set(found.certificates) == set(COMPONENTS)
    assert all(found.certificates[name] == pair for name, pair in fewer.items())


def test_a_ca_never_ends_before_what_it_signs(security: Security) -> None:
    late = NOW + timedelta(days=CA_DAYS - CERTIFICATE_DAYS + 1)
    found = renewed(security, late)
    assert found.keys == security.keys
    assert found.ca != security.ca
    assert all(pair.ends() <= found.ca.ends() for pair in found.certificates.values())


def test_another_ca_makes_other_certificates(security: Security) -> None:
    other = make(NOW)
    assert not set(other.keys.values()) & set(security.keys.values())
    with pytest.raises(InvalidSignature):
        certificate(other.certificates["mount"].certificate).verify_directly_issued_by(
            certificate(security.ca.certificate)
        )


@pytest.mark.parametrize(
    ("component", "keys"),
    [
        ("master", {"jwt.signing"}),
        ("volume", {"jwt.signing", "jwt.signing.read"}),
        ("filer", {"jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read"}),
        ("mount", {"jwt.signing.read"}),
        ("shell", set()),
    ],
)
def test_each_kind_of_pod_gets_only_the_keys_that_it_needs(
    security: Security, component: str, keys: set[str]
) -> None:
    found = config(security, component).get("jwt", {})
    named = {
        f"jwt.{name}{suffix}"
        for name, table in found.items()
        for suffix, section in (("", table), (".read", table.get("read", {})))
        if "key" in section
    }
    assert named == keys


def test_only_servers_can_pose_as_servers(security: Security) -> None:
    for name, pair in security.certificates.items():
        extension = certificate(pair.certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert (ExtendedKeyUsageOID.SERVER_AUTH in extension.value) is (name in SERVERS)
        assert ExtendedKeyUsageOID.CLIENT_AUTH in extension.value


def test_a_mount_may_call_the_filer_and_nobody_else(security: Security) -> None:
    callers = {
        name: config(security, name)["grpc"][name]["allowed_commonNames"].split(",") for name in SERVERS
    }
    assert {name for name, allowed in callers.items() if "mount" in allowed} == {"filer"}
    assert all("shell" in allowed for allowed in callers.values())


def test_every_file_that_a_configuration_names_is_in_its_secret(security: Security) -> None:
    for component in COMPONENTS:
        files = secret_values(security)[secret_name(component)]
        grpc = config(security, component)["grpc"]
        sections = [section for section in grpc.values() if isinstance(section, dict)]
        named = {grpc["ca"], *(section[part] for section in sections for part in ("cert", "key"))}
        assert named == {f"{DIRECTORY}/{file}" for file in files if file != "security.toml"}


def test_no_secret_holds_the_key_of_the_ca(security: Security) -> None:
    assert all(
        security.ca.key not in files.values() for files in secret_values(security).values() for _ in files
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"keys": {}, "ca": {}, "certificates": {}}'])
def test_a_damaged_text_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(MinerError, match="can't be read") as caught:
        parse(text)
    assert not text or text not in str(caught.value)


def test_a_damaged_key_is_refused_without_being_quoted(security: Security) -> None:
    key = security.certificates["filer"].key.splitlines()[1]
    with pytest.raises(MinerError) as caught:
        parse(security.text().replace(key, key[::-1]))
    assert key[::-1] not in str(caught.value)


def test_a_digest_changes_with_what_is_in_a_secret_and_tells_nothing_of_it() -> None:
    data = {"key": base64.b64encode(b"hunter2").decode()}
    assert digest(data) == digest(dict(data))
    assert digest(data) != digest({**data, "more": ""})
    assert "hunter2" not in digest(data)


def test_the_module_keeps_what_is_in_order_and_makes_what_is_missing() -> None:
    first = module.run({"kept": "", "anew": False}, check=False)
    assert first["changed"]
    assert first["problem"] == ""
    again = module.run({"kept": first["text"], "anew": False}, check=False)
    assert (again["changed"], again["secrets"]) == (False, first["secrets"])
    other = module.run({"kept": first["text"], "anew": True}, check=False)
    assert other["changed"]
    assert other["text"] != first["text"]


def test_the_module_says_what_is_wrong_and_makes_nothing() -> None:
    found = module.run({"kept": "nonsense", "anew": False}, check=False)
    assert (found["changed"], found["text"], found["secrets"]) == (False, "", {})
    assert "can't be read" in found["problem"]
