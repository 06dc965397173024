"""The dispatch table: what a codec knows of each action. Built once, never changed.

Owns the choice of actions and how each payload is decoded. Knows nothing of bytes or frames.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from ocppj.catalog import Version
from ocppj.schema import JSON, CustomData, Feature, Profile, dec_hook

__all__ = ["Decode", "Table"]

Decode = Callable[[bytes], Any]

FREE_DEPTH: Final = 16
"""A free-form value (vendor data) that nests deeper than this is not taken by the fast way."""

FRAME_DEPTH: Final = 32
"""No message of any OCPP version makes a frame nest deeper, with vendor data of `FREE_DEPTH`;
a test looks. So these need not be measured one by one."""


class Table:
    """The actions that a codec knows, and the decoder of each of their payloads.

    Attributes:
        version: the OCPP version.
        profiles: as given.
        max_size: bytes that a frame may have.
        max_depth: how deep a frame may nest.
        calls: action -> request type, of what comes as a CALL.
        results: action -> response type.
        sends: action -> request type, of what comes as a SEND.
        fast_calls: action -> decoder of the request. It takes the bytes of a payload and nothing
            that breaks the rules; what it refuses may still be right (very deep vendor data), so
            its errors are no verdict. Actions whose payload has no bound on its depth are missing.
        fast_results: the same for responses.
        response_actions: response type -> one of its actions.
    """

    __slots__ = (
        *("version", "profiles", "max_size", "max_depth", "calls", "results", "sends"),
        *("fast_calls", "fast_results", "response_actions", "dec_hook"),
    )

    def __init__(
        self, version: Version, profiles: Iterable[Profile] | None, max_size: int, max_depth: int
    ) -> None:
        self.version = version
        self.profiles = tuple(version.profiles if profiles is None else profiles)
        self.max_size = max_size
        self.max_depth = max_depth
        self.dec_hook = dec_hook(max_depth)
        self.calls: dict[str, type[Any]] = {}
        self.results: dict[str, type[Any]] = {}
        self.sends: dict[str, type[Any]] = {}
        for profile in self.profiles:
            for feature in profile.features:
                self._add(feature)
        official = {feature for profile in version.profiles for feature in profile.features}
        fast = {
            feature.name
            for profile in self.profiles
            for feature in profile.features
            if (feature in official and max_depth >= FRAME_DEPTH)
            or 1 + max(nesting(feature.request_type), nesting(feature.response_type)) <= max_depth
        }
        hook = dec_hook(FREE_DEPTH)
        self.fast_calls = _decoders(self.calls, fast, hook)
        self.fast_results = _decoders(self.results, fast, hook)
        self.response_actions = {kind: action for action, kind in self.results.items()}

    def _add(self, feature: Feature[Any, Any]) -> None:
        if feature.name in self.calls or feature.name in self.sends:
            raise ValueError(f"two features have the action {feature.name!r}: leave one out")
        if feature.response_type is None:
            self.sends[feature.name] = feature.request_type
        else:
            self.calls[feature.name] = feature.request_type
            self.results[feature.name] = feature.response_type

    def response_type(self, action: str) -> type[Any]:
        """Return the response type of an action.

        Raises:
            ValueError: the action is not known or has no response.
        """
        try:
            return self.results[action]
        except KeyError:
            raise ValueError(f"no response belongs to the action {action!r}") from None

    def decode(self, kind: type[Any], payload: msgspec.Raw | bytes) -> Any:
        """Decode a payload as a type, any allowed depth of vendor data included."""
        return msgspec.json.decode(payload, type=kind, dec_hook=self.dec_hook)


def _decoders(
    types: Mapping[str, type[Any]], fast: set[str], hook: Callable[[type, Any], Any]
) -> dict[str, Decode]:
    return {
        action: msgspec.json.Decoder(kind, dec_hook=hook).decode
        for action, kind in types.items()
        if action in fast
    }


def nesting(kind: Any) -> float:
    """Return how deep the fast way lets a value of a type nest; infinity if nothing bounds it."""
    return _nesting(inspect.type_info(kind), ())


def _nesting(info: inspect.Type, around: tuple[inspect.Type, ...]) -> float:
    if any(info is outer for outer in around):
        return math.inf
    match info:
        case inspect.AnyType() | inspect.RawType():
            return math.inf
        case inspect.CustomType(cls=cls):
            return FREE_DEPTH if cls in (CustomData, JSON) else math.inf
        case inspect.UnionType(types=inner):
            return max(_nesting(item, around) for item in inner)
        case inspect.CollectionType(item_type=item):
            parts: list[inspect.Type] = [item]
        case inspect.TupleType(item_types=items):
            parts = list(items)
        case inspect.DictType(value_type=value):
            parts = [value]
        case (
            inspect.StructType(fields=fields)
            | inspect.DataclassType(fields=fields)
            | inspect.TypedDictType(fields=fields)
            | inspect.NamedTupleType(fields=fields)
        ):
            parts = [field.type for field in fields]
        case _:
            return 0
    return 1 + max((_nesting(part, (*around, info)) for part in parts), default=0)
