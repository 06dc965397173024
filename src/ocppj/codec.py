"""The facade: frames from bytes and bytes from frames, for one OCPP version.

Owns the public `Codec`. How bytes are taken apart is the backend's business.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import index
from typing import Any, Final

import msgspec

from ocppj._core.backend import Backend
from ocppj._core.describe import describe_mismatch, instance_type, qualified_name
from ocppj._core.payload import decode_payload
from ocppj._core.table import Table
from ocppj.catalog import Version
from ocppj.errors import EncodeError
from ocppj.frames import CallResult, with_violations
from ocppj.policy import STRICT, Policy
from ocppj.schema import Feature, Profile

__all__ = ["Codec"]

MAX_SIZE: Final = 2**17
"""Bytes. Messages of OCPP rarely have more than 10 KiB; a charging profile with all the periods
that 2.x allows has some 100 KiB. The most expensive frame costs in proportion to this limit."""

MAX_DEPTH: Final = 32
MAX_LIMIT: Final = 2**31 - 1


@lru_cache(maxsize=16)
def _standard_table(version: Version, max_size: int, max_depth: int) -> Table:
    return Table(version, None, max_size, max_depth)


def _limit(name: str, value: int) -> int:
    number = index(value)
    if not 1 <= number <= MAX_LIMIT:
        raise ValueError(f"{name}={value!r}: use 1 to {MAX_LIMIT}")
    return number


class Codec(Backend):
    """Decodes, validates and encodes the frames of one OCPP version.

    Stateless and immutable: one codec may serve all connections and threads. Codecs of one version
    share its table, so that making another costs next to nothing.

    Args:
        version: `"1.6"`, `"2.0.1"` or `"2.1"`, or the WebSocket subprotocol's name (`"ocpp2.0.1"`).
        profiles: the functional blocks that it knows, a vendor's own included; all of the version
            by default. To add one: `[*ocppj.v201.PROFILES, MINE]`.
        policy: which faults of a peer are taken all the same; none by default. See `Policy`.
        max_size: maximum size of a frame in bytes, received or sent; 128 KiB by default.
        max_depth: how deep a frame may nest, its own array included; 32 by default.
            However large it is, a frame that exhausts CPython's stack is refused.

    Raises:
        TypeError: the profiles are not profiles, or the policy is not a `Policy`.
        ValueError: there is no such version, two features have one action, or a limit is not
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

    @property
    def version(self) -> str:
        """The OCPP version's name."""
        return self._table.version.name

    @property
    def max_size(self) -> int:
        """How many bytes a frame may have."""
        return self._table.max_size

    @property
    def policy(self) -> Policy:
        """What the codec bends."""
        return self._policy

    def with_policy(self, policy: Policy) -> "Codec":
        """Return a codec that differs in its policy alone; all else is shared."""
        codec = Codec.__new__(Codec)
        Backend.__init__(codec, self._table, policy)
        return codec

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The functional blocks that the codec knows."""
        return self._table.profiles

    @property
    def features(self) -> Mapping[str, Feature[Any, Any]]:
        """The actions that the codec knows, each with its types."""
        return self._table.features

    def feature(self, request: object) -> Feature[Any, Any]:
        """Return the feature that a request belongs to.

        Raises:
            EncodeError: it is not a request that the codec knows, or that of several actions.
        """
        action = self._table.request_actions.get(type(request))
        if not action:
            name = qualified_name(instance_type(request))
            if action is None:
                problem = f"{name} is not a request of OCPP {self.version} that is known here"
                raise EncodeError(problem, "$")
            problem = f"{name} is the request of several actions"
            raise EncodeError(f"{problem}: give each its own type", "$")
        return self._table.features[action]

    def decode_result(self, frame: CallResult[Any], action: str) -> CallResult[Any]:
        """Give a result the payload of the call that it answers.

        Args:
            frame: a result as `decode` gave it, its payload still `msgspec.Raw`.
            action: the call's action.

        Raises:
            DecodeError: the payload is not a response to such a call.
            ValueError: the action is not known or has no response, or the payload is already
                that of another.
        """
        cls = self._table.response_type(action)
        if not isinstance(frame.payload, msgspec.Raw):
            if type(frame.payload) is not cls:
                mismatch = describe_mismatch(type(frame.payload), cls)
                raise ValueError(f"the payload is decoded already, as {mismatch}")
            return frame
        head = frame.message_type, frame.message_id, action
        violations = list(frame.violations)
        payload = decode_payload(
            frame.payload, cls, self._table, self._policy, violations, head=head
        )
        typed = CallResult(frame.message_id, payload)
        return with_violations(typed, violations) if violations else typed
