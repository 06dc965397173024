"""Decode, validate and encode the messages of mobilityhouse/ocpp with our codec.

Owns what charge points of one version share, and replacements for functions of `ocpp.messages`.
Whatever is not certainly valid is passed to mobilityhouse/ocpp, so that users get its exceptions.
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
"""The policy of an application that sets none. Timestamps without a time zone are accepted, since
the JSON schemas accept them: a running application must not start to reject its stations."""

ANY_SIZE: Final = 2**31 - 1
"""No limit: the application's WebSocket library has one."""

# The original functions. Looked up once: an application may replace them with ours.
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
"""Messages in which mobilityhouse/ocpp decodes numbers with decimals as `Decimal`."""

_AS_RECEIVED: Final = ("timestamp", "message_id")
"""Rules whose violations do not change what a handler gets."""

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
        # Violations that the policy accepts silently are reported too: they change what a handler
        # gets.
        self.codec = Codec(name, policy=policy.reporting(), max_size=ANY_SIZE)
        # Sending is strict, except for timestamps.
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
        """Return a payload in the form in which mobilityhouse/ocpp has it.

        Args:
            data: the message.
            frame: the same, decoded. Its payload is used if violations were tolerated.
            action: the action; `None` if validation is skipped.
        """
        if action is None:
            return _decode(data)[-1]
        if any(violation.rule not in _AS_RECEIVED for violation in frame.violations):
            data = _encode((frame.payload,))
        exact = (frame.message_type, action) in self.decimal_actions
        return (_decode_decimals if exact else _decode)(data)[-1]

    def key_map(self, message: Any) -> KeyMap | None:
        """Return the keys of a message's payload; `None` for a vendor action."""
        types = self.requests if message.message_type_id == CALL else self.responses
        cls = types.get(message.action)
        return None if cls is None else key_map(cls)

    async def write(self, message: Any, value: Any, *, check: bool) -> str:
        """Set the payload of a message and return its text.

        Args:
            message: a `Call` or `CallResult` without a payload.
            value: the payload, as a dataclass.
            check: whether to validate it.

        Raises:
            OCPPError: the payload is invalid.
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
        """Raise the exception of mobilityhouse/ocpp for an invalid message.

        If mobilityhouse/ocpp accepts it, the exception has our error's code and text.

        Raises:
            OCPPError: always.
        """
        await _validate_payload(message, self.name)
        code = error.error_code if isinstance(error, DecodeError) else None
        cls = _EXCEPTIONS.get(code, exceptions.ProtocolError)
        raise cls(details={"cause": str(error)}) from error

    def error(self, message: Any, cause: Exception) -> str:
        """Return the CALLERROR that answers a call, with an error code of the version."""
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
    """Parse a message. Replaces `ocpp.messages.unpack`.

    Returns:
        A `Call`, `CallResult` or `CallError` of `ocpp.messages`.

    Raises:
        OCPPError: the message is none of them.
    """
    try:
        elements = _decode(msg)
        if type(elements) is list:
            return _MESSAGES[elements[0]](*elements[1:])
    except Exception:  # noqa: BLE001, S110  the original raises what users expect
        pass
    return _unpack(msg)


def pack(msg: Any) -> str:
    """Return the JSON text of a `Call`, `CallResult` or `CallError`.

    Replaces `ocpp.messages.pack`.
    """
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
    """Encode JSON values; return `None` for anything else, which `ocpp` has to encode."""
    try:
        data = _encode(elements)
        return data if _decode(data) == elements else None
    except Exception:  # noqa: BLE001  of values of any type; the original raises what users expect
        return None


async def validate_payload(message: Any, ocpp_version: str) -> None:
    """Validate the payload of a message. Replaces `ocpp.messages.validate_payload`.

    Args:
        message: a `Call` or `CallResult` of `ocpp.messages`.
        ocpp_version: the name of the version, for instance `"2.0.1"`.

    Raises:
        OCPPError: the payload is invalid.
        ValidationError: the message is neither a `Call` nor a `CallResult`.
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
