"""Endpoints as in `tests/aio`."""

from tests.aio.conftest import end

__all__ = ["end"]
