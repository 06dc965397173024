"""Turn wire names into Python names, by one rule for fields, enum members and constants."""

import re

# Words that the general rule would split in the wrong place.
WHOLE_WORDS = (
    "SoC",
    "SoH",
    "EMAIDs",
    "RoCoF",
    "IKEv2",
    "IPSec",
    "V2X",
    "V2G20",
    "V2G",
    "kWh",
    "kW",
    "kVA",
    "Max16A",
    "Over16A",
    "TIme",
)
WORD = re.compile(
    "|".join(WHOLE_WORDS) + r"|[A-Z][A-Z0-9]*(?=[A-Z][a-z])|[A-Z]?[a-z][a-z0-9]*|[A-Z0-9]+"
)


def snake(wire: str) -> str:
    """Return the snake_case form of a wire name: `limit_L2` -> `limit_l2`."""
    return "_".join(word.lower() for word in WORD.findall(wire))


def method(action: str) -> str:
    """Return the name of the handler's method for an action: `on_unlock_connector`."""
    return f"on_{snake(action)}"


def constant(wire: str) -> str:
    """Return the UPPER_SNAKE form of a wire name or value: `L1-N` -> `L1_N`."""
    return snake(wire).upper()


def camel(name: str) -> str:
    """Return the camelCase form of a snake_case name, as msgspec's `rename="camel"` does."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
