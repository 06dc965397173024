"""The messages of mobilityhouse/ocpp by our codec: read, checked and written.

Owns what charge points of one version share, and functions in place of those of `ocpp.messages`.
What is not plainly right is given to mobilityhouse/ocpp, so that its users meet its exceptions.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec
from ocpp import charge_point, exceptions, messages

from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import CALL, CALLERROR, CALLRESULT
from ocppj.integrations.names import Shape, Unclear, learn, shape, to_wire
from ocppj.policy import RULES, Policy

__all__ = [
    "AS_SCHEMAS",
    "Wire",
    "pack",
    "unpack",
    "validate_payload",
    "wire_of",
]

AS_SCHEMAS: Final = Policy(timestamp="accept")
"""The policy of an application that sets none: timestamps may lack a zone, since the JSON schemas
do not tell, and a station that was served yesterday is served today."""

ANY_SIZE: Final = 2**31 - 1
"""The application's WebSocket limits the size of messages, as it always did."""

# The originals, looked up once: whoever replaces them by ours must not make ours call itself.
_unpack: Final = messages.unpack
_validate_payload: Final = messages.validate_payload

_decode: Final = msgspec.json.Decoder().decode
_decode_tenths: Final = msgspec.json.Decoder(
    float_hook=lambda text: Decimal(repr(float(text)))
).decode
_encode: Final = msgspec.json.Encoder().encode

_TENTHS: Final = {
    "1.6": {
        (CALL, "SetChargingProfile"),
        (CALL, "RemoteStartTransaction"),
        (CALLRESULT, "GetCompositeSchedule"),
    }
}
"""Where mobilityhouse/ocpp gives every number with decimals as a `Decimal`."""

_AS_RECEIVED: Final = ("timestamp", "message_id")
"""Rules that leave the payload as it came when they are bent."""

_EXCEPTIONS: Final = {
    kind.code: kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, exceptions.OCPPError) and hasattr(kind, "code")
}
_TWINS: Final = (
    ("FormatViolation", "FormationViolation"),
    ("OccurrenceConstraintViolation", "OccurenceConstraintViolation"),
)
"""Error codes that OCPP 2.x and 1.6 spell differently."""


class Wire:
    """What charge points of one OCPP version and one policy share."""

    def __init__(self, name: str, policy: Policy) -> None:
        version = Version.named(name)
        learn(version.package)
        self.name = name
        self.policy = policy
        # What is taken silently has to be known too: the handler gets it as it was meant.
        bent = [rule for rule in RULES if getattr(policy, rule) != "reject"]
        noting = msgspec.structs.replace(policy, **dict.fromkeys(bent, "report"))
        self.codec = Codec(name, policy=noting, max_size=ANY_SIZE)
        # Of what we send, only what the schemas do not tell may be bent.
        self.sender = self.codec.with_policy(Policy(timestamp=policy.timestamp))
        self.tenths = _TENTHS.get(name, set())
        features = [feature for profile in version.profiles for feature in profile.features]
        self.requests: dict[str, Any] = {feature.name: feature.request_type for feature in features}
        self.responses: dict[str, Any] = {
            feature.name: feature.response_type for feature in features if feature.response_type
        }
        codes = version.rules.error_codes
        self.code = {
            code: twin
            for pair in _TWINS
            for code, twin in (pair, pair[::-1])
            if code not in codes and twin in codes
        }
        self.description_length = version.rules.description_length

    def payload(self, data: Any, frame: Any, action: str | None) -> Any:
        """Return the payload of a frame that was decoded, as mobilityhouse/ocpp would.

        Args:
            data: the message, of which it is taken as it came.
            frame: the same, decoded; where it was bent, what the peer has meant.
            action: `None` if the payload does not have to be checked.
        """
        if action is None:
            return _decode(data)[-1]
        if any(violation.rule not in _AS_RECEIVED for violation in frame.violations):
            data = _encode((frame.payload,))
        exact = (frame.message_type, action) in self.tenths
        return (_decode_tenths if exact else _decode)(data)[-1]

    def shape(self, message: Any) -> Shape | None:
        """Return the shape of a message's payload; `None` if it is a vendor's."""
        kinds = self.requests if message.message_type_id == CALL else self.responses
        kind = kinds.get(message.action)
        return None if kind is None else shape(kind)

    async def write(self, message: Any, value: Any, *, check: bool) -> str:
        """Give a message its payload and return its text.

        Args:
            message: a `Call` or `CallResult` without payload.
            value: the dataclass that is to be it.
            check: whether the payload has to be valid.

        Raises:
            OCPPError: it is not.
        """
        try:
            message.payload = to_wire(value, self.shape(message))
            text = _encode(_elements(message)).decode()
        except (Unclear, UnicodeEncodeError):
            given = charge_point.remove_nones(charge_point.serialize_as_dict(value))
            message.payload = charge_point.snake_to_camel_case(given)
            if check:
                await _validate_payload(message, self.name)
            text = str(message.to_json())
        if check:
            try:
                self.sender.decode(text, {message.unique_id: message.action})
            except (DecodeError, ValueError) as error:
                await self.judge(message, error)
        return text

    async def judge(self, message: Any, error: Exception) -> None:
        """Raise what mobilityhouse/ocpp has against a message; if it has nothing, our error.

        Raises:
            OCPPError: always.
        """
        await _validate_payload(message, self.name)
        code = error.error_code if isinstance(error, DecodeError) else None
        kind = _EXCEPTIONS.get(code, exceptions.ProtocolError)
        raise kind(details={"cause": str(error)}) from error

    def error(self, message: Any, cause: Exception) -> str:
        """Return the text of the CALLERROR that answers a call, in the words of the version."""
        error = message.create_call_error(cause)
        error.error_code = self.code.get(error.error_code, error.error_code)
        error.error_description = str(error.error_description)[: self.description_length]
        return str(error.to_json())


wire_of: Final = lru_cache(maxsize=256)(Wire)


def _elements(message: Any) -> list[Any]:
    number = message.message_type_id
    if number == CALL:
        return [number, message.unique_id, message.action, message.payload]
    return [number, message.unique_id, message.payload]


_MESSAGES: Final = {
    kind.message_type_id: kind for kind in (messages.Call, messages.CallResult, messages.CallError)
}


def unpack(msg: Any) -> Any:
    """Return a message as the `Call`, `CallResult` or `CallError` of `ocpp` that it is.

    Raises:
        OCPPError: it is none of them.
    """
    try:
        elements = _decode(msg)
        if type(elements) is list:
            return _MESSAGES[elements[0]](*elements[1:])
    except Exception:  # noqa: BLE001, S110  `ocpp` gives the verdict
        pass
    return _unpack(msg)


def pack(msg: Any) -> str:
    """Return the JSON text of a `Call`, `CallResult` or `CallError` of `ocpp`."""
    kind = type(msg)
    if kind is messages.CallError:
        elements = [
            CALLERROR,
            msg.unique_id,
            msg.error_code,
            msg.error_description,
            msg.error_details,
        ]
    elif kind in _MESSAGES.values():
        elements = _elements(msg)
    else:
        return str(msg.to_json())
    data = _written(elements)
    return str(msg.to_json()) if data is None else data.decode()


def _written(elements: list[Any]) -> bytes | None:
    """Encode what is JSON and nothing else; `None` for what `ocpp` has to write."""
    try:
        data = _encode(elements)
        return data if _decode(data) == elements else None
    except Exception:  # noqa: BLE001
        return None


async def validate_payload(message: Any, ocpp_version: str) -> None:
    """Check the payload of a `Call` or `CallResult` of `ocpp`.

    Raises:
        OCPPError: it is not valid.
        ValidationError: it is another kind of message.
    """
    if type(message) in (messages.Call, messages.CallResult) and message.action is not None:
        number, action = message.message_type_id, message.action
        head = [number, "", action] if number == CALL else [number, ""]
        data = _written([*head, message.payload])
        try:
            if data is not None:
                wire = wire_of(ocpp_version, AS_SCHEMAS)
                wire.sender.decode(data, {"": action})
                if (number, action) in wire.tenths:
                    message.payload = _decode_tenths(data)[-1]
                return
        except (DecodeError, ValueError):
            pass
    await _validate_payload(message, ocpp_version)
