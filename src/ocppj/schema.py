"""What messages are built from: fields, data types, features and profiles.

Owns what the version packages, and features of your own, are written with. Knows nothing of frames,
codecs or any version. A version package imports this module, msgspec and itself.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NoReturn,
    Protocol,
    TypeAlias,
    TypeVar,
)

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from ocppj.errors import CallRefused

__all__ = [
    "JSON",
    "CustomData",
    "Feature",
    "Integer",
    "Maybe",
    "Message",
    "Profile",
    "Reply",
    "Request",
    "Sender",
    "Tenths",
    "Timestamp",
    "check_json",
    "check_tenths",
    "dec_hook",
    "not_supported",
]

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
VENDOR_ID_LENGTH = 255
TOO_DEEP = "nested too deep"
_LONG_VENDOR_ID = f"Expected `str` of length <= {VENDOR_ID_LENGTH} in field `vendorId`"
PYDANTIC = "ocppj.integrations.pydantic"
"""Gives pydantic the schema of messages. Imported on first use."""

Integer: TypeAlias = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
"""An integer of at most 64 bits. OCPP 2.x says 32, but stations use larger transaction ids."""

Tenths: TypeAlias = Annotated[float, Meta(extra_json_schema={"multipleOf": 0.1})]
"""A number with at most one decimal; the Struct checks it with `check_tenths`."""

Timestamp: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A date and time with a time zone: RFC 3339 on the wire, an aware `datetime` in Python."""

FRACTION_DIGITS: Final = 3
"""Digits after the second in the timestamps that we send, 0 to 6. OCPP 2.x allows three."""

Sender: TypeAlias = Literal["csms", "charging_station", "both"]
"""Which side may send the call of a feature."""

if TYPE_CHECKING:
    from typing import Optional as Maybe

    JSON: TypeAlias = Any
else:

    class Maybe:
        """`Maybe[X] = None` is an optional field.

        Type checkers read `X | None`, msgspec reads `X`. So an absent field decodes to `None`, and
        `None` is left out when encoding, but `null` in JSON is invalid, as the schemas require.
        """

        def __class_getitem__(cls, item: Any) -> Any:
            return item

    class _Anything(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return True

    class JSON(metaclass=_Anything):
        """Any JSON value. Unlike `typing.Any`, msgspec passes the value to `dec_hook`."""


def _pydantic(cls: type[Any], _source: Any, _handler: Any) -> Any:
    """Tell pydantic how to validate and serialize a type."""
    return import_module(PYDANTIC).core_schema(cls)


def _pydantic_json(cls: type[Any], _schema: Any, handler: Any) -> Any:
    """Tell pydantic the JSON Schema of a type."""
    return import_module(PYDANTIC).json_schema(cls, handler)


class Message(
    msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, rename="camel", gc=False
):
    """Base class of requests, responses and data types.

    Field names are camelCase in JSON, fields at their default are left out, and unknown fields are
    invalid. Payloads are trees, so the cyclic garbage collector does not track them.
    """

    __get_pydantic_core_schema__ = classmethod(_pydantic)
    __get_pydantic_json_schema__ = classmethod(_pydantic_json)


class CustomData(dict[str, Any]):
    """Vendor data of OCPP 2.x: a JSON object with a `vendorId` of at most 255 characters.

    It may have any other keys. They keep their names: `CustomData(vendorId="acme", fanSpeed=3)`.
    """

    __slots__ = ()
    __get_pydantic_core_schema__ = classmethod(_pydantic)
    __get_pydantic_json_schema__ = classmethod(_pydantic_json)


def check_json(value: Any, depth: int) -> None:
    """Check the integers and the nesting of a free-form JSON value.

    Args:
        value: the value.
        depth: maximum nesting.

    Raises:
        ValueError: an integer has more than 64 bits, or the value nests deeper than `depth`.
    """
    level: Any = (value,)
    cls = type(value)
    if cls is dict or cls is list:
        if depth == 0:
            raise ValueError(TOO_DEEP)
        depth -= 1
        level = value.values() if cls is dict else value
    # Level by level: a recursive call for each container takes twice as long in the worst case.
    while level:
        inner: list[Any] = []
        for item in level:
            cls = type(item)
            if cls is str:  # the most frequent type
                continue
            if cls is dict or cls is list:
                if depth == 0:
                    raise ValueError(TOO_DEEP)
                inner += item.values() if cls is dict else item
            elif cls is int and not INT64_MIN <= item <= INT64_MAX:
                raise ValueError("integer beyond 64 bits")
        level = inner
        depth -= 1


def check_tenths(value: float | None, name: str) -> None:
    """Check that a number has at most one decimal.

    `Meta(multiple_of=0.1)` cannot: because of binary floating point it rejects 8.1.

    Raises:
        ValueError: the number has more decimals.
    """
    if type(value) is float and round(value, 1) != value:
        raise ValueError(f"Expected `float` with at most one decimal in field `{name}`")


def dec_hook(depth: int) -> Callable[[type, Any], Any]:
    """Return the `dec_hook` with which msgspec decoders build `CustomData` and `JSON` values.

    Args:
        depth: maximum nesting of such a value, itself included.
    """

    def hook(cls: type, value: Any) -> Any:
        if cls is CustomData and type(value) is not dict:
            raise TypeError(f"Expected `object`, got `{JSON_NAMES[type(value)]}`")
        check_json(value, depth)
        if cls is CustomData:
            if "vendorId" not in value:
                raise ValueError("Object missing required field `vendorId`")
            vendor_id = value["vendorId"]
            if type(vendor_id) is not str:
                got = JSON_NAMES[type(vendor_id)]
                raise TypeError(f"Expected `str`, got `{got}` in field `vendorId`")
            if len(vendor_id) > VENDOR_ID_LENGTH:
                raise ValueError(_LONG_VENDOR_ID)
            return CustomData(value)
        if cls is JSON:
            return value
        raise NotImplementedError(f"no decoder for {cls!r}")

    return hook


JSON_NAMES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    type(None): "null",
}
"""Type -> msgspec's name for it, so that our messages about wrong types read like msgspec's."""

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Request(Protocol[ResponseT]):
    """A request that knows the type of its response.

    So type checkers know that `call(HeartbeatRequest())` returns a `HeartbeatResponse`.

    Attributes:
        response_type: the type of the response.
    """

    # With a property instead, pyright would not accept the ClassVar of a request. It reports the
    # type variable in a ClassVar, but pyright and mypy both solve it.
    response_type: ClassVar[type[ResponseT]]  # pyright: ignore[reportGeneralTypeIssues]


Reply: TypeAlias = ResponseT | Awaitable[ResponseT]
"""What a handler method returns: the response, or an awaitable of it."""


def not_supported(request: Message) -> NoReturn:
    """Refuse a request. The methods that handler protocols declare do so.

    Raises:
        CallRefused: always, with the error code NotSupported.
    """
    name = getattr(request, "feature_name", type(request).__name__)
    raise CallRefused("NotSupported", f"{name} is not supported")


class Feature(msgspec.Struct, Generic[RequestT, ResponseT], frozen=True):
    """An action and the types of its payloads.

    Attributes:
        name: the action in the frame, for instance `"Heartbeat"`.
        request_type: the type of the request.
        response_type: the type of the response; `None` for a SEND, which is not answered.
        sender: which side may send the request: `"csms"`, `"charging_station"` or `"both"`.
        method: name of the handler method for the request, for instance `"on_heartbeat"`. By
            default it is `"on_"` followed by the name, for instance `"on_AcmeFan"`.
    """

    name: str
    request_type: type[RequestT]
    response_type: type[ResponseT] | None
    sender: Sender = "both"
    method: str = ""

    def __post_init__(self) -> None:
        if not self.method:
            force_setattr(self, "method", f"on_{self.name}")


class Profile(msgspec.Struct, frozen=True):
    """A named set of features: a functional block of OCPP, or one of your own."""

    name: str
    features: tuple[Feature[Any, Any], ...]
