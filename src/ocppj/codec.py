"""`Codec`: frames from bytes and bytes from frames, for one OCPP version.

Owns the public class. How bytes are read and written is the backend's business.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import index
from typing import Any, Final, TypeVar

import msgspec

from ocppj._core.backend import Backend
from ocppj._core.describe import describe_mismatch, instance_type, qualified_name
from ocppj._core.payload import decode_payload
from ocppj._core.table import Table
from ocppj.catalog import Version
from ocppj.errors import EncodeError
from ocppj.frames import CallResult, Data, Envelope, Frame, with_violations
from ocppj.policy import STRICT, Policy
from ocppj.schema import Feature, Profile

__all__ = ["Codec"]

MAX_SIZE: Final = 2**17
"""Bytes. Messages of OCPP rarely have more than 10 KiB; a charging profile with all the periods
that 2.x allows has some 100 KiB. The most expensive frame costs in proportion to this limit."""

MAX_DEPTH: Final = 32
MAX_LIMIT: Final = 2**31 - 1

M = TypeVar("M", bound=Callable[..., Any])


@lru_cache(maxsize=16)
def _standard_table(version: Version, max_size: int, max_depth: int) -> Table:
    return Table(version, None, max_size, max_depth)


def _limit(name: str, value: int) -> int:
    number = index(value)
    if not 1 <= number <= MAX_LIMIT:
        raise ValueError(f"{name}={value!r}: use 1 to {MAX_LIMIT}")
    return number


def _direct(method: M) -> M:
    """Replace a method that only calls the backend's with the backend's method itself.

    It keeps its documentation and annotations. A Python frame in between would make decoding a
    small message a tenth slower.
    """
    implementation: Any = getattr(Backend, method.__name__)
    implementation.__doc__ = method.__doc__
    implementation.__annotations__ = method.__annotations__
    direct: M = implementation
    return direct


class Codec(Backend):
    """Decode, validate and encode the frames of one OCPP version.

    `decode` turns one WebSocket message into a frame, `encode` a frame into bytes, and `peek` reads
    the head of a frame without decoding its payload:

    >>> codec = ocppj.Codec("2.0.1")
    >>> frame = codec.decode('[2,"17","Heartbeat",{}]')
    >>> frame
    Call(message_id='17', action='Heartbeat', payload=HeartbeatRequest(custom_data=None))
    >>> codec.encode(frame)
    b'[2,"17","Heartbeat",{}]'

    A codec is immutable: connections and threads can share one. Codecs of the same version and
    limits share their tables, so creating another one is cheap. Codecs can be copied and pickled.

    Args:
        version: `"1.6"`, `"2.0.1"` or `"2.1"`, or the name of the WebSocket subprotocol, for
            instance `"ocpp2.0.1"`.
        profiles: the functional blocks to support, all of the version by default. To add your own:
            `[*ocppj.v201.PROFILES, MINE]`.
        policy: which violations of the schema to tolerate when decoding, none by default.
        max_size: maximum size of a frame in bytes, received or sent; 128 KiB by default.
        max_depth: maximum nesting of a frame, its own array included; 32 by default. A frame that
            would overflow CPython's stack is rejected even if this limit is higher.

    Raises:
        TypeError: `profiles` or `policy` has the wrong type.
        ValueError: the version is unknown, two features have the same action, or a limit is not
            between 1 and 2**31 - 1.
    """

    __slots__ = ()

    def __init__(
        self,
        version: str,
        *,
        profiles: Iterable[Profile] | None = None,
        policy: Policy = STRICT,
        max_size: int = MAX_SIZE,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        codec_version = Version.named(version)
        max_size, max_depth = _limit("max_size", max_size), _limit("max_depth", max_depth)
        if profiles is None:
            table = _standard_table(codec_version, max_size, max_depth)
        else:
            table = Table(codec_version, profiles, max_size, max_depth)
        super().__init__(table, policy)

    @_direct
    def decode(self, data: Data, pending: Mapping[str, str] | None = None) -> Frame:
        """Decode and validate one frame.

        >>> codec = ocppj.Codec("2.0.1")
        >>> codec.decode('[2,"17","ClearCache",{}]').payload
        ClearCacheRequest(custom_data=None)
        >>> codec.decode('[3,"17",{"status":"Accepted"}]', {"17": "ClearCache"}).payload.status
        <ClearCacheStatusEnumType.ACCEPTED: 'Accepted'>

        Args:
            data: one WebSocket message.
            pending: message id -> action of the calls that a CALLRESULT may answer. The payload of
                any other CALLRESULT stays `msgspec.Raw`; `decode_result` decodes it later.

        Returns:
            A `Call`, `CallResult` or `CallError`; with OCPP 2.1 also a `CallResultError` or `Send`.

        Raises:
            DecodeError: the data is not a valid frame. Send the peer what its `reply()` returns.
            ValueError: `pending` names an action that has no response.
        """
        return super().decode(data, pending)

    @_direct
    def encode(self, frame: Frame, *, validate: bool = True) -> bytes:
        """Validate and encode one frame.

        Timestamps are converted to UTC and rounded to milliseconds.

        >>> codec = ocppj.Codec("2.0.1")
        >>> codec.encode(ocppj.Call("17", "Heartbeat", ocppj.v201.HeartbeatRequest()))
        b'[2,"17","Heartbeat",{}]'

        Args:
            frame: any of the five types of frames.
            validate: `False` skips validation. Use it to pass on a frame that `decode` returned.

        Returns:
            Bytes that `decode` accepts and turns into an equal frame, if validated.

        Raises:
            EncodeError: a peer would reject the frame, or JSON cannot represent it.
        """
        return super().encode(frame, validate=validate)

    @_direct
    def peek(self, data: Data) -> Envelope:
        """Read the head of a frame without decoding its payload.

        The frame is checked to be JSON of the right shape. Its action may be unknown and its
        payload invalid.

        >>> ocppj.Codec("2.0.1").peek('[2,"17","Heartbeat",{}]')
        Envelope(message_type=2, message_id='17', action='Heartbeat', payload=b'{}')

        Args:
            data: one WebSocket message.

        Raises:
            FrameError: the data is not a frame.
        """
        return super().peek(data)

    def decode_result(self, frame: CallResult[Any], action: str) -> CallResult[Any]:
        """Decode the payload of a CALLRESULT once its action is known.

        Args:
            frame: a CALLRESULT that `decode` returned with a payload of type `msgspec.Raw`.
            action: the action of the call that it answers.

        Returns:
            The frame with a typed payload.

        Raises:
            DecodeError: the payload is not a valid response to the action.
            ValueError: the action is unknown or has no response, or the payload is already decoded
                as the response to another action.
        """
        cls = self._table.response_type(action)
        if not isinstance(frame.payload, msgspec.Raw):
            if type(frame.payload) is not cls:
                mismatch = describe_mismatch(type(frame.payload), cls)
                raise ValueError(f"the payload is already decoded, as {mismatch}")
            return frame
        head = frame.message_type, frame.message_id, action
        violations = list(frame.violations)
        payload = decode_payload(
            frame.payload, cls, self._table, self._policy, violations, head=head
        )
        typed = CallResult(frame.message_id, payload)
        return with_violations(typed, violations) if violations else typed

    def with_policy(self, policy: Policy) -> "Codec":
        """Return a codec with another policy that shares everything else with this one."""
        codec = Codec.__new__(Codec)
        Backend.__init__(codec, self._table, policy)
        return codec

    def feature(self, request: object) -> Feature[Any, Any]:
        """Return the feature that a request belongs to.

        Raises:
            EncodeError: the request is not one of this codec's, or several actions share its type.
        """
        action = self._table.request_actions.get(type(request))
        if not action:
            name = qualified_name(instance_type(request))
            if action is None:
                problem = f"{name} is not a request of OCPP {self.version} that this codec knows"
                raise EncodeError(problem, "$")
            problem = f"{name} is the request of several actions: give each its own type"
            raise EncodeError(problem, "$")
        return self._table.features[action]

    @property
    def version(self) -> str:
        """The name of the OCPP version."""
        return self._table.version.name

    @property
    def policy(self) -> Policy:
        """Which violations of the schema are tolerated when decoding."""
        return self._policy

    @property
    def max_size(self) -> int:
        """Maximum size of a frame in bytes."""
        return self._table.max_size

    @property
    def max_depth(self) -> int:
        """Maximum nesting of a frame, its own array included."""
        return self._table.max_depth

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The functional blocks that the codec supports."""
        return self._table.profiles

    @property
    def features(self) -> Mapping[str, Feature[Any, Any]]:
        """Action -> feature of all actions that the codec supports."""
        return self._table.features

    def _options(self) -> dict[str, Any]:
        """Return the keyword arguments that differ from the defaults."""
        options = {
            "profiles": (self.profiles, self._table.version.profiles),
            "policy": (self.policy, STRICT),
            "max_size": (self.max_size, MAX_SIZE),
            "max_depth": (self.max_depth, MAX_DEPTH),
        }
        return {name: value for name, (value, default) in options.items() if value != default}

    def __repr__(self) -> str:
        options = self._options()
        if "profiles" in options:
            options["profiles"] = [profile.name for profile in self.profiles]
        shown = [repr(self.version), *(f"{name}={value!r}" for name, value in options.items())]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.version, self._options())

    def __copy__(self) -> "Codec":
        return self

    def __deepcopy__(self, memo: object) -> "Codec":
        return self


def _restore(cls: type[Codec], version: str, options: dict[str, Any]) -> Codec:
    return cls(version, **options)
