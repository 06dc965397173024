"""Messages as pydantic's types: bodies and results of FastAPI routes, fields of your own models.

Owns what pydantic learns of a `Message`; the hooks of `Message` import it when pydantic asks for
it, so that nothing else needs pydantic.
"""

import re
from contextlib import suppress
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError
from pydantic_core import core_schema as pydantic_schema

from ocppj._core.faults import translate
from ocppj.openapi import children, json_schema_components
from ocppj.schema import dec_hook

__all__ = ["core_schema", "json_schema"]

MAX_DEPTH: Final = 32
"""How deep vendor data may nest, as with a codec."""

STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


_described: ContextVar[frozenset[type[Any]]] = ContextVar("_described", default=frozenset())
"""The types whose JSON Schema is being made: one of them may refer to itself."""


def core_schema(cls: type[Any]) -> Any:
    """Return how pydantic validates and serializes a type: as strict decoding and encoding do."""
    return pydantic_schema.no_info_plain_validator_function(
        partial(_validate, cls),
        ref=_name(cls),
        serialization=pydantic_schema.plain_serializer_function_ser_schema(msgspec.to_builtins),
    )


def _name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"


def json_schema(cls: type[Any], handler: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type; those that it refers to become pydantic's own."""
    references, components = json_schema_components([cls], ref_template="{name}")
    known = children(cls)
    outer = _described.get()

    def refer(inner: type[Any]) -> Any:
        if inner in outer or inner is cls:
            return handler(pydantic_schema.definition_reference_schema(_name(inner)))
        # pydantic makes a component of what is inside another schema, such as this empty one.
        return handler(pydantic_schema.definitions_schema(TypeAdapter(inner).core_schema, []))

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: resolved(item) for key, item in value.items() if key != "$ref"}
        return found | refer(known[value["$ref"]]) if "$ref" in value else found

    token = _described.set(outer | {cls})
    try:
        schema: dict[str, Any] = resolved(components[references[cls]["$ref"]])
    finally:
        _described.reset(token)
    return schema


@cache
def _decoder(cls: type[Any]) -> Any:
    return msgspec.json.Decoder(list[cls], dec_hook=dec_hook(MAX_DEPTH)).decode  # type: ignore[valid-type]  # a variable


def _validate(cls: Any, value: Any) -> Any:
    """Return an instance of a type, made of what has been read from JSON, or of the type itself."""
    # As text, so that nothing is accepted that a peer could not send: NaN, lone surrogates, ...
    data = b""
    try:
        data = msgspec.json.encode([value])
        (found,) = _decoder(cls)(data)
    except msgspec.ValidationError as error:
        finding = translate(str(error))
        (value,) = msgspec.json.decode(data)
        raise _invalid(cls, value, finding.problem, finding.path) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _invalid(cls, None, f"not JSON: {error}", "$") from None
    if not isinstance(value, cls):
        return found
    if found != value:
        raise _invalid(cls, None, "would be read as another value", "$")
    return value


def _invalid(cls: type[Any], value: Any, problem: str, path: str) -> ValidationError:
    """Return the error for a value; what it repeats of the value can be written as JSON."""
    location = tuple(int(index) if index else name for name, index in STEP.findall(path))
    with suppress(IndexError, KeyError, TypeError):  # the field is missing
        for step in location:
            value = value[step]
    error = PydanticCustomError("ocpp", "{problem} at {path}", {"problem": problem, "path": path})
    details = InitErrorDetails(type=error, loc=location, input=value)
    return ValidationError.from_exception_data(cls.__name__, [details])
