"""What an endpoint asks of a library for traces.

Owns the interface, which `ocppj.aio.opentelemetry` implements. Without tracing, calls and answers
go the way that they would go if this module did not exist.
"""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ocppj.aio.endpoint import Responder

__all__ = ["Tracing"]


class Tracing(Protocol):
    """Makes a span of each call, in either direction. Must not block or raise."""

    def call(self, station_id: str, version: str, action: str) -> AbstractContextManager[object]:
        """Return a context in which the peer is called: its span is current and ends with it.

        Args:
            station_id: identity of the charging station.
            version: of OCPP.
            action: of the call.
        """

    def responder(self, responder: "Responder") -> "Responder":
        """Return a responder that makes a span of each call that another one answers.

        The span is current while the call is handled.
        """

    def continued(self, traceparent: str | None) -> AbstractContextManager[object]:
        """Return a context in which a span of another process is current.

        Args:
            traceparent: the header of W3C Trace Context; `None` or an invalid one changes nothing.
        """

    def traceparent(self) -> str | None:
        """Return the header with which another process continues the current span; or `None`."""
