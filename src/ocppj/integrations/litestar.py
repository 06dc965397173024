"""Messages in routes of Litestar, which supports Structs but not our vendor data.

`Litestar(..., type_decoders=TYPE_DECODERS)` adds that. Knows nothing of Litestar itself.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from ocppj.schema import JSON, CustomData, dec_hook

__all__ = ["TYPE_DECODERS"]

MAX_DEPTH: Final = 32
"""How deep vendor data may nest, as with a codec."""


def _is_free_form(cls: Any) -> bool:
    return cls is CustomData or cls is JSON


TYPE_DECODERS: Final[Sequence[tuple[Callable[[Any], bool], Callable[[type, Any], Any]]]] = (
    (_is_free_form, dec_hook(MAX_DEPTH)),
)
"""For the argument `type_decoders` of Litestar, its routers and its handlers."""
