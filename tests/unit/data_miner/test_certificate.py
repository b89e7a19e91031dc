"""Reading when a certificate ends, from its bytes and from a server that shows it."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path
from socket import create_server

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from data_miner.certificate import CertificateError, first_end, not_after, parse_not_after

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server with a long name " * 2)])


def certificate(end: datetime) -> x509.Certificate:
    """Return a certificate of its own that ends at a moment."""
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(1960, 1, 1, tzinfo=UTC))
        .not_valid_after(end)
        .sign(KEY, hashes.SHA256())
    )


def der(end: datetime) -> bytes:
    return certificate(end).public_bytes(serialization.Encoding.DER)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_the_end_is_read_as_it_was_written(end: datetime) -> None:
    end = end.replace(microsecond=0)
    assert parse_not_after(der(end)) == end


@given(st.integers(0, 200))
def test_what_is_cut_off_is_no_certificate(length: int) -> None:
    with pytest.raises(CertificateError):
        parse_not_after(der(datetime(2030, 1, 1, tzinfo=UTC))[:length])


@given(st.binary(max_size=300))
def test_other_bytes_are_no_certificate(data: bytes) -> None:
    with pytest.raises(CertificateError):
        parse_not_after(data)


def pem(end: datetime) -> str:
    return certificate(end).public_bytes(serialization.Encoding.PEM).decode()


def test_of_several_certificates_the_first_end_counts() -> None:
    early, late = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    assert first_end([pem(late), pem(early)]) == early


@pytest.mark.parametrize(("texts", "words"), [([], "there is no"), (["nonsense"], "no certificate")])
def test_without_a_certificate_nothing_ends(texts: list[str], words: str) -> None:
    with pytest.raises(CertificateError, match=words):
        first_end(texts)


def test_a_server_is_asked_whoever_signed_its_certificate(tmp_path: Path) -> None:
    end = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    file = tmp_path / "server.pem"
    key = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(key + certificate(end).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert not_after("127.0.0.1", server.getsockname()[1], timeout_s=10) == end
        thread.join(10)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(CertificateError, match=r"127\.0\.0\.1:1"):
        not_after("127.0.0.1", 1, timeout_s=5)
