"""Bearer tokens: who may read, and who may command."""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias, get_args

from ocppj.web.problems import Problem

__all__ = ["Scope", "Tokens", "check_host", "is_loopback"]

Scope: TypeAlias = Literal["read", "command"]
"""`"read"`: see stations and their traffic. `"command"`: call and disconnect them too."""

MIN_LENGTH: Final = 16
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="ocppj"'}
LOOPBACK_NAMES: Final = frozenset({"localhost"})


class Tokens:
    """Tokens with their scopes. A token is compared in constant time with all of them.

    Args:
        scopes: token -> scope. A token has at least 16 printable ASCII characters, none a space.

    Raises:
        ValueError: there is no token, one is too short, or a scope is unknown.
    """

    def __init__(self, scopes: Mapping[str, Scope]) -> None:
        if not scopes:
            raise ValueError("no token: give at least one")
        for token, scope in scopes.items():
            if len(token) < MIN_LENGTH or not token.isascii() or not token.isprintable():
                raise ValueError(f"a token has at least {MIN_LENGTH} printable ASCII characters")
            if scope not in get_args(Scope):
                raise ValueError(f"scope {scope!r}: use one of {', '.join(get_args(Scope))}")
        self._digests = [(_digest(token), scope) for token, scope in scopes.items()]

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read tokens from a file: a scope and a token on each line, `#` begins a comment.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line has another form; the error names the line, not the token.
        """
        scopes: dict[str, Scope] = {}
        for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                scope, token = words
                cls({token: scope})  # type: ignore[dict-item]  # it checks the scope
            except ValueError:
                raise ValueError(
                    f"{path}, line {number}: write `read TOKEN` or `command TOKEN`, "
                    f"a token of at least {MIN_LENGTH} characters"
                ) from None
            scopes[token] = scope  # type: ignore[assignment]  # checked above
        return cls(scopes)

    def check(self, authorization: str | None, needed: Scope) -> None:
        """Check the `Authorization` header of a request.

        Raises:
            Problem: 401 without a valid token, 403 if its scope does not suffice.
        """
        scheme, _, token = (authorization or "").partition(" ")
        digest = _digest(token.strip())
        found = [scope for known, scope in self._digests if hmac.compare_digest(known, digest)]
        if scheme.lower() != "bearer" or not found:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "A valid token is needed",
                "send `Authorization: Bearer TOKEN`",
                headers=CHALLENGE,
            )
        if needed == "command" and "command" not in found:
            raise Problem(
                HTTPStatus.FORBIDDEN, "The token may only read", "use a token of scope command"
            )


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def is_loopback(host: str) -> bool:
    """Return whether an address or host name is that of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def check_host(header: str | None, allowed: Iterable[str]) -> None:
    """Check the `Host` header of a request that needs no token.

    A page of another site can make a browser send requests here under a name of its own that
    resolves to 127.0.0.1 (DNS rebinding). Its `Host` header gives it away.

    Raises:
        Problem: 421, the host is not one of this machine.
    """
    host = (header or "").rpartition("@")[2]
    name = host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]
    if not is_loopback(name) and name.lower() not in allowed:
        raise Problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "Unknown host",
            "without tokens only requests to localhost are answered",
        )
