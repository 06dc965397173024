"""The OpenAPI document of the command API: every action of every version, with its schemas."""

from functools import cache
from typing import Any, Final

import msgspec

import ocppj
from ocppj.catalog import VERSIONS
from ocppj.openapi import json_schema_components
from ocppj.schema import Feature

__all__ = ["document"]

PROBLEM: Final = {"$ref": "#/components/responses/Problem"}
ID: Final = {"$ref": "#/components/parameters/id"}
STATION: Final = {"$ref": "#/components/schemas/Station"}

PROBLEMS: Final = {
    401: "No valid token.",
    403: "The token may only read.",
    404: "The station is not connected, or OCPP has no such action in its version.",
    413: "The payload is too large.",
    415: "The body is not declared as JSON.",
    421: "Without tokens, only requests to this machine's names are answered.",
    422: "The payload or the query is not valid; `path` says where.",
    502: "The station answered with an error, or with a response that is not valid.",
    503: "Too many calls are pending, or the fleet cannot be reached.",
    504: "No answer came in time. The station may have handled the call.",
}
READ: Final = (401, 403, 421)

SCHEMAS: Final[dict[str, Any]] = {
    "Problem": {
        "type": "object",
        "required": ["title", "status"],
        "properties": {
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "path": {"type": ["string", "null"], "description": "JSON path of the fault."},
            "errorCode": {"type": "string"},
            "errorDescription": {"type": "string"},
            "errorDetails": {"type": "object"},
        },
    },
    "Station": {
        "type": "object",
        "required": ["id", "version", "node", "since", "generation", "address"],
        "properties": {
            "id": {"type": "string"},
            "version": {"enum": [version.name for version in VERSIONS]},
            "node": {"type": "string"},
            "since": {"type": "string", "format": "date-time"},
            "generation": {"type": "integer"},
            "address": {"type": "string"},
            "vendor": {"type": "string"},
            "model": {"type": "string"},
            "seen": {"type": ["number", "null"], "description": "Unix time of its last frame."},
            "frames": {"type": "integer"},
            "framesPerMinute": {"type": "integer"},
            "refused": {"type": "integer"},
            "violations": {"type": "object", "additionalProperties": {"type": "integer"}},
            "actions": {"type": "array", "items": {"type": "string"}},
        },
    },
    "Stations": {
        "type": "object",
        "required": ["revision", "stations"],
        "properties": {
            "revision": {"type": "integer"},
            "complete": {"type": "boolean"},
            "stations": {"type": "array", "items": STATION},
            "gone": {"type": "array", "items": {"type": "string"}},
            "next": {"type": "string"},
        },
    },
    "Statistics": {
        "type": "object",
        "required": ["series", "refused", "violations"],
        "properties": {
            "series": {"type": "array", "items": {"type": "object"}},
            "refused": {"type": "object", "additionalProperties": {"type": "integer"}},
            "violations": {"type": "object", "additionalProperties": {"type": "object"}},
        },
    },
}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _responses(content: dict[str, Any], *problems: int) -> dict[str, Any]:
    return {
        **content,
        **{
            str(status): {**_problem_content(), "description": PROBLEMS[status]}
            for status in sorted(problems)
        },
    }


def _problem_content() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"content": {"application/problem+json": {"schema": schema}}}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"200": {"description": description, "content": content}}


def _text(description: str, media_type: str = "text/plain") -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}}}
    return {"200": {"description": description, "content": content}}


def _paths() -> dict[str, Any]:
    limit = {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 10_000}
    since = {"type": "integer", "minimum": -1, "maximum": 2**53}
    listing = [
        _query("limit", limit, "Maximum number of stations."),
        _query("after", {"type": "string"}, "`next` of the previous page."),
        _query("since", since, "`revision` of an earlier answer: only changes are sent."),
    ]
    reference = "#/components/schemas/{}".format
    events = "Stations that connect, disconnect and move, as Server-Sent Events."
    frames = "The last frames of a station and then each as it passes, as Server-Sent Events."
    stations = {"$ref": reference("Stations")}
    statistics = {"$ref": reference("Statistics")}
    last_event = {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": {"type": "string"},
        "description": "Id of the last event that was read: those after it are sent.",
    }
    rows: list[tuple[str, str, str, list[Any], dict[str, Any]]] = [
        ("/stations", "get", "List stations", listing,
         _responses(_json("The stations.", stations), *READ, 422)),
        ("/stations/{id}", "get", "Show a station", [ID],
         _responses(_json("The station.", STATION), *READ, 404, 503)),
        ("/stations/{id}/frames", "get", "Watch a station", [ID],
         _responses(_text(frames, "text/event-stream"), *READ, 404, 503)),
        ("/stations/{id}/disconnect", "post", "Close a station's connection", [ID],
         _responses({"204": {"description": "Closed."}}, *READ, 404, 413, 415, 503)),
        ("/events", "get", "Watch connections", [last_event],
         _responses(_text(events, "text/event-stream"), *READ, 503)),
        ("/statistics", "get", "Sum up the last hour", [],
         _responses(_json("The last hour.", statistics), *READ)),
        ("/metrics", "get", "Metrics for Prometheus", [],
         _responses(_text("The metrics."), *READ, 404)),
        ("/healthz", "get", "Whether the process answers", [], _text("It does.")),
        ("/readyz", "get", "Whether traffic should come here", [],
         {**_text("It should."), "503": {"description": "It should not."}}),
    ]  # fmt: skip
    paths: dict[str, Any] = {}
    for path, method, summary, parameters, responses in rows:
        operation: dict[str, Any] = {"summary": summary, "responses": responses}
        if parameters:
            operation["parameters"] = parameters
        if method == "post":
            body = {"schema": {"type": "object"}}
            operation["requestBody"] = {"content": {"application/json": body}}
        if path in ("/healthz", "/readyz"):
            operation["security"] = []
        paths[path] = {method: operation}
    return paths


def _actions() -> dict[str, list[tuple[str, Feature[Any, Any]]]]:
    """Return the actions that a CSMS sends: name -> versions and their features."""
    found: dict[str, list[tuple[str, Feature[Any, Any]]]] = {}
    for version in VERSIONS:
        for feature in ocppj.Codec(version.name).features.values():
            if feature.sender in ("csms", "both"):
                found.setdefault(feature.name, []).append((version.name, feature))
    return dict(sorted(found.items()))


def _call(
    action: str,
    versions: list[tuple[str, Feature[Any, Any]]],
    references: dict[type[Any], dict[str, Any]],
) -> dict[str, Any]:
    requests = [references[feature.request_type] for _, feature in versions]
    responses = [
        references[feature.response_type] for _, feature in versions if feature.response_type
    ]
    names = ", ".join(name for name, _ in versions)
    answer: dict[str, Any] = {"202": {"description": "Sent. It is never answered."}}
    if responses:
        answer = _json("The station's response.", {"anyOf": responses})
    timeout = {"type": "number", "minimum": 0.1, "maximum": 600}
    ttl = {"type": "number", "minimum": 0, "maximum": 86_400, "default": 0}
    kept = "Seconds to keep the call for a station that is not connected. It is withdrawn if the "
    kept += "client closes the connection."
    return {
        "post": {
            "operationId": action,
            "tags": [f"OCPP {name}" for name, _ in versions],
            "summary": f"Call {action} (OCPP {names})",
            "parameters": [
                ID,
                _query("timeout", timeout, "Seconds to wait for the answer, once it is sent."),
                _query("ttl", ttl, kept),
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"anyOf": requests}}},
            },
            "responses": _responses(answer, *PROBLEMS),
        }
    }


@cache
def document() -> bytes:
    """Return the document as JSON."""
    actions = _actions()
    types: dict[type[Any], None] = {}
    for versions in actions.values():
        for _, feature in versions:
            types |= dict.fromkeys(filter(None, (feature.request_type, feature.response_type)))
    references, schemas = json_schema_components(types)
    paths = _paths()
    for action, versions in actions.items():
        paths[f"/stations/{{id}}/calls/{action}"] = _call(action, versions, references)
    identity = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "Identity of the station, percent-encoded.",
    }
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "ocppj",
                "version": ocppj.__version__,
                "description": "Which charging stations are connected, and calls to them.",
                "license": {"name": "MIT"},
            },
            "paths": paths,
            "security": [{"token": []}, {}],
            "components": {
                "parameters": {"id": identity},
                "schemas": {**SCHEMAS, **schemas},
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }
    )
