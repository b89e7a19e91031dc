"""Keys and certificates of the shared storage: made once, kept as one text, handed to pods in part.

SeaweedFS's servers know each other, and the mounts, by certificates of a CA of the cluster's own (mutual TLS
on gRPC); who reads or writes pieces of files by HTTP shows a token signed with a key that only servers and
mounts have. Each kind of pod gets its own certificate and only the keys that it needs, so a mount can't
command the master, and only the master hands out leave to write.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from data_miner.errors import MinerError

#: where pods find what their Secret holds; the program looks for security.toml there by itself
DIRECTORY = "/etc/seaweedfs"
#: what a person and maintenance use `weed shell` with
SHELL = "shell"
SERVERS = ("master", "volume", "filer")
COMPONENTS = (*SERVERS, "mount", SHELL)
CA_DAYS = 3650
CERTIFICATE_DAYS = 730
#: certificates that end sooner are made anew by the next run
RENEW_DAYS = 120
#: a signed leave to write or read a piece is good for so long; machines' clocks may differ by less
TOKEN_S = 60
#: `write` and `read` are for pieces on volume servers, the others for whole files on the filer
_KEYS = ("write", "read", "filer_write", "filer_read")
_KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "master": ("write",),
    "volume": ("write", "read"),
    "filer": _KEYS,
    "mount": ("read",),
    SHELL: (),
}
_SECTIONS = {
    "write": "jwt.signing",
    "read": "jwt.signing.read",
    "filer_write": "jwt.filer_signing",
    "filer_read": "jwt.filer_signing.read",
}
#: whom each server lets call it by gRPC; volume servers copy from each other
_CALLERS = {
    "master": ("master", "filer", "volume", SHELL),
    "volume": ("master", "filer", "volume", SHELL),
    "filer": ("master", "filer", "mount", SHELL),
}
_CA_NAME = "data-miner storage CA"
_KEY_BYTES = 32
_DIGEST_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str

    def ends(self) -> datetime:
        """Return until when the certificate is valid."""
        return _load(self).not_valid_after_utc


@dataclass(frozen=True, kw_only=True)
class Security:
    """Everything that must stay secret about the storage, and the CA that signs more of it."""

    keys: dict[str, str]
    ca: Pair
    certificates: dict[str, Pair]

    def text(self) -> str:
        """Return it as the text that is kept."""
        return json.dumps(asdict(self))


def make(now: datetime) -> Security:
    """Make up everything anew."""
    ca = _signed(_CA_NAME, None, now, days=CA_DAYS)
    return Security(
        keys={name: secrets.token_urlsafe(_KEY_BYTES) for name in _KEYS},
        ca=ca,
        certificates={name: _signed(name, ca, now, days=CERTIFICATE_DAYS) for name in COMPONENTS},
    )


def renewed(present: Security, now: datetime) -> Security:
    """Return it with certificates that are missing or end soon made anew; itself where there are none.

    The keys and the CA stay, so that pods of before and after understand each other. A CA that would not
    outlive its certificates is replaced together with all of them.
    """
    if present.ca.ends() < now + timedelta(days=CERTIFICATE_DAYS):
        return Security(keys=present.keys, ca=(fresh := make(now)).ca, certificates=fresh.certificates)
    due = now + timedelta(days=RENEW_DAYS)
    kept = {name: pair for name, pair in present.certificates.items() if name in COMPONENTS}
    missing = [name for name in COMPONENTS if name not in kept or kept[name].ends() < due]
    if not missing:
        return present
    signed = {name: _signed(name, present.ca, now, days=CERTIFICATE_DAYS) for name in missing}
    return Security(keys=present.keys, ca=present.ca, certificates=kept | signed)


def parse(text: str) -> Security:
    """Return what a kept text holds.

    Raises:
        MinerError: it is not such a text, or is damaged.
    """
    try:
        data = json.loads(text)
        found = Security(
            keys={name: str(data["keys"][name]) for name in _KEYS},
            ca=Pair(**data["ca"]),
            certificates={name: Pair(**pair) for name, pair in data["certificates"].items()},
        )
        for pair in (found.ca, *found.certificates.values()):
            _load(pair)
            load_pem_private_key(pair.key.encode(), None)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # Without the error's own words, which may quote a key.
        raise MinerError(f"the keys and certificates can't be read ({type(error).__name__})") from None
    return found


def secret_name(component: str) -> str:
    """Return the name of the Secret that a kind of pod mounts."""
    return f"{component}-security"


def secret_values(security: Security) -> dict[str, dict[str, str]]:
    """Return of each Secret its files, which pods find in ``DIRECTORY``."""
    return {secret_name(name): _files(security, name) for name in COMPONENTS}


def digest(data: Mapping[str, str]) -> str:
    """Return what changes exactly when a Secret does; the keys in it are too long to be guessed from this.

    Args:
        data: of a Secret, in base64 as the API has it.
    """
    return hashlib.sha256(json.dumps(dict(sorted(data.items()))).encode()).hexdigest()[:_DIGEST_LENGTH]


def _files(security: Security, component: str) -> dict[str, str]:
    """Return what a kind of pod gets. Who opens a shell in the master's pod is a client of its own name."""
    client = {"master": SHELL, "mount": "mount", SHELL: SHELL}.get(component)
    names = sorted({component, *([client] if client else [])})
    files = {"ca.crt": security.ca.certificate}
    for name in names:
        pair = security.certificates[name]
        files |= {f"{name}.crt": pair.certificate, f"{name}.key": pair.key}
    return files | {"security.toml": _toml(security, component, client)}


def _toml(security: Security, component: str, client: str | None) -> str:
    sections = [
        _section(_SECTIONS[name], key=security.keys[name], expires_after_seconds=TOKEN_S)
        for name in _KEYS_OF[component]
    ]
    sections.append(_section("grpc", ca=f"{DIRECTORY}/ca.crt"))
    if component in SERVERS:
        callers = ",".join(_CALLERS[component])
        sections.append(_section(f"grpc.{component}", **_pair(component), allowed_commonNames=callers))
    if client:
        sections.append(_section("grpc.client", **_pair(client)))
    return "\n".join(sections)


def _pair(name: str) -> dict[str, Any]:
    return {"cert": f"{DIRECTORY}/{name}.crt", "key": f"{DIRECTORY}/{name}.key"}


def _section(name: str, **values: Any) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _load(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def _signed(name: str, ca: Pair | None, now: datetime, *, days: int) -> Pair:
    """Return a new key with its certificate, signed by a CA; by itself, and a CA, where there is none yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = _load(ca) if ca else None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Machines whose clocks are behind take it too.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        # With a mount's certificate nobody can pose as a server.
        if name in SERVERS:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
        builder = (
            builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(authority, critical=False)
        )
    signer = load_pem_private_key(ca.key.encode(), None) if ca else key
    certificate = builder.sign(signer, SHA256())  # type: ignore[arg-type]
    return Pair(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )
