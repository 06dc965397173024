"""JSON Schema of messages: for OpenAPI documents, forms and tools of other languages.

Owns what differs from msgspec's own schemas. Knows no message and no web framework.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.inspect import EnumType, StructType, Type, type_info

from ocppj.schema import INT64_MAX, INT64_MIN, JSON, VENDOR_ID_LENGTH, CustomData

__all__ = ["json_schema", "json_schema_components"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CUSTOM_DATA: Final = "CustomDataType"
"""OCPP's own name of `CustomData`."""

CUSTOM_DATA_SCHEMA: Final[Mapping[str, Any]] = {
    "title": CUSTOM_DATA,
    "description": "Vendor data: any object with a vendor id.",
    "type": "object",
    "properties": {"vendorId": {"type": "string", "maxLength": VENDOR_ID_LENGTH}},
    "required": ["vendorId"],
}

PYTHONS_OWN: Final = (
    ("default", None),  # an optional field is left out: an explicit null is invalid
    ("minimum", INT64_MIN),  # in OpenAPI: the format int64, which JavaScript can read
    ("maximum", INT64_MAX),
)
"""What msgspec says that a JSON document says otherwise."""


def json_schema(cls: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a message or data type.

    The schema accepts what strict decoding accepts, as far as JSON Schema can tell: see
    [What is validated](../differences.md) for the exceptions.

    Args:
        cls: a request, a response or a data type; a vendor's own too.

    Returns:
        A complete document (draft 2020-12): the types that it refers to are in `$defs`.

    Raises:
        TypeError: `cls` is not a `Message` class, or has a field that JSON Schema cannot describe.

    Example:
        >>> schema = ocppj.json_schema(v201.HeartbeatResponse)
        >>> schema["properties"]["currentTime"]
        {'type': 'string', 'format': 'date-time'}
    """
    references, components = json_schema_components([cls], ref_template="#/$defs/{name}")
    (reference,) = references.values()
    root = components[reference["$ref"].removeprefix("#/$defs/")]
    if reference not in _references(components.values()):
        components = {name: one for name, one in components.items() if one is not root}
        reference = root
    definitions = {"$defs": components} if components else {}
    return {"$schema": DIALECT, **reference, **definitions}


def json_schema_components(
    classes: Iterable[type[Any]], *, ref_template: str = "#/components/schemas/{name}"
) -> tuple[dict[type[Any], dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the JSON Schemas of many types, for the `components` of an OpenAPI 3.1 document.

    Args:
        classes: requests, responses and data types.
        ref_template: how a schema refers to another; `{name}` stands for its name.

    Returns:
        For each class its reference, `{"$ref": "#/components/schemas/HeartbeatRequest"}`, and all
        schemas by name. Where two versions have a type of the same name, their names have the
        module in front: `ocppj.v201.availability.HeartbeatRequest`.

    Raises:
        TypeError: as for `json_schema`.
    """
    classes = list(classes)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct | CustomData)):
            raise TypeError(f"{cls!r:.80}: use a Message class, such as v201.HeartbeatRequest")
    custom_data = {"$ref": ref_template.format(name=CUSTOM_DATA)}
    met = CustomData in classes

    def describe(cls: type[Any]) -> dict[str, Any]:
        nonlocal met
        if cls is CustomData:
            met = True
            return custom_data
        if cls is JSON:
            return {"description": "any JSON value"}
        raise NotImplementedError  # msgspec says what is missing

    references, components = msgspec.json.schema_components(
        classes, schema_hook=describe, ref_template=ref_template
    )
    found = {name: _tidy(one) for name, one in components.items()}
    if met:
        found[CUSTOM_DATA] = dict(CUSTOM_DATA_SCHEMA)
    return dict(zip(classes, references, strict=True)), found


def children(cls: type[Any]) -> dict[str, type[Any]]:
    """Return the types that the schema of a Struct refers to, by the names of their schemas.

    Each is there by its short name and by the one that it has beside another type of that name.
    """
    info = type_info(cls)
    found: dict[str, type[Any]] = {CUSTOM_DATA: CustomData}
    waiting = [field.type for field in info.fields] if isinstance(info, StructType) else []
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, StructType | EnumType):
            found[inner.cls.__name__] = inner.cls
            found[f"{inner.cls.__module__}.{inner.cls.__qualname__}"] = inner.cls
        else:
            waiting += _inside(inner)
    return found


def _inside(info: Type) -> Iterator[Type]:
    for name in info.__struct_fields__:
        value = getattr(info, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Type):
                yield part


def _tidy(schema: Any) -> Any:
    """Return a schema in the terms of OpenAPI, without what msgspec says of Python alone."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _tidy(value) for key, value in schema.items() if (key, value) not in PYTHONS_OWN}
    if isinstance(found.get("description"), str):
        found["description"] = inspect.cleandoc(found["description"])
    if "enum" in found and all(isinstance(value, str) for value in found["enum"]):
        found["type"] = "string"
    if found.get("type") == "integer" and schema.keys() != found.keys():
        found["format"] = "int64"
    return found


def _references(value: Any) -> Iterator[Any]:
    """Yield all objects inside a JSON value that are references."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value
        value = value.values()
    elif not isinstance(value, Iterable) or isinstance(value, str):
        return
    for item in value:
        yield from _references(item)
