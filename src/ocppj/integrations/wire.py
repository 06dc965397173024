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
from ocppj.integrations.names import KeyMap, UnsupportedValue, key_map, learn, to_wire
from ocppj.policy import Policy

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
_decode_decimals: Final = msgspec.json.Decoder(
    float_hook=lambda text: Decimal(repr(float(text)))
).decode
_encode: Final = msgspec.json.Encoder().encode

_DECIMAL_ACTIONS: Final = {
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
    cls.code: cls
    for cls in vars(exceptions).values()
    if isinstance(cls, type) and issubclass(cls, exceptions.OCPPError) and hasattr(cls, "code")
}
_RENAMED_CODES: Final = (
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
        self.codec = Codec(name, policy=policy.reporting(), max_size=ANY_SIZE)
        # Of what we send, only what the schemas do not tell may be bent.
        self.sender = self.codec.with_policy(Policy(timestamp=policy.timestamp))
        self.decimal_actions = _DECIMAL_ACTIONS.get(name, set())
        features = [feature for profile in version.profiles for feature in profile.features]
        self.requests: dict[str, Any] = {feature.name: feature.request_type for feature in features}
        self.responses: dict[str, Any] = {
            feature.name: feature.response_type for feature in features if feature.response_type
        }
        codes = version.error_rules.error_codes
        self.code = {
            code: twin
            for pair in _RENAMED_CODES
            for code, twin in (pair, pair[::-1])
            if code not in codes and twin in codes
        }
        self.description_length = version.error_rules.description_length

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
        exact = (frame.message_type, action) in self.decimal_actions
        return (_decode_decimals if exact else _decode)(data)[-1]

    def key_map(self, message: Any) -> KeyMap | None:
        """Return the shape of a message's payload; `None` if it is a vendor's."""
        types = self.requests if message.message_type_id == CALL else self.responses
        cls = types.get(message.action)
        return None if cls is None else key_map(cls)

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
            message.payload = to_wire(value, self.key_map(message))
            text = _encode(_elements(message)).decode()
        except (UnsupportedValue, UnicodeEncodeError):
            given = charge_point.remove_nones(charge_point.serialize_as_dict(value))
            message.payload = charge_point.snake_to_camel_case(given)
            if check:
                await _validate_payload(message, self.name)
            text = str(message.to_json())
        if check:
            try:
                self.sender.decode(text, {message.unique_id: message.action})
            except (DecodeError, ValueError) as error:
                await self.raise_invalid(message, error)
        return text

    async def raise_invalid(self, message: Any, error: Exception) -> None:
        """Raise what mobilityhouse/ocpp has against a message; if it has nothing, our error.

        Raises:
            OCPPError: always.
        """
        await _validate_payload(message, self.name)
        code = error.error_code if isinstance(error, DecodeError) else None
        cls = _EXCEPTIONS.get(code, exceptions.ProtocolError)
        raise cls(details={"cause": str(error)}) from error

    def error(self, message: Any, cause: Exception) -> str:
        """Return the text of the CALLERROR that answers a call, in the words of the version."""
        error = message.create_call_error(cause)
        error.error_code = self.code.get(error.error_code, error.error_code)
        error.error_description = str(error.error_description)[: self.description_length]
        return str(error.to_json())


wire_of: Final = lru_cache(maxsize=256)(Wire)


def _elements(message: Any) -> list[Any]:
    message_type = message.message_type_id
    if message_type == CALL:
        return [message_type, message.unique_id, message.action, message.payload]
    return [message_type, message.unique_id, message.payload]


_MESSAGES: Final = {
    cls.message_type_id: cls for cls in (messages.Call, messages.CallResult, messages.CallError)
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
    cls = type(msg)
    if cls is messages.CallError:
        elements = [
            CALLERROR,
            msg.unique_id,
            msg.error_code,
            msg.error_description,
            msg.error_details,
        ]
    elif cls in _MESSAGES.values():
        elements = _elements(msg)
    else:
        return str(msg.to_json())
    data = _encode_exactly(elements)
    return str(msg.to_json()) if data is None else data.decode()


def _encode_exactly(elements: list[Any]) -> bytes | None:
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
        message_type, action = message.message_type_id, message.action
        head = [message_type, "", action] if message_type == CALL else [message_type, ""]
        data = _encode_exactly([*head, message.payload])
        try:
            if data is not None:
                wire = wire_of(ocpp_version, AS_SCHEMAS)
                wire.sender.decode(data, {"": action})
                if (message_type, action) in wire.decimal_actions:
                    message.payload = _decode_decimals(data)[-1]
                return
        except (DecodeError, ValueError):
            pass
    await _validate_payload(message, ocpp_version)
