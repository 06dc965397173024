"""The official schemas of the installed `ocpp` package, read independently of the generator.

Owns what the schemas say, as one tree of `Node` for each file, and the independent validator.
Shares no code with `tools`, which reads the same files to generate the messages: a fault in the one
reader is seen by the other.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import jsonschema_rs

from ocppj.catalog import VERSIONS

from .differences import EXTRA_VALUES, TIGHTER, Tighter

__all__ = ["MESSAGES", "Json", "Kind", "Message", "Node"]

Json: TypeAlias = Any
Kind: TypeAlias = Literal[
    "object",
    "array",
    "string",
    "uri",
    "timestamp",
    "enum",
    "integer",
    "number",
    "boolean",
    "any",
]

SENDS: Final = {("2.1", "NotifyPeriodicEventStream")}

SILENT: Final = {
    "$schema",
    "$id",
    "comment",
    "title",
    "description",
    "javaType",
    "default",
    "definitions",
    "additionalItems",
}
MEANINGFUL: Final = {
    "type",
    "enum",
    "format",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "maxLength",
    "minimum",
    "maximum",
    "multipleOf",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A place of a payload, and its schema.

    Attributes:
        kind: which JSON values it takes.
        draft: of JSON Schema; draft-06 counts 1.0 among the integers.
        properties: of an object: wire name -> place.
        required: of an object: the names that must be there.
        closed: of an object: whether it takes no other names.
        items: of an array: the place of each item.
        values: of an enum.
        tenths: of a number: whether it may have one decimal only.
        tighter: where ocppj asks for more than the schema; the bounds above are ocppj's then.
        extra: what ocppj takes though the schema does not.
    """

    kind: Kind
    draft: int
    properties: Mapping[str, "Node"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    closed: bool = True
    items: "Node | None" = None
    min_items: int = 0
    max_items: int | None = None
    min_length: int = 0
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    tenths: bool = False
    tighter: Tighter | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """One schema file: a request or a response.

    Attributes:
        version: the name of the OCPP version, for instance "2.0.1".
        name: `<Action>Request` or `<Action>Response`.
        message_type: of the frame in which it travels: 2, 3 or 6.
    """

    version: str
    name: str
    message_type: int
    path: Path

    def __str__(self) -> str:
        return f"{self.version}-{self.name}"

    @property
    def action(self) -> str:
        """The action on the wire."""
        return self.name.removesuffix("Request").removesuffix("Response")

    @cached_property
    def schema(self) -> dict[str, Json]:
        """The file's content."""
        content: dict[str, Json] = json.loads(self.path.read_text("utf-8-sig"))
        return content

    @cached_property
    def draft(self) -> int:
        """The draft of JSON Schema, from the file."""
        return {"draft-04": 4, "draft-06": 6}[self.schema["$schema"].split("/")[3]]

    @cached_property
    def node(self) -> Node:
        """The whole payload."""
        return _Reader(self).read(self.schema, "")

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        """The independent validator; it checks the formats date-time and uri too."""
        kind = {4: jsonschema_rs.Draft4Validator, 6: jsonschema_rs.Draft6Validator}[self.draft]
        return kind(self.schema, validate_formats=True)

    def frame(self, payload: str, message_id: str = "1") -> str:
        """Return the frame of a payload, both as JSON text."""
        if self.message_type == 3:
            return f'[3,"{message_id}",{payload}]'
        return f'[{self.message_type},"{message_id}","{self.action}",{payload}]'


class _Reader:
    """Turns the schema of one message into nodes; a keyword without a rule is an error."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.draft = message.draft

    def read(self, schema: dict[str, Json], place: str) -> Node:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/definitions/")
            return self.read(self.message.schema["definitions"][name], place)
        if unknown := schema.keys() - SILENT - MEANINGFUL:
            raise ValueError(f"{self.message} has keywords without a rule: {sorted(unknown)}")
        here = (self.message.version, self.message.name, place)
        facts: dict[str, Json] = {"draft": self.draft, "extra": EXTRA_VALUES.get(here, ())}
        for keyword, name in _BOUNDS.items():
            if keyword in schema:
                facts[name] = schema[keyword]
        if tighter := TIGHTER.get(here):
            facts |= {tighter.bound: tighter.value, "tighter": tighter}
        return self._node(schema, place, facts)

    def _node(self, schema: dict[str, Json], place: str, facts: dict[str, Json]) -> Node:
        match schema.get("type"), schema.get("format"):
            case None, None:
                return Node("any", **facts)
            case "object", None:
                properties = {
                    name: self.read(part, f"{place}.{name}".lstrip("."))
                    for name, part in schema.get("properties", {}).items()
                }
                required = frozenset(schema.get("required", ()))
                if not required <= properties.keys():
                    raise ValueError(f"{self.message} requires what it does not have")
                closed = schema.get("additionalProperties") is False
                return Node(
                    "object", **facts, properties=properties, required=required, closed=closed
                )
            case "array", None:
                return Node("array", **facts, items=self.read(schema["items"], f"{place}[]"))
            case "string", "date-time":
                return Node("timestamp", **facts)
            case "string", "uri":
                return Node("uri", **facts)
            case "string", None:
                if "enum" in schema:
                    return Node("enum", **facts, values=tuple(schema["enum"]))
                return Node("string", **facts)
            case ("integer" | "number" | "boolean") as kind, None:
                if schema.get("multipleOf", 0.1) != 0.1:
                    raise ValueError(f"{self.message} has another multipleOf than 0.1")
                return Node(kind, **facts, tenths="multipleOf" in schema)
        raise ValueError(f"{self.message} has a type without a rule at {place}")


_BOUNDS: Final = {
    "minItems": "min_items",
    "maxItems": "max_items",
    "maxLength": "max_length",
    "minimum": "minimum",
    "maximum": "maximum",
}


def _messages() -> Iterator[Message]:
    for version, _, package, _ in VERSIONS:
        spec = importlib.util.find_spec(package.replace("ocppj", "ocpp"))
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("the schemas come with the package `ocpp`: pip install ocpp")
        for path in sorted((Path(spec.origin).parent / "schemas").glob("*.json")):
            # In 1.6, and for the SEND of 2.1, the file of a request has no suffix.
            named = path.stem.endswith(("Request", "Response"))
            name = path.stem if named else f"{path.stem}Request"
            action = name.removesuffix("Request")
            kind = 3 if name.endswith("Response") else 6 if (version, action) in SENDS else 2
            yield Message(version, name, kind, path)


MESSAGES: Final = tuple(_messages())
