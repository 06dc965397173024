"""The OCPP versions, one row each, and what belongs to a version.

Owns the table `VERSIONS`; everything that depends on the version is found from its row. Importing
this module imports no messages: those of a version are imported on first use.
"""

from importlib import import_module
from typing import Final, NamedTuple

from ocppj._core.message_types import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR, SEND
from ocppj.errors import ERROR_RULES, ErrorRules
from ocppj.schema import Feature, Profile

__all__ = ["VERSIONS", "Feature", "Profile", "Version"]


class Version(NamedTuple):
    """An OCPP version.

    Attributes:
        name: for instance `"2.0.1"`.
        subprotocol: the name of its WebSocket subprotocol, for instance `"ocpp2.0.1"`.
        package: the import path of its messages, for instance `"ocppj.v201"`.
        message_types: the numbers of its frames, from 2 (CALL) to 6 (SEND).
    """

    name: str
    subprotocol: str
    package: str
    message_types: frozenset[int]

    @property
    def error_rules(self) -> ErrorRules:
        """Its error codes, and which faults are answered."""
        return ERROR_RULES[self.name]

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Its functional blocks. The first use imports its messages."""
        profiles: tuple[Profile, ...] = import_module(self.package).PROFILES
        return profiles

    @classmethod
    def named(cls, name: str) -> "Version":
        """Return the version with a name or a subprotocol name.

        Raises:
            ValueError: no version has that name.
        """
        for version in VERSIONS:
            if name in (version.name, version.subprotocol):
                return version
        names = ", ".join(f'"{version.name}"' for version in VERSIONS)
        raise ValueError(f"unknown OCPP version {name!r}: use one of {names}")


_TYPES: Final = frozenset({CALL, CALLRESULT, CALLERROR})

VERSIONS: Final = (
    Version("1.6", "ocpp1.6", "ocppj.v16", _TYPES),
    Version("2.0.1", "ocpp2.0.1", "ocppj.v201", _TYPES),
    Version("2.1", "ocpp2.1", "ocppj.v21", _TYPES | {CALLRESULTERROR, SEND}),
)
"""All versions, the oldest first."""
