"""The OCPP versions and what each consists of. Features and profiles are those of `schema`.

Owns the table of versions. A version's messages are imported when they are first asked for.
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
        name: `"2.0.1"` and the like.
        subprotocol: its WebSocket subprotocol, `"ocpp2.0.1"` and the like.
        package: where its messages are, `"ocppj.v201"` and the like.
        message_types: the frames that it has.
    """

    name: str
    subprotocol: str
    package: str
    message_types: frozenset[int]

    @property
    def error_rules(self) -> ErrorRules:
        """Error codes, and what is answered to what."""
        return ERROR_RULES[self.name]

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Its functional blocks. The first use imports its messages."""
        profiles: tuple[Profile, ...] = import_module(self.package).PROFILES
        return profiles

    @classmethod
    def named(cls, name: str) -> "Version":
        """Return the version of a name or of a subprotocol name.

        Raises:
            ValueError: there is none.
        """
        for version in VERSIONS:
            if name in (version.name, version.subprotocol):
                return version
        known = ", ".join(f'"{version.name}"' for version in VERSIONS)
        raise ValueError(f"unknown OCPP version {name!r}: use one of {known}")


_TYPES: Final = frozenset({CALL, CALLRESULT, CALLERROR})

VERSIONS: Final = (
    Version("1.6", "ocpp1.6", "ocppj.v16", _TYPES),
    Version("2.0.1", "ocpp2.0.1", "ocppj.v201", _TYPES),
    Version("2.1", "ocpp2.1", "ocppj.v21", _TYPES | {CALLRESULTERROR, SEND}),
)
