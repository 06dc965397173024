"""OCPP-J messages decoded, validated and encoded at about the cost of parsing them.

>>> import ocppj
>>> codec = ocppj.Codec("2.0.1")
>>> codec.decode('[2,"42","Heartbeat",{}]')
Call(message_id='42', action='Heartbeat', payload=HeartbeatRequest(custom_data=None))

The messages are in `ocppj.v16`, `ocppj.v201` and `ocppj.v21`, which are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ocppj._core.backend import BACKEND
from ocppj.catalog import VERSIONS, Feature, Profile, Version
from ocppj.codec import Codec
from ocppj.errors import (
    CallFailed,
    CallRefused,
    CallTimeout,
    ConnectionLost,
    DecodeError,
    EncodeError,
    FrameError,
    LocalProtocolError,
    NotConnected,
    OcppError,
    PayloadError,
    ProtocolError,
    RemoteProtocolError,
    UnknownActionError,
)
from ocppj.frames import Call, CallError, CallResult, CallResultError, Envelope, Frame, Send
from ocppj.handlers import Handlers
from ocppj.policy import Policy, Violation
from ocppj.schema import CustomData, Maybe, Message, Request
from ocppj.session import Role, Session

if TYPE_CHECKING:
    from ocppj import v16, v21, v201
    from ocppj.openapi import json_schema, json_schema_components

__version__ = "0.1.0"

__all__ = [
    "BACKEND",
    "Call",
    "CallError",
    "CallFailed",
    "CallRefused",
    "CallResult",
    "CallResultError",
    "CallTimeout",
    "Codec",
    "ConnectionLost",
    "CustomData",
    "DecodeError",
    "EncodeError",
    "Envelope",
    "Feature",
    "Frame",
    "FrameError",
    "Handlers",
    "LocalProtocolError",
    "Maybe",
    "Message",
    "NotConnected",
    "OcppError",
    "PayloadError",
    "Policy",
    "Profile",
    "ProtocolError",
    "RemoteProtocolError",
    "Request",
    "Role",
    "Send",
    "Session",
    "UnknownActionError",
    "Version",
    "Violation",
    "__version__",
    "json_schema",
    "json_schema_components",
    "v16",
    "v21",
    "v201",
]


def __getattr__(name: str) -> Any:
    if name in ("json_schema", "json_schema_components"):  # few programs need them
        return getattr(import_module("ocppj.openapi"), name)
    package = f"ocppj.{name}"
    if any(version.package == package for version in VERSIONS):
        return import_module(package)
    raise AttributeError(f"module 'ocppj' has no attribute {name!r}")
