"""Who may connect to a node now: not too many at once, nobody while it drains."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from ocppj.aio.node import NodeAcceptor
from ocppj.aio.security import Admission

__all__ = ["FleetAcceptor", "HandshakeLimit"]

BURST: Final = 1.0
"""Seconds whose handshakes may come at once."""


class HandshakeLimit:
    """Allows so many handshakes a second.

    Args:
        rate: handshakes per second; `None`: any number.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._left = 0.0 if rate is None else max(1.0, rate * BURST)
        self._since = monotonic()

    def allows(self) -> bool:
        """Count a handshake; return whether it may go on."""
        if self._rate is None:
            return True
        now = monotonic()
        most = max(1.0, self._rate * BURST)
        self._left = min(most, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class FleetAcceptor(NodeAcceptor):
    """Lets stations enter a node of a fleet; those it has no room for now get HTTP 503.

    Attributes:
        limit: of handshakes.
    """

    def __init__(self, *args: Any, limit: HandshakeLimit) -> None:
        super().__init__(*args)
        self.limit = limit

    def admission(
        self,
        path: str,
        headers: Mapping[str, str],
        subprotocol: str | None,
        segment: str | None = None,
    ) -> Admission:
        """Return what decides whether a station may connect."""
        admission = super().admission(path, headers, subprotocol, segment)
        if not self.limit.allows():
            admission.give_up()
        return admission
