"""A limit on the frames that a station may send.

A station over its limit is answered before its frame is decoded, so what it sends costs little. A
connection without a limit has a `StationLink` instead, and pays nothing.
"""

import logging
from typing import Any, Final

from ocppj.aio.rate import TokenBucket
from ocppj.aio.stations import StationLink
from ocppj.errors import DecodeError, RemoteProtocolError
from ocppj.frames import CALL, CALLERROR, CALLRESULT, Envelope

__all__ = ["ThrottledLink"]

BURST: Final = 10.0
"""Seconds whose frames may come at once: what a station has queued while it was offline."""

CODE: Final = "GenericError"


class ThrottledLink(StationLink):
    """The link of a station whose frames are limited: see `Endpoint.max_frames`.

    Over the limit, a CALL is answered GenericError and everything else is dropped, except the
    answer to our pending call. After as many frames over the limit as may come at once, without a
    pause in which the station recovers, the connection is closed with code 1008.
    """

    __slots__ = ("_bucket", "_excess")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        rate = self.endpoint.max_frames
        if rate is None:
            raise ValueError("this endpoint has no limit of frames")
        self._bucket = TokenBucket(rate, BURST)
        self._excess = 0

    def received(self, data: bytes, *, late: bool = False) -> bytes | None:
        """Handle a message within the limit: see `ocppj.aio.link.Link.received`."""
        bucket = self._bucket
        if self._excess and bucket.full:
            self._excess = 0
        if bucket.take() or late or self._closing:
            return super().received(data, late=late)
        try:
            head = self.endpoint.codec.peek(data)
        except DecodeError as error:
            return self._exceed(error.message_type, None, None)
        if self._is_awaited(head):
            return super().received(data)
        return self._exceed(head.message_type, head.message_id, head.action)

    def _is_awaited(self, head: Envelope) -> bool:
        """Return whether a frame answers our pending call."""
        pending = self.session.pending
        return (
            pending is not None
            and head.message_type in (CALLRESULT, CALLERROR)
            and head.message_id == pending.message_id
        )

    def _exceed(
        self, message_type: int | None, message_id: str | None, action: str | None
    ) -> bytes | None:
        """Answer a frame over the limit, or close the connection."""
        metrics, limit = self.endpoint.metrics, self.endpoint.max_frames
        known = action if action in self.endpoint.codec.features else None
        if metrics is not None:
            metrics.frame(self.id, "in", message_type, known, CODE)
        self._excess += 1
        problem = f"more than {limit:g} frames a second"
        self._log(logging.WARNING, problem)
        if self._excess > self._bucket.capacity:
            self.shut(1008, problem)
            return None
        if message_type != CALL or message_id is None:
            return None
        if metrics is not None:
            metrics.frame(self.id, "out", CALLERROR, known, CODE)
        return RemoteProtocolError(problem, CALL, message_id, action, CODE).reply()
