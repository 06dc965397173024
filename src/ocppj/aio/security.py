"""Who may connect as which charging station.

Owns the identity in the path and the checks of OCPP's security profiles 1 to 3: HTTP Basic
authentication and client certificates, both bound to the identity. TLS itself is left to `ssl`.
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
"""Maximum length of an identity in OCPP 2.x."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """The HTTP request that opens a connection.

    Attributes:
        station_id: identity of the charging station: the last segment of the path, decoded.
        path: as requested.
        headers: header name in lower case -> value.
        remote: address of the peer.
        certificate: client certificate, as `ssl.SSLSocket.getpeercert` returns it; `None` if the
            client sent none.
    """

    station_id: str
    path: str
    headers: Mapping[str, str]
    remote: Any = None
    certificate: Mapping[str, Any] | None = None


Authenticate: TypeAlias = Callable[[Handshake], bool | Awaitable[bool]]
"""Returns whether a station is who it claims to be."""

IsKnown: TypeAlias = Callable[[str], bool | Awaitable[bool]]
"""Returns whether an identity is that of a station."""


def identity(path: str, subprotocol: str | None) -> str | None:
    """Return the identity at the end of a path, decoded; `None` if it is not valid.

    In OCPP 2.x an identity has at most 48 characters and no colon (P4-201 3.1.1). OCPP 1.6 has no
    such rule. In all versions it must be printable, without slash or backslash, and more than dots:
    somebody will use it in a file name or a URL.

    Args:
        path: as requested, percent-encoded.
        subprotocol: the one that was negotiated; `None` if there is none.
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
    """Return an identity as the last segment of a path, percent-encoded.

    Raises:
        ValueError: the identity is not valid for one of the subprotocols.
    """
    segment = quote(station_id, safe="")
    if any(identity(segment, name) != station_id for name in subprotocols):
        problem = (
            f"use 1 to {MAX_IDENTITY_LENGTH} printable characters, no colon, slash or backslash"
        )
        raise ValueError(f"{station_id!r} is not a valid station identity: {problem}")
    return segment


class Admission:
    """Whether a station may connect. Each check runs once, as early as possible.

    Args:
        path: as requested.
        headers: header name in lower case -> value.
        subprotocol: the one that was negotiated; `None` if there is none in common.
        known: returns whether an identity is that of a station.
        authenticate: returns whether a station is who it claims to be. It runs before the upgrade
            only if it has a true attribute `early`: it needs neither address nor certificate.
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
            self._checks.append(
                (HTTPStatus.NOT_FOUND, lambda handshake: known(handshake.station_id), True)
            )
        if authenticate is not None:
            early = getattr(authenticate, "early", False)
            self._checks.append((HTTPStatus.UNAUTHORIZED, authenticate, early))
        self._waiting: Awaitable[bool] | None = None
        self._timeout: asyncio.Timeout | None = None
        self._gave_up = False

    def give_up(self) -> None:
        """Reject the station with HTTP 503 unless its checks are complete."""
        if self._timeout is not None and not self._gave_up:
            self._timeout.reschedule(0)
        self._gave_up = True

    def early(self) -> HTTPStatus | None:
        """Return the HTTP status if the request alone is enough to reject it, else `None`."""
        if self._gave_up:
            return HTTPStatus.SERVICE_UNAVAILABLE
        while self._checks and self._checks[0][2]:
            status, check, _ = self._checks[0]
            try:
                answer = check(self._handshake)
            except Exception as error:  # noqa: BLE001  checks are users' code
                return self._report(error)
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
        """Run the remaining checks. Return the handshake, or the HTTP status to reject it with."""
        handshake = replace(self._handshake, remote=remote, certificate=certificate)
        try:
            async with asyncio.timeout(0 if self._gave_up else None) as self._timeout:
                for status, check, _ in self._checks:
                    answer = self._waiting or check(handshake)
                    self._waiting = None
                    if not (await answer if hasattr(answer, "__await__") else answer):
                        return status
        except Exception as error:  # noqa: BLE001  checks are users' code
            if self._timeout is not None and self._timeout.expired():
                return HTTPStatus.SERVICE_UNAVAILABLE
            return self._report(error)
        finally:
            self._timeout = None
        return handshake

    def _report(self, error: Exception) -> HTTPStatus:
        station_id = self._handshake.station_id
        log.error("%s: a check failed, rejected with HTTP 500", station_id, exc_info=error)
        return HTTPStatus.INTERNAL_SERVER_ERROR


class _Basic:
    """HTTP Basic authentication: see `basic`."""

    early = True

    def __init__(self, check: Callable[[str, bytes], bool | Awaitable[bool]]) -> None:
        self._check = check

    def __call__(self, handshake: Handshake) -> bool | Awaitable[bool]:
        scheme, _, value = handshake.headers.get("authorization", "").partition(" ")
        try:
            given = b64decode(value, validate=True) if scheme.lower() == "basic" else b""
        except (Base64Error, ValueError):
            return False
        user = handshake.station_id.encode() + b":"
        return given.startswith(user) and self._check(handshake.station_id, given[len(user) :])


def basic(check: Callable[[str, bytes], bool | Awaitable[bool]]) -> Authenticate:
    """Return a check of HTTP Basic authentication (security profiles 1 and 2).

    The user name must be the identity in the path.

    Args:
        check: takes the identity and the password (bytes), and returns whether it is right. Compare
            with `hmac.compare_digest`.
    """
    return _Basic(check)


def certificate(handshake: Handshake) -> bool:
    """Check that the client certificate belongs to the station (security profile 3).

    Its common name or one of its DNS names must be the identity in the path. The `ssl` context
    checks the issuer (`verify_mode=CERT_REQUIRED`).
    """
    found = handshake.certificate
    if not found:
        return False
    names = [value for name_type, value in found.get("subjectAltName", ()) if name_type == "DNS"]
    for parts in found.get("subject", ()):
        names += [value for key, value in parts if key == "commonName"]
    return handshake.station_id in names
