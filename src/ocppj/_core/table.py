"""The dispatch table: the types and decoders of each action. Built once, never changed.

Owns the choice of actions and how each payload is decoded. Knows nothing of frames.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ocppj._core.plan import MAX_FREE_DEPTH, nesting
from ocppj.catalog import Version
from ocppj.schema import Feature, Profile, dec_hook

__all__ = ["Decode", "Table"]

Decode = Callable[[bytes], Any]

MAX_FRAME_DEPTH: Final = 32
"""Frames of all OCPP versions nest at most this deep if their vendor data nests at most
`MAX_FREE_DEPTH` deep. A test proves it, so the official types need not be measured one by one."""


class Table:
    """The actions of a codec, with the types and decoders of their payloads.

    Attributes:
        version: the OCPP version.
        error_rules: its error codes, and which faults are answered.
        profiles: the functional blocks.
        max_size: maximum size of a frame in bytes.
        max_depth: maximum nesting of a frame.
        calls: action -> request type, for actions that are sent as a CALL.
        results: action -> response type.
        sends: action -> request type, for actions that are sent as a SEND.
        fast_calls: action -> decoder for the bytes of a request. It accepts only valid payloads,
            but may reject valid ones with deeply nested vendor data; so its errors do not prove a
            payload invalid. Actions whose payloads can nest without limit are missing.
        fast_results: the same for responses.
        exact_decoders: type -> decoder for the bytes of an array with one payload, which may nest
            up to `max_depth`. Its errors prove a payload invalid.
        features: action -> feature.
        request_actions: request type -> action; `""` if several actions share the type.
        response_actions: response type -> one of its actions.
        dec_hook: the hook with which the exact decoders read free-form values.
        index: where the compiled backend keeps its form of `fast_calls`.
        call_checks: request type -> how the pure Python encoder validates it.
        result_checks: response type -> the same.
        shapes: type -> the same for the compiled encoder. Only these three grow. An entry depends
            on its type alone, so threads may add one twice.
    """

    __slots__ = (
        "call_checks",
        "calls",
        "dec_hook",
        "error_rules",
        "exact_decoders",
        "fast_calls",
        "fast_results",
        "features",
        "index",
        "max_depth",
        "max_size",
        "profiles",
        "request_actions",
        "response_actions",
        "result_checks",
        "results",
        "sends",
        "shapes",
        "version",
    )

    def __init__(
        self, version: Version, profiles: Iterable[Profile] | None, max_size: int, max_depth: int
    ) -> None:
        self.version = version
        self.error_rules = version.error_rules
        if not (profiles is None or isinstance(profiles, Iterable)):
            raise TypeError(
                f"profiles: expected a list of Profile, got a {type(profiles).__name__}"
            )
        self.profiles = tuple(version.profiles if profiles is None else profiles)
        self.max_size = max_size
        self.max_depth = max_depth
        self.shapes: dict[type[Any], Any] = {}
        self.call_checks: dict[type[Any], Any] = {}
        self.result_checks: dict[type[Any], Any] = {}
        self.index: Any = None
        self.dec_hook = dec_hook(max_depth)
        features: dict[str, Feature[Any, Any]] = {}
        self.features: Mapping[str, Feature[Any, Any]] = MappingProxyType(features)
        self.calls: dict[str, type[Any]] = {}
        self.results: dict[str, type[Any]] = {}
        self.sends: dict[str, type[Any]] = {}
        self.request_actions: dict[type[Any], str] = {}
        for profile in self.profiles:
            if not isinstance(profile, Profile):
                name = type(profile).__name__
                raise TypeError(f"profiles: expected a list of Profile, got one with a {name}")
            for feature in profile.features:
                self._add(feature, features)
        official = {feature for profile in version.profiles for feature in profile.features}
        fast = {
            feature.name
            for profile in self.profiles
            for feature in profile.features
            if (feature in official and max_depth >= MAX_FRAME_DEPTH)
            or 1 + max(nesting(feature.request_type), nesting(feature.response_type)) <= max_depth
        }
        hook = dec_hook(MAX_FREE_DEPTH)
        types = {*self.calls.values(), *self.results.values(), *self.sends.values()}
        self.exact_decoders = {
            cls: msgspec.json.Decoder(list[cls], dec_hook=self.dec_hook).decode  # type: ignore[valid-type]  # made here
            for cls in types
        }
        self.fast_calls = _decoders(self.calls, fast, hook)
        self.fast_results = _decoders(self.results, fast, hook)
        self.response_actions = {cls: action for action, cls in self.results.items()}

    def _add(self, feature: Feature[Any, Any], features: dict[str, Feature[Any, Any]]) -> None:
        if feature.name in features:
            raise ValueError(f"two features have the action {feature.name!r}: remove one")
        features[feature.name] = feature
        shared = feature.request_type in self.request_actions
        self.request_actions[feature.request_type] = "" if shared else feature.name
        if feature.response_type is None:
            self.sends[feature.name] = feature.request_type
        else:
            self.calls[feature.name] = feature.request_type
            self.results[feature.name] = feature.response_type

    def response_type(self, action: str) -> type[Any]:
        """Return the response type of an action.

        Raises:
            ValueError: the action is unknown or has no response.
        """
        try:
            return self.results[action]
        except KeyError:
            raise ValueError(f"this codec has no action {action!r} with a response") from None

    def decode(self, cls: type[Any], payload: msgspec.Raw | bytes) -> Any:
        """Decode a payload with its exact decoder.

        It is decoded as the only item of an array, so that every error of msgspec has a path. At
        the root it would have none, and the name of an unknown field could be mistaken for one.
        """
        return self.exact_decoders[cls](b"[%b]" % bytes(payload))[0]


def _decoders(
    types: Mapping[str, type[Any]], fast: set[str], hook: Callable[[type, Any], Any]
) -> dict[str, Decode]:
    return {
        action: msgspec.json.Decoder(cls, dec_hook=hook).decode
        for action, cls in types.items()
        if action in fast
    }
