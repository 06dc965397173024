"""The vocabulary in which messages are written: fields, data types, features, profiles.

Owns what the version packages need to state what OCPP says. Knows nothing of frames, codecs or
any version; a version package imports this module, msgspec and itself.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
)

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

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
]

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
VENDOR_ID_LENGTH = 255
TOO_DEEP = "nested too deep"
PYDANTIC = "ocppj.integrations.pydantic"
"""What pydantic is told of messages; imported when it asks."""

Integer: TypeAlias = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
"""OCPP 2.x says 32 bits, stations send more (transaction ids): 64 bits are taken, no more."""

Tenths: TypeAlias = Annotated[float, Meta(extra_json_schema={"multipleOf": 0.1})]
"""A number with at most one decimal; the Struct checks it with `check_tenths`."""

Timestamp: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A date and time with a zone: RFC 3339 on the wire, always an aware `datetime` here."""

Sender: TypeAlias = Literal["csms", "charging_station", "both"]
"""Who may send the call of a feature."""

if TYPE_CHECKING:
    from typing import Optional as Maybe

    JSON: TypeAlias = Any
else:

    class Maybe:
        """`Maybe[X] = None`: an optional field. A type checker reads `X | None`, msgspec reads `X`.

        So an absent field is `None` and is left out again when encoding, while a `null` on the
        wire is refused, as the schemas demand.
        """

        def __class_getitem__(cls, item: Any) -> Any:
            return item

    class _Anything(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return True

    class JSON(metaclass=_Anything):
        """Any JSON value. Like `typing.Any`, but msgspec shows the value to `dec_hook` first."""


def _pydantic(cls: type[Any], _source: Any, _handler: Any) -> Any:
    """Tell pydantic how to validate and serialize a type."""
    return import_module(PYDANTIC).core_schema(cls)


def _pydantic_json(cls: type[Any], _schema: Any, handler: Any) -> Any:
    """Tell pydantic the JSON Schema of a type."""
    return import_module(PYDANTIC).json_schema(cls, handler)


class Message(
    msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, rename="camel", gc=False
):
    """Base of every request, response and data type: a closed object with camelCase names.

    Payloads are trees, so their Structs are not tracked by the cyclic garbage collector.
    """

    __get_pydantic_core_schema__ = classmethod(_pydantic)
    __get_pydantic_json_schema__ = classmethod(_pydantic_json)


class CustomData(dict[str, Any]):
    """Vendor data of OCPP 2.x: an open JSON object with a `vendorId` of at most 255 characters.

    All keys keep their wire names and survive re-encoding: `CustomData(vendorId="acme", fan=3)`.
    """

    __slots__ = ()
    __get_pydantic_core_schema__ = classmethod(_pydantic)
    __get_pydantic_json_schema__ = classmethod(_pydantic_json)


def check_json(value: Any, depth: int) -> None:
    """Check that a free-form JSON value has only 64-bit integers and nests at most `depth` deep.

    Raises:
        ValueError: an integer needs more than 64 bits, or the value nests deeper.
    """
    level: Any = (value,)
    cls = type(value)
    if cls is dict or cls is list:
        if depth == 0:
            raise ValueError(TOO_DEEP)
        depth -= 1
        level = value.values() if cls is dict else value
    # Level by level: a call for each container takes twice as long in the worst case.
    while level:
        inner: list[Any] = []
        for item in level:
            cls = type(item)
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

    `Meta(multiple_of=0.1)` cannot say this: binary floating point makes it refuse 8.1.

    Raises:
        ValueError: there are more decimals.
    """
    if type(value) is float and round(value, 1) != value:
        raise ValueError(f"Expected `float` with at most one decimal in field `{name}`")


def dec_hook(depth: int) -> Callable[[type, Any], Any]:
    """Return the hook with which msgspec decoders build `CustomData` and `JSON` values.

    Args:
        depth: how deep such a value may nest, itself included.
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
                raise ValueError(
                    f"Expected `str` of length <= {VENDOR_ID_LENGTH} in field `vendorId`"
                )
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
"""msgspec's word for each kind of JSON value, so that all type faults read alike."""

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Request(Protocol[ResponseT]):
    """A request that knows its response: so `call(HeartbeatRequest())` is a `HeartbeatResponse`.

    Attributes:
        response_type: Struct of the response.
    """

    # A property would say the same of instances, but pyright takes no ClassVar for one. What it has
    # against a type variable here does not keep it, nor mypy, from solving it.
    response_type: ClassVar[type[ResponseT]]  # pyright: ignore[reportGeneralTypeIssues]


Reply: TypeAlias = ResponseT | Awaitable[ResponseT]
"""What a handler method gives back: the response, or an awaitable of it."""


class Feature(msgspec.Struct, Generic[RequestT, ResponseT], frozen=True):
    """One action of OCPP and what belongs to it.

    Attributes:
        name: the action as it stands on the wire, for instance `"Heartbeat"`.
        request_type: Struct of the call's payload.
        response_type: Struct of the result's payload; `None` for a SEND, which has no result.
        sender: who may send the call.
        method: the handler's method that answers it, `"on_heartbeat"`; for a vendor's feature
            `"on_"` and the name as it is, unless given.
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
    """A functional block of OCPP, or a vendor's own: a named set of features."""

    name: str
    features: tuple[Feature[Any, Any], ...]
