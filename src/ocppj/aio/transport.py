"""What endpoints and WebSocket libraries ask of each other.

A transport is a module or object with `serve` (`ServerTransport`), `connect` (`ClientTransport`) or
both. It makes a `Transport` of each connection and hands its messages to a `Receiver`: the one that
`Acceptor.enter` or `Attach` returns.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args
from urllib.parse import urlsplit, urlunsplit

from ocppj.aio.security import Admission, Handshake
from ocppj.errors import ConnectionLost

__all__ = [
    "NO_ANSWER",
    "REFUSAL_HEADERS",
    "Acceptor",
    "Attach",
    "ClientTransport",
    "Listening",
    "Receiver",
    "ServerTransport",
    "Transport",
    "TransportModule",
    "TransportName",
    "dial",
    "load",
    "redirected",
    "shown",
    "write_limit",
]

TransportName: TypeAlias = Literal["websockets", "picows"]
"""The WebSocket library in use; each is an extra of the same name."""

T = TypeVar("T", bound="ServerTransport | ClientTransport")

OPEN_TIMEOUT: Final = 10.0
"""Seconds for a TLS handshake, and for the checks whether a station may connect."""

PERMANENT_ERRORS: Final = (ModuleNotFoundError, TypeError, ValueError)
"""Errors that retrying cannot fix."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that a peer has to answer a close frame."""


def write_limit(max_size: int) -> int:
    """Return how many bytes may be unsent before reading from the peer stops.

    It is half a message. With the answer that exceeds it, less than two messages are kept.
    """
    return max_size // 2


class Transport(Protocol):
    """An open WebSocket connection."""

    async def send(self, data: bytes) -> None:
        """Send a text message. Wait while the peer does not keep up.

        Raises:
            ConnectionLost: the connection is closed.
        """

    async def ping(self) -> None:
        """Send a ping and wait for its pong, without limit.

        Raises:
            ConnectionLost: the connection is closed.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close with a WebSocket close code. Wait for the peer at most `CLOSE_TIMEOUT`."""


class Receiver(Protocol):
    """Gets the messages of a connection: `ocppj.aio.link.Link` is one."""

    def received(self, data: bytes, *, late: bool = False) -> bytes | None:
        """Handle a message, and return the answer if there is one to send at once.

        Args:
            data: the message.
            late: whether a close frame has been sent. No call is handled after it.
        """

    def lost(self, reason: str = "") -> None:
        """Note that the connection has ended, and why."""


REFUSAL_HEADERS: Final[Mapping[HTTPStatus, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Basic realm="OCPP", charset="UTF-8"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
}


class Acceptor(Protocol):
    """Decides about new connections.

    Attributes:
        max_size: maximum number of bytes of a message.
    """

    max_size: int

    def subprotocol(self, offered: Iterable[str]) -> str | None:
        """Return which of the subprotocols offered to use; `None` if none is supported."""

    def admission(
        self, path: str, headers: Mapping[str, str], subprotocol: str | None
    ) -> Admission:
        """Return what decides whether a station may connect."""

    async def enter(
        self, handshake: Handshake, subprotocol: str | None, transport: Transport
    ) -> Receiver | None:
        """Return the receiver of the messages; `None` if the connection was closed instead."""


class Listening(Protocol):
    """A listening transport.

    Attributes:
        port: the port; the first one if there are several sockets.
    """

    port: int

    def stop(self) -> None:
        """Accept no more connections. Open ones continue."""

    async def wait_closed(self) -> None:
        """Drop connections that have not sent a complete request, and wait for all to end."""


Attach: TypeAlias = Callable[[str | None, Transport], Receiver]
"""Takes the negotiated subprotocol and the connection."""


class ServerTransport(Protocol):
    """A transport that can listen."""

    async def serve(
        self,
        acceptor: Acceptor,
        host: str | Sequence[str] | None,
        port: int,
        *,
        ssl: Any = None,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        **options: Any,
    ) -> Listening:
        """Listen for connections."""


class ClientTransport(Protocol):
    """A transport that can connect."""

    async def connect(
        self,
        url: str,
        subprotocols: Sequence[str],
        attach: Attach,
        *,
        max_size: int,
        headers: Mapping[str, str],
        ssl: Any = None,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        **options: Any,
    ) -> Awaitable[None]:
        """Open a connection. What is returned is done when it has ended."""


class TransportModule(ServerTransport, ClientTransport, Protocol):
    """A transport for either end."""


NO_ANSWER: Final = "the server closed the connection during the handshake"

SHOWN_LENGTH: Final = 200
"""Maximum number of characters of an address in an error."""


def shown(url: str | None) -> str:
    """Return an address for an error message: without user, password, query and fragment."""
    try:
        parts = urlsplit(url or "")
        address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        address = ""
    return address[:SHOWN_LENGTH] if address.isprintable() and address else "elsewhere"


def redirected(status: int, location: str | None) -> ConnectionError:
    """Return the error for a redirect.

    Redirects are not followed: they would send the password to another server.
    """
    return ConnectionError(
        f"HTTP {status} redirects to {shown(location)}: redirects are not followed, "
        "connect to that address if it is right"
    )


def load(transport: TransportName | T) -> TransportModule | T:
    """Return the module of a transport; an object is returned unchanged.

    Raises:
        ValueError: no transport has this name.
        ModuleNotFoundError: its library is not installed.
    """
    if not isinstance(transport, str):
        return transport
    if transport not in get_args(TransportName):
        raise ValueError(
            f"unknown transport {transport!r}: use one of {', '.join(get_args(TransportName))}"
        )
    try:
        module: Any = import_module(f"ocppj.aio.{transport}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != transport:
            raise
        problem = f"{transport} is not installed: pip install 'ocppj[{transport}]'"
        raise ModuleNotFoundError(problem, name=transport) from error
    found: TransportModule = module
    return found


async def dial(
    transport: TransportName | ClientTransport,
    url: str,
    subprotocols: Sequence[str],
    attach: Attach,
    *,
    max_size: int,
    headers: Mapping[str, str],
    **options: Any,
) -> Awaitable[None]:
    """Connect, and return what ends with the connection: see `ClientTransport.connect`.

    Raises:
        ConnectionLost: the attempt failed; another one may succeed.
        ModuleNotFoundError: the transport's library is not installed.
        TypeError: the transport does not have an option.
        ValueError: the URL or an option is not valid.
    """
    try:
        return await load(transport).connect(
            url, subprotocols, attach, max_size=max_size, headers=headers, **options
        )
    except ConnectionLost:
        raise
    except Exception as error:
        # An invalid certificate raises an OSError that is a ValueError too.
        if isinstance(error, PERMANENT_ERRORS) and not isinstance(error, OSError):
            raise
        address = shown(url)
        problem = str(error).replace(url, address)
        raise ConnectionLost(f"cannot connect to {address}: {problem}") from error
