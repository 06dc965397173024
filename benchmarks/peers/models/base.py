"""Types and bases of the models."""

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from typing import Optional as Maybe
else:

    class Maybe:
        """`Maybe[X] = None`: an optional field that rejects `null`."""

        def __class_getitem__(cls, item: Any) -> Any:
            return item


__all__ = [
    "Closed",
    "Maybe",
    "Natural",
    "Open",
    "Percent",
    "Positive",
    "Text8",
    "Text20",
    "Text36",
    "Text50",
    "Text512",
    "Text2500",
    "enums_of",
    "wire",
]

Text8 = Annotated[str, Field(max_length=8)]
Text20 = Annotated[str, Field(max_length=20)]
Text36 = Annotated[str, Field(max_length=36)]
Text50 = Annotated[str, Field(max_length=50)]
Text512 = Annotated[str, Field(max_length=512)]
Text2500 = Annotated[str, Field(max_length=2500)]
Percent = Annotated[StrictInt, Field(ge=0, le=100)]
Natural = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]


class Closed(BaseModel):
    """An object without further keys."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class CustomData(BaseModel):
    """Vendor data."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow")

    vendor_id: Annotated[str, Field(max_length=255)]


class Open(Closed):
    """An object of OCPP 2.x, which may have vendor data."""

    custom_data: Maybe[CustomData] = None


def wire(name: str) -> Any:
    """Return an optional field whose wire name is not the camel case of its name."""
    return Field(default=None, alias=name)


def enums_of(version: str) -> Any:
    """Return a version's enum classes without the rest of ocppj, which would be measured too."""
    ocppj = find_spec("ocppj")
    assert ocppj is not None
    assert ocppj.submodule_search_locations is not None
    file = Path(ocppj.submodule_search_locations[0], version, "enums.py")
    spec = spec_from_file_location(f"{__name__}_enums_{version}", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
