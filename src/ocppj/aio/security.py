"""Who may connect as which charging station.

Owns the identity in the path and the checks of OCPP's security profiles 1 to 3: HTTP Basic
authentication and client certificates, both bound to the identity. TLS itself is `ssl`'s business.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

__all__ = ["Authenticate", "Handshake", "basic", "certificate", "identity", "path"]

MOST_CHARACTERS = 48  # P4-201 3.1.1


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a charging station has said on connecting.

    Attributes:
        station_id: the last segment of the path, decoded.
        path: as requested.
        headers: of the HTTP request; names in lower case.
        remote: address of the peer; `None` where the transport does not tell before the upgrade.
        certificate: of the client, as `ssl.SSLSocket.getpeercert` has it; `None` without.
    """

    station_id: str
    path: str
    headers: Mapping[str, str]
    remote: Any = None
    certificate: Mapping[str, Any] | None = None


Authenticate: TypeAlias = Callable[[Handshake], bool | Awaitable[bool]]
"""Tells whether a station is who it says."""


def identity(path: str) -> str | None:
    """Return the identity that a path ends with; `None` if it is none.

    At most 48 characters, as OCPP 2.x has it; a colon is refused, for it would not go with HTTP
    Basic (P4-201 3.1.1).
    """
    try:
        station_id = unquote(path.partition("?")[0].rpartition("/")[2], errors="strict")
    except UnicodeDecodeError:
        return None
    if not station_id.isprintable() or not 0 < len(station_id) <= MOST_CHARACTERS:
        return None
    return None if ":" in station_id else station_id


def path(station_id: str) -> str:
    """Return the last segment of the path for an identity."""
    if identity(quote(station_id, safe="")) != station_id:
        problem = f"use 1 to {MOST_CHARACTERS} printable characters and no colon"
        raise ValueError(f"{station_id!r} is no identity of a charging station: {problem}")
    return quote(station_id, safe="")


def basic(check: Callable[[str, bytes], bool | Awaitable[bool]]) -> Authenticate:
    """Return a check of HTTP Basic authentication (security profiles 1 and 2).

    The user name has to be the identity in the path.

    Args:
        check: is given the identity and the password as it came; compare with
            `hmac.compare_digest`.
    """

    def authenticate(handshake: Handshake) -> bool | Awaitable[bool]:
        scheme, _, value = handshake.headers.get("authorization", "").partition(" ")
        try:
            said = b64decode(value, validate=True) if scheme.lower() == "basic" else b""
        except (Base64Error, ValueError):
            return False
        user = handshake.station_id.encode() + b":"
        return said.startswith(user) and check(handshake.station_id, said[len(user) :])

    return authenticate


def certificate(handshake: Handshake) -> bool:
    """Check that the client certificate is the station's own (security profile 3).

    Its common name or one of its DNS names has to be the identity in the path. That it was issued
    by whom you trust is up to the `ssl` context (`verify_mode=CERT_REQUIRED`).
    """
    found = handshake.certificate
    if not found:
        return False
    names = [value for kind, value in found.get("subjectAltName", ()) if kind == "DNS"]
    for parts in found.get("subject", ()):
        names += [value for key, value in parts if key == "commonName"]
    return handshake.station_id in names
