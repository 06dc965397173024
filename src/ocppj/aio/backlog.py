"""Frames that wait to be sent, bounded in number and in bytes."""

import asyncio
from collections import deque

__all__ = ["Backlog"]


class Backlog:
    """A queue of frames with one reader.

    Args:
        max_frames: maximum number of frames.
        max_bytes: maximum number of bytes of all frames. A single frame may have more.
    """

    __slots__ = ("_finished", "_frames", "_max_bytes", "_max_frames", "_reader", "_size")

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._finished = False
        self._reader: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __contains__(self, data: object) -> bool:
        return data in self._frames

    def put(self, data: bytes) -> bool:
        """Add a frame; return `False` instead if there is no room for it."""
        frames = self._frames
        if frames and (len(frames) >= self._max_frames or self._size + len(data) > self._max_bytes):
            return False
        frames.append(data)
        self._size += len(data)
        self._wake()
        return True

    def drop_oldest(self) -> None:
        """Remove the frame that has waited longest."""
        self._size -= len(self._frames.popleft())

    def finish(self) -> None:
        """Let `get` return `None` when no frames are left."""
        self._finished = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> bytes | None:
        """Remove and return the next frame; wait for one, unless there will be none."""
        while not self._frames:
            if self._finished:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        data = self._frames.popleft()
        self._size -= len(data)
        return data
