"""What `CSMS` in one process and `ocppj.fleet.Fleet` have in common.

Code that is written on `Directory` asks which stations there are, calls them and hears of changes
without knowing on which machine they are connected.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from ocppj.aio.events import EventStream
from ocppj.aio.viewers import FrameStream
from ocppj.codec import Codec
from ocppj.schema import Request

__all__ = ["Directory", "StationHandle", "StationInfo"]

R = TypeVar("R")


class StationInfo(Protocol):
    """What is known of a station that is connected."""

    @property
    def id(self) -> str:
        """Its identity."""

    @property
    def version(self) -> str:
        """The OCPP version that was negotiated."""

    @property
    def node(self) -> str:
        """Id of the node that holds the connection; empty at a `CSMS`."""

    @property
    def since(self) -> datetime:
        """When it connected."""

    @property
    def generation(self) -> int:
        """Number of the connection; a later one is larger."""

    @property
    def address(self) -> str:
        """Address of the peer; empty if it is not known."""


class StationHandle(Protocol):
    """A station that can be called: `ocppj.aio.Station` and `ocppj.fleet.RemoteStation`."""

    @property
    def id(self) -> str:
        """Its identity."""

    @property
    def version(self) -> str:
        """The OCPP version that was negotiated."""

    @property
    def codec(self) -> Codec:
        """The codec of its messages."""

    async def call(self, request: Request[R], timeout: float | None = None) -> R:
        """Call the station and return its response."""

    async def send(self, request: object) -> None:
        """Send a SEND message, which is never answered (OCPP 2.1)."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close its connection."""


class Directory(Protocol):
    """Which stations are connected, how to call one, and what changes."""

    @property
    def stations(self) -> Mapping[str, StationInfo]:
        """Identity -> what is known, of all that are connected."""

    async def station(self, station_id: str, *, timeout: float | None = 0.0) -> StationHandle:
        """Return a station; wait for it if it is not connected.

        Raises:
            NotConnected: it has not connected in time.
        """

    async def call(
        self,
        station_id: str,
        request: Request[R],
        timeout: float | None = None,
        *,
        ttl: float = 0.0,
    ) -> R:
        """Call a station and return its response.

        With `ttl`, the request is kept for as many seconds for a station that is not connected.
        """

    def events(self) -> EventStream:
        """Return the changes from now on."""

    def frames(self, station_id: str) -> FrameStream:
        """Return the frames of a station from now on."""
