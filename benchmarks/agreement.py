"""Checks that the peers agree, before any of them is timed.

Each peer accepts every frame of the corpus. Peers that check the full schema reject every broken
variant and return equal values. The pydantic models have the bounds of the official schemas.
Malformed timestamps and integers beyond 64 bits are left out: there the peers differ.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from benchmarks.corpus import ENTRIES, Entry
from benchmarks.peers import NAMES, peer
from benchmarks.peers.messages import codec
from benchmarks.peers.models import model
from benchmarks.peers.schemas import official_schema

__all__ = ["check", "variants"]

JSON = dict[str, Any]

TEXT_VALUES: Final = {"jsonschema_rs", "fastjsonschema", "orjson_only"}
"""Peers whose values are the payload as parsed."""

TIGHTER: Final = {"evseId": 1, "remoteStartId": 0}
"""Minimum of two fields of RequestStartTransaction, from the specification's prose."""

WRONG: Final[dict[str, Any]] = {
    "object": [],
    "array": {},
    "string": 7,
    "integer": "7",
    "number": "7",
    "boolean": "true",
}


def check() -> int:
    """Check everything; return the number of broken variants that were rejected.

    Raises:
        AssertionError: the peers do not agree.
    """
    for entry in ENTRIES:
        _check_values(entry)
        _check_model(entry)
    return sum(_check_rejections(entry) for entry in ENTRIES)


def variants(entry: Entry) -> Iterator[tuple[str, Entry]]:
    """Yield a fault and the frame with that fault alone, for every place of a payload."""
    schema = official_schema(entry)
    for fault, payload in _broken(entry.payload, schema, schema):
        yield fault, entry.with_payload(payload)


def _demand(condition: object, problem: str) -> None:
    # Not an assert statement, which `python -O` would leave out.
    if not condition:
        raise AssertionError(problem)


def _resolved(schema: JSON, root: JSON) -> JSON:
    if "$ref" in schema:
        _, group, name = schema["$ref"].split("/")
        target: JSON = root[group][name]
        return target
    return schema


def _broken(value: Any, schema: JSON, root: JSON) -> Iterator[tuple[str, Any]]:
    schema = _resolved(schema, root)
    if isinstance(value, dict):
        yield from _broken_object(value, schema, root)
    if isinstance(value, list):
        yield from _broken_array(value, schema, root)
    if "enum" in schema:
        yield "unknown enum value", "NoSuchValue"
    if "maxLength" in schema:
        yield "too long", "x" * (schema["maxLength"] + 1)
    if "maximum" in schema:
        yield "too large", int(schema["maximum"]) + 1
    if "minimum" in schema:
        yield "too small", int(schema["minimum"]) - 1
    # Outside of JSON, pydantic accepts a number as a timestamp.
    yield "wrong type", [] if "format" in schema else WRONG[schema["type"]]


def _broken_object(value: JSON, schema: JSON, root: JSON) -> Iterator[tuple[str, JSON]]:
    yield "unknown field", {**value, "surplus": 1}
    for name, item in value.items():
        if name in schema.get("required", ()):
            yield f"{name} missing", {key: value[key] for key in value if key != name}
        yield f"{name} null", {**value, name: None}
        for fault, bad in _broken(item, schema["properties"][name], root):
            yield f"{name}: {fault}", {**value, name: bad}


def _broken_array(value: list[Any], schema: JSON, root: JSON) -> Iterator[tuple[str, list[Any]]]:
    yield "too few items", []
    if schema.get("maxItems", 1024) < 1024:
        yield "too many items", value[:1] * (schema["maxItems"] + 1)
    for index, item in enumerate(value):
        for fault, bad in _broken(item, schema["items"], root):
            yield f"[{index}]: {fault}", [*value[:index], bad, *value[index + 1 :]]


def _check_rejections(entry: Entry) -> int:
    peers = [peer(name) for name in NAMES if peer(name).CHECKS == "full schema"]
    decoders = [(one, one.decoder(entry)) for one in peers]
    count = 0
    for fault, broken in variants(entry):
        for one, decode in decoders:
            data = one.load(broken)
            try:
                value = decode(data)
            except Exception:  # noqa: BLE001, S112  each peer raises its own
                continue
            raise AssertionError(f"{one} accepts {entry.name} with {fault}: {value!r}")
        count += 1
    _demand(count, f"no variant of {entry.name}")
    return count


def _check_values(entry: Entry) -> None:
    typed = {}
    for name in NAMES:
        one = peer(name)
        decoded = one.decoder(entry)(one.load(entry))
        if name.startswith("ocppj"):
            again = msgspec.json.decode(codec(entry.version).encode(decoded))
            _demand(again == entry.frame, f"{name} encodes {entry.name} as {again}")
            decoded = decoded.payload
        elif isinstance(decoded, tuple | list):
            decoded = decoded[-1]
        if name in TEXT_VALUES:
            _demand(decoded == entry.payload, f"{name} parses {entry.name} as {decoded}")
        elif isinstance(decoded, BaseModel):
            typed[name] = decoded.model_dump(by_alias=True, exclude_none=True)
        elif isinstance(decoded, msgspec.Struct):
            typed[name] = msgspec.to_builtins(decoded, builtin_types=(datetime,))
    for name, value in typed.items():
        _demand(value == typed["floor"], f"{name} reads {entry.name} as {value}")


def _stated(schema: JSON, root: JSON) -> JSON:
    """Return the rules of a schema, in one form for both sources."""
    schema = _resolved(schema, root)
    facts: JSON = {
        key: schema[key]
        for key in ("type", "maxLength", "minItems", "maxItems", "minimum", "maximum", "format")
        if key in schema
    }
    if "enum" in schema:
        facts["enum"] = set(schema["enum"])
    if "properties" in schema:
        facts["closed"] = schema.get("additionalProperties") is False
        facts["required"] = set(schema.get("required", ()))
        facts["properties"] = {
            name: _stated(item, root) for name, item in schema["properties"].items()
        }
    if "items" in schema:
        facts["items"] = _stated(schema["items"], root)
    return facts


def _check_model(entry: Entry) -> None:
    schema = model(entry).model_json_schema(by_alias=True)
    ours, official = _stated(schema, schema), official_schema(entry)
    theirs = _stated(official, official)
    if entry.action == "RequestStartTransaction":
        for name, minimum in TIGHTER.items():
            theirs["properties"][name]["minimum"] = minimum
    for path, left, right in _differences(ours, theirs, "$"):
        raise AssertionError(f"model of {entry.name}, {path}: {left}, schema: {right}")


def _differences(left: Any, right: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in left.keys() | right.keys():
            yield from _differences(left.get(key), right.get(key), f"{path}.{key}")
    elif left != right:
        yield path, left, right
