"""The model of an OCPP version, from the official JSON schemas and our facts.

The schemas come with the installed `ocpp` package. Anything in them that this module cannot express
in Python is an error: nothing is dropped silently.
"""

import importlib.util
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocppj import catalog

FACTS = Path(__file__).parent / "facts"
VERSIONS = {version.package.rpartition(".")[2]: version.name for version in catalog.VERSIONS}
"""Package -> the name of its version."""
BASES = {"v21": "v201"}
"""Package -> the package whose facts it extends."""

CUSTOM_DATA = "CustomDataType"

# Keywords that do not affect validity.
SILENT = {
    "$schema",
    "$id",
    "id",
    "comment",
    "title",
    "description",
    "javaType",
    "default",
    "definitions",
    "additionalItems",
}


@dataclass(frozen=True)
class Field:
    """A property of an object: its wire name, its type and its bounds."""

    wire: str
    kind: str  # "string" | "timestamp" | "integer" | "number" | "boolean" | "any" | a type's name
    required: bool
    bounds: tuple[tuple[str, float | int], ...] = ()
    array: tuple[tuple[str, int], ...] | None = None
    tenths: bool = False
    source: str = ""


@dataclass(frozen=True)
class Struct:
    """A closed object: a message or a data type."""

    name: str
    doc: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Enum:
    """An enum and its values on the wire."""

    name: str
    doc: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Action:
    """An action with its messages. A SEND has no response."""

    name: str
    sender: str
    request_doc: str
    when: str
    response_doc: str
    request: Struct
    response: Struct | None


@dataclass(frozen=True)
class Block:
    """A functional block, or a profile of OCPP 1.6."""

    module: str
    profile: str
    summary: str
    letter: str
    actions: tuple[Action, ...]


@dataclass
class Version:
    """The content of a version package."""

    package: str
    name: str
    structs: dict[str, Struct] = field(default_factory=dict)
    enums: dict[str, Enum] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    custom_data: bool = True


class Reader:
    """Turns the schema files of one version into structs and enums."""

    def __init__(self, package: str) -> None:
        self.version = Version(package, VERSIONS[package], custom_data=package != "v16")
        self.facts = _facts(package)
        self.bounds = {bound["at"]: bound for bound in self.facts.get("bounds", ())}
        self.used_bounds: set[str] = set()
        self.schemas = _schemas(package)
        self.docs: dict[str, str] = {}
        self.places: dict[str, str] = {}
        types = self.facts["types"]
        if isinstance(types, dict):
            self.docs = dict(types)
        else:
            for entry in types:
                self.docs[entry["name"]] = entry["doc"]
                self.places |= dict.fromkeys(entry["at"], entry["name"])

    def read(self) -> Version:
        """Return the model."""
        messages = {name: self._message(name, schema) for name, schema in self.schemas.items()}
        blocks = []
        for block in self.facts["blocks"]:
            actions = []
            for fact in block["actions"]:
                action = fact["name"]
                actions.append(
                    Action(
                        action,
                        fact["sender"],
                        fact["request"],
                        fact["when"],
                        fact["response"],
                        messages.pop(f"{action}Request"),
                        messages.pop(f"{action}Response", None),
                    )
                )
            blocks.append(
                Block(
                    block["module"],
                    block["profile"],
                    block["summary"],
                    block.get("letter", ""),
                    tuple(actions),
                )
            )
        if messages:
            raise ValueError(f"{self.version.name}: in no block: {sorted(messages)}")
        if unused := self.bounds.keys() - self.used_bounds:
            raise ValueError(f"{self.version.name}: bounds on nothing: {sorted(unused)}")
        self.version.blocks = tuple(blocks)
        return self.version

    def _message(self, name: str, schema: dict[str, Any]) -> Struct:
        definitions = schema.get("definitions", {})
        for key, definition in definitions.items():
            if key != CUSTOM_DATA:
                self._type(definition, key, key)
        return self._struct(schema, name, name, "")

    def _type(self, schema: dict[str, Any], name: str, place: str) -> None:
        """Add a named type. A second definition must agree with the first."""
        doc = self.docs[name]
        new: Struct | Enum
        if "enum" in schema:
            _only(schema, {"type", "enum", "additionalProperties"})
            new = Enum(name, doc, tuple(schema["enum"]))
            old = self.version.enums.setdefault(name, new)
            if set(old.values) != set(new.values):
                self._merge(name)
                values = tuple(dict.fromkeys(old.values + new.values))
                self.version.enums[name] = replace(old, values=values)
        else:
            new = self._struct(schema, name, place, doc)
            known = self.version.structs.setdefault(name, new)
            if known != new:
                self._merge(name)
                pairs = zip(known.fields, new.fields, strict=True)
                fields = tuple(max(a, b, key=lambda f: len(f.array or ())) for a, b in pairs)
                if [replace(f, array=None) for f in fields] != [
                    replace(f, array=None) for f in new.fields
                ]:
                    raise ValueError(f"{self.version.name}: {name} differs in more than arrays")
                self.version.structs[name] = replace(known, fields=fields)

    def _merge(self, name: str) -> None:
        for entry in self.facts["types"]:
            if isinstance(entry, dict) and entry["name"] == name and "differs" in entry:
                return
        raise ValueError(f"{self.version.name}: definitions of {name} differ, and no fact says so")

    def _struct(self, schema: dict[str, Any], name: str, place: str, doc: str) -> Struct:
        _only(schema, {"type", "properties", "required", "additionalProperties"})
        if schema["type"] != "object" or schema["additionalProperties"] is not False:
            raise ValueError(f"{self.version.name}: {name} is not a closed object")
        required = set(schema.get("required", ()))
        fields = tuple(
            self._field(wire, prop, required=wire in required, place=f"{place}.{wire}")
            for wire, prop in schema.get("properties", {}).items()
        )
        return Struct(name, doc, fields)

    def _field(self, wire: str, schema: dict[str, Any], *, required: bool, place: str) -> Field:
        array = None
        if schema.get("type") == "array":
            _only(schema, {"type", "items", "minItems", "maxItems"})
            array = tuple((key, schema[key]) for key in ("minItems", "maxItems") if key in schema)
            schema = schema["items"]
            place += "[]"
        bounds: dict[str, Any] = {
            key: schema[key] for key in ("minimum", "maximum", "maxLength") if key in schema
        }
        kind = self._kind(schema, place)
        source = ""
        if bound := self.bounds.get(place):
            self.used_bounds.add(place)
            source = bound["source"]
            tighter = {key: bound[key] for key in ("minimum", "minLength") if key in bound}
            bounds |= tighter
        if kind == "integer":  # the schemas write these as 0.0
            bounds = {key: int(value) for key, value in bounds.items()}
        tenths = schema.get("multipleOf") == 0.1
        return Field(wire, kind, required, tuple(bounds.items()), array, tenths, source)

    def _kind(self, schema: dict[str, Any], place: str) -> str:
        if "$ref" in schema:
            return str(schema["$ref"]).removeprefix("#/definitions/")
        if "enum" in schema or schema.get("type") == "object":
            name = self.places[place]
            self._type(schema, name, place)
            return name
        if "type" not in schema:
            _only(schema, set())
            return "any"
        _only(schema, {"type", "format", "maxLength", "minimum", "maximum", "multipleOf"})
        if schema.get("format") not in (None, "uri", "date-time"):
            raise ValueError(f"{place}: format {schema['format']}")
        if schema.get("multipleOf", 0.1) != 0.1:
            raise ValueError(f"{place}: multipleOf {schema['multipleOf']}")
        return "timestamp" if schema.get("format") == "date-time" else str(schema["type"])


def read(package: str) -> Version:
    """Return the model of a version package: `v16`, `v201` or `v21`."""
    return Reader(package).read()


def _only(schema: dict[str, Any], known: set[str]) -> None:
    if unknown := schema.keys() - known - SILENT:
        raise ValueError(f"keywords without a rule: {sorted(unknown)}")


def _schemas(package: str) -> dict[str, dict[str, Any]]:
    return dict(_schema_files(package))


def _schema_files(package: str) -> Iterator[tuple[str, dict[str, Any]]]:
    spec = importlib.util.find_spec(f"ocpp.{package}")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the schemas come with the package `ocpp`: pip install ocpp")
    for path in sorted((Path(spec.origin).parent / "schemas").glob("*.json")):
        name = path.stem if path.stem.endswith(("Request", "Response")) else f"{path.stem}Request"
        yield name, json.loads(path.read_text("utf-8-sig"))


def _facts(package: str) -> dict[str, Any]:
    """Return the facts of a version, merged with those that it extends."""
    facts: dict[str, Any] = tomllib.loads((FACTS / f"{package}.toml").read_text())
    if package not in BASES:
        return facts
    base = _facts(BASES[package])
    blocks = {block["letter"]: block for block in base["blocks"]}
    for block in facts["blocks"]:
        if block["letter"] in blocks:
            blocks[block["letter"]]["actions"] += block["actions"]
            blocks[block["letter"]]["actions"].sort(key=lambda action: action["name"])
        else:
            blocks[block["letter"]] = block
    ordered = [blocks[letter] for letter in sorted(blocks)]
    return {"blocks": ordered, "types": base["types"] | facts["types"]}
