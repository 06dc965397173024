"""Valid messages with as few fields as possible, and handlers that answer with them.

Owns the value of each type for tests that need any value.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar

from msgspec import inspect

from ocppj.codec import Codec
from ocppj.schema import JSON, CustomData, Feature
from ocppj.session import Role

__all__ = ["Answering", "sample"]

S = TypeVar("S")

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""The moment of all timestamps."""

FREE_FORM: Final[dict[type[Any], Callable[[], Any]]] = {
    CustomData: lambda: CustomData(vendorId="ocppj"),
    JSON: dict,
}


def sample(cls: type[S], **fields: Any) -> S:
    """Return a valid message with its required fields only.

    Enums have the member `ACCEPTED` if there is one, else their first; texts are as short as they
    may be, numbers are 0, timestamps are `ocppj.testing.samples.NOW`.

    Args:
        cls: a request, a response or a data type.
        fields: values of your own.

    Example:
        >>> sample(v201.UnlockConnectorResponse)
        UnlockConnectorResponse(custom_data=None, status=<UnlockStatusEnumType.UNLOCKED: ...
    """
    info: Any = inspect.type_info(cls)
    required = {
        field.name: _value(field.type)
        for field in info.fields
        if field.required and field.name not in fields
    }
    return cls(**required, **fields)


def _value(info: inspect.Type) -> Any:
    match info:
        case inspect.Metadata(type=inner):
            return _value(inner)
        case inspect.StructType(cls=cls):
            return sample(cls)
        case inspect.ListType(item_type=item, min_length=length):
            return [_value(item) for _ in range(length or 0)]
        case inspect.CustomType(cls=cls) if cls in FREE_FORM:
            return FREE_FORM[cls]()
    return _scalar(info)


def _scalar(info: inspect.Type) -> Any:
    match info:
        case inspect.BoolType():
            return False
        case inspect.IntType(ge=low) | inspect.FloatType(ge=low):
            return max(0, low or 0)
        case inspect.StrType(min_length=length):
            return "x" * (length or 0)
        case inspect.DateTimeType():
            return NOW
        case inspect.EnumType(cls=cls):
            return _member(cls)
    raise TypeError(f"no sample is known for {info}: give a value")


def _member(cls: type[Enum]) -> Enum:
    return next((member for member in cls if member.name == "ACCEPTED"), next(iter(cls)))


class Answering:
    """A handler object that answers every action with a `sample` of its response.

    Args:
        version: the OCPP version.
        role: whose calls are answered: that of the other side.
        answers: instead of samples, by the name of the method:
            `on_unlock_connector=lambda request: ...`. A response may be given in place of a
            function.

    Attributes:
        requests: all requests so far.

    Example:
        station = ChargingStation("CS-1", {"2.0.1": Answering("2.0.1", "charging_station")})
    """

    def __init__(self, version: str, role: Role, **answers: Any) -> None:
        self.requests: list[Any] = []
        codec = Codec(version)
        received = {
            feature.method: feature for feature in codec.features.values() if feature.sender != role
        }
        for name in answers.keys() - received:
            raise TypeError(f"{name} answers no action that a {role} receives in OCPP {version}")
        for name, feature in received.items():
            setattr(self, name, self._answering(feature, answers.get(name)))

    def _answering(self, feature: Feature[Any, Any], answer: Any) -> Any:
        def method(*arguments: Any) -> Any:
            self.requests.append(arguments[-1])
            if callable(answer):
                return answer(*arguments)
            if answer is not None or feature.response_type is None:
                return answer
            return sample(feature.response_type)

        return method
