"""When certificates end. Their issuer is not checked: an unknown one's end is of interest too."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_LONG_FORM = 0x80


class CertificateError(Exception):
    """There is no certificate, or it can't be read; the text says which."""


def not_after(host: str, port: int, *, timeout_s: float) -> datetime:
    """Return the end of validity of the certificate that a server shows.

    Raises:
        CertificateError: it can't be had.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as connection,
            context.wrap_socket(connection, server_hostname=host) as tls,
        ):
            der = tls.getpeercert(binary_form=True)
    except OSError as error:
        raise CertificateError(f"{host}:{port}: {error}") from error
    if der is None:
        raise CertificateError(f"{host}:{port} shows no certificate")
    return parse_not_after(der)


def first_end(certificates: Iterable[str]) -> datetime:
    """Return the end of validity of that of several certificates (PEM) which ends first.

    Raises:
        CertificateError: there is none, or one can't be read.
    """
    try:
        ends = [parse_not_after(ssl.PEM_cert_to_DER_cert(text.strip())) for text in certificates]
    except ValueError as error:
        raise CertificateError(f"no certificate: {error}") from error
    if not ends:
        raise CertificateError("there is no certificate")
    return min(ends)


def parse_not_after(der: bytes) -> datetime:
    """Return the end of validity from a certificate's DER.

    The standard library reads this only from certificates whose issuer it has checked.

    Raises:
        CertificateError: these bytes are no certificate.
    """
    try:
        _, certificate, _ = _element(der)
        _, fields, _ = _element(certificate)
        tag, _, rest = _element(fields)
        if tag == _VERSION:
            _, _, rest = _element(rest)  # the serial number
        _, _, rest = _element(rest)  # the signature's algorithm
        _, _, rest = _element(rest)  # the issuer
        tag, validity, _ = _element(rest)
        if tag != _SEQUENCE:
            raise CertificateError("no validity where a certificate has it")
        _, _, rest = _element(validity)
        return _time(*_element(rest)[:2])
    except (IndexError, ValueError) as error:
        raise CertificateError(f"no certificate: {error}") from error


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Split off the first element: its tag, its content, and what follows."""
    tag, length, start = data[0], data[1], 2
    if length & _LONG_FORM:
        start += length & ~_LONG_FORM
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError("it ends too early")
    return tag, data[start : start + length], data[start + length :]


def _time(tag: int, text: bytes) -> datetime:
    formats = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
    if tag not in formats:
        raise ValueError(f"tag {tag:#x} is no time")
    return datetime.strptime(text.decode("ascii"), formats[tag]).replace(tzinfo=UTC)
