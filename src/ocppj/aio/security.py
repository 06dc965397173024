"""Who may connect as which charging station.

Owns the identity in the path and the checks of OCPP's security profiles 1 to 3: HTTP Basic
authentication and client certificates, both bound to the identity. TLS itself is `ssl`'s business.
"""

import asyncio
import logging
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

__all__ = [
    "Admission",
    "Authenticate",
    "Handshake",
    "IsKnown",
    "basic",
    "certificate",
    "identity",
    "path_segment",
]

log: Final = logging.getLogger("ocppj.aio")

MAX_IDENTITY_LENGTH: Final = 48


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a charging station has said on connecting.

    Attributes:
        station_id: the last segment of the path, decoded.
        path: as requested.
        headers: of the HTTP request; names in lower case.
        remote: address of the peer.
        certificate: of the client, as `ssl.SSLSocket.getpeercert` has it; `None` without.
    """

    station_id: str
    path: str
    headers: Mapping[str, str]
    remote: Any = None
    certificate: Mapping[str, Any] | None = None


Authenticate: TypeAlias = Callable[[Handshake], bool | Awaitable[bool]]
"""Tells whether a station is who it says."""

IsKnown: TypeAlias = Callable[[str], bool | Awaitable[bool]]
"""Tells of an identity whether there is such a station."""


def identity(path: str, subprotocol: str | None) -> str | None:
    """Return the identity that a path ends with; `None` if it is none.

    In OCPP 2.x it has at most 48 characters and no colon (P4-201 3.1.1); 1.6 has no such rule. In
    all versions it is printable, has no slash or backslash and is not made of dots alone, whatever
    was percent-encoded: somebody will make a file name or a URL of it.

    Args:
        path: as requested, percent-encoded.
        subprotocol: of the version that will be spoken; `None` if there is none.
    """
    try:
        station_id = unquote(path.partition("?")[0].rpartition("/")[2], errors="strict")
    except UnicodeDecodeError:
        return None
    if not station_id.isprintable() or any(mark in station_id for mark in "/\\"):
        return None
    if not station_id.strip("."):
        return None
    if subprotocol in (None, "ocpp1.6"):
        return station_id
    return None if ":" in station_id or len(station_id) > MAX_IDENTITY_LENGTH else station_id


def path_segment(station_id: str, subprotocols: Iterable[str]) -> str:
    """Return the last segment of the path for an identity.

    Raises:
        ValueError: it is none in one of the versions.
    """
    segment = quote(station_id, safe="")
    if any(identity(segment, name) != station_id for name in subprotocols):
        problem = (
            f"use 1 to {MAX_IDENTITY_LENGTH} printable characters, no colon, slash or backslash"
        )
        raise ValueError(f"{station_id!r} is no identity of a charging station: {problem}")
    return segment


class Admission:
    """Whether a station may enter. Each check is made once, and as early as it can be.

    Args:
        path: as requested.
        headers: of the HTTP request; names in lower case.
        subprotocol: that will be spoken; `None` if there is none in common.
        known: tells of an identity whether there is such a station.
        authenticate: tells whether a station is who it says. It is asked before the upgrade only if
            it has an attribute `early` that is true: it looks at the headers alone.
        segment: the identity, percent-encoded, if it is not the last segment of the path.
    """

    def __init__(
        self,
        path: str,
        headers: Mapping[str, str],
        subprotocol: str | None,
        known: IsKnown | None,
        authenticate: Authenticate | None,
        *,
        segment: str | None = None,
    ) -> None:
        station_id = identity(path if segment is None else segment, subprotocol)
        self._handshake = Handshake(station_id or "", path, headers)
        self._checks: list[tuple[HTTPStatus, Callable[[Handshake], Any], bool]] = [
            (HTTPStatus.NOT_FOUND, lambda _: station_id is not None, True)
        ]
        if known is not None:
            self._checks.append((HTTPStatus.NOT_FOUND, lambda it: known(it.station_id), True))
        if authenticate is not None:
            early = getattr(authenticate, "early", False)
            self._checks.append((HTTPStatus.UNAUTHORIZED, authenticate, early))
        self._waiting: Awaitable[bool] | None = None
        self._patience: asyncio.Timeout | None = None
        self._over = False

    def give_up(self) -> None:
        """Let nobody in any more: whoever is still being checked gets HTTP 503."""
        if self._patience is not None and not self._over:
            self._patience.reschedule(0)
        self._over = True

    def early(self) -> HTTPStatus | None:
        """Return the refusal if the request alone tells at once, else `None`."""
        if self._over:
            return HTTPStatus.SERVICE_UNAVAILABLE
        while self._checks and self._checks[0][2]:
            status, check, _ = self._checks[0]
            try:
                answer = check(self._handshake)
            except Exception as error:  # noqa: BLE001  checks are other people's code
                return self._unknown(error)
            if hasattr(answer, "__await__"):
                self._waiting = answer
                return None
            del self._checks[0]
            if not answer:
                return status
        return None

    async def finish(
        self, remote: Any, certificate: Mapping[str, Any] | None
    ) -> Handshake | HTTPStatus:
        """Return who is connecting, or the HTTP status of the refusal."""
        handshake = replace(self._handshake, remote=remote, certificate=certificate)
        try:
            async with asyncio.timeout(0 if self._over else None) as self._patience:
                for status, check, _ in self._checks:
                    answer = self._waiting or check(handshake)
                    self._waiting = None
                    if not (await answer if hasattr(answer, "__await__") else answer):
                        return status
        except Exception as error:  # noqa: BLE001  checks are other people's code
            if self._patience is not None and self._patience.expired():
                return HTTPStatus.SERVICE_UNAVAILABLE
            return self._unknown(error)
        finally:
            self._patience = None
        return handshake

    def _unknown(self, error: Exception) -> HTTPStatus:
        station_id = self._handshake.station_id
        log.error("%s: cannot tell whether it may connect", station_id, exc_info=error)
        return HTTPStatus.INTERNAL_SERVER_ERROR


class _Basic:
    """HTTP Basic authentication: see `basic`."""

    early = True

    def __init__(self, check: Callable[[str, bytes], bool | Awaitable[bool]]) -> None:
        self._check = check

    def __call__(self, handshake: Handshake) -> bool | Awaitable[bool]:
        scheme, _, value = handshake.headers.get("authorization", "").partition(" ")
        try:
            said = b64decode(value, validate=True) if scheme.lower() == "basic" else b""
        except (Base64Error, ValueError):
            return False
        user = handshake.station_id.encode() + b":"
        return said.startswith(user) and self._check(handshake.station_id, said[len(user) :])


def basic(check: Callable[[str, bytes], bool | Awaitable[bool]]) -> Authenticate:
    """Return a check of HTTP Basic authentication (security profiles 1 and 2).

    The user name has to be the identity in the path.

    Args:
        check: is given the identity and the password as it came; compare with
            `hmac.compare_digest`.
    """
    return _Basic(check)


def certificate(handshake: Handshake) -> bool:
    """Check that the client certificate is the station's own (security profile 3).

    Its common name or one of its DNS names has to be the identity in the path. That it was issued
    by whom you trust is up to the `ssl` context (`verify_mode=CERT_REQUIRED`).
    """
    found = handshake.certificate
    if not found:
        return False
    names = [value for name_type, value in found.get("subjectAltName", ()) if name_type == "DNS"]
    for parts in found.get("subject", ()):
        names += [value for key, value in parts if key == "commonName"]
    return handshake.station_id in names
