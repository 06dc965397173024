"""The dispatch table: what a codec knows of each action. Built once, never changed.

Owns the choice of actions and how each payload is decoded. Knows nothing of bytes or frames.
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
"""No message of any OCPP version makes a frame nest deeper, with vendor data of `MAX_FREE_DEPTH`;
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
        exact_decoders: type -> decoder of an array with one payload, of any depth; its errors are
            verdicts.
        features: action -> feature.
        request_actions: request type -> its action; `""` if it is that of several.
        response_actions: response type -> one of its actions.
        dec_hook: with which these decoders read free-form values.
        index: where the compiled backend keeps its form of `fast_calls`.
        shapes: what the compiled encoder has learnt of types so far. The one thing that grows:
            an entry is derived from its type alone, so that it does not matter who makes it.
    """

    __slots__ = (
        "calls",
        "dec_hook",
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
        "results",
        "sends",
        "shapes",
        "version",
    )

    def __init__(
        self, version: Version, profiles: Iterable[Profile] | None, max_size: int, max_depth: int
    ) -> None:
        self.version = version
        if not (profiles is None or isinstance(profiles, Iterable)):
            raise TypeError(
                f"profiles: expected a list of Profile, got a {type(profiles).__name__}"
            )
        self.profiles = tuple(version.profiles if profiles is None else profiles)
        self.max_size = max_size
        self.max_depth = max_depth
        self.shapes: dict[type[Any], Any] = {}
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
            cls: msgspec.json.Decoder(list[cls], dec_hook=self.dec_hook).decode  # type: ignore[valid-type]
            for cls in types
        }
        self.fast_calls = _decoders(self.calls, fast, hook)
        self.fast_results = _decoders(self.results, fast, hook)
        self.response_actions = {cls: action for action, cls in self.results.items()}

    def _add(self, feature: Feature[Any, Any], features: dict[str, Feature[Any, Any]]) -> None:
        if feature.name in features:
            raise ValueError(f"two features have the action {feature.name!r}: leave one out")
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
            ValueError: the action is not known or has no response.
        """
        try:
            return self.results[action]
        except KeyError:
            raise ValueError(f"no response belongs to the action {action!r}") from None

    def decode(self, cls: type[Any], payload: msgspec.Raw | bytes) -> Any:
        """Decode a payload as a type, any allowed depth of vendor data included.

        It is decoded as the one item of an array, so that msgspec names a path in every error: at
        the root it would name none, and the name of an unknown field could pass for one.
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
