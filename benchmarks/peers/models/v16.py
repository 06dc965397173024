"""OCPP 1.6."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, Field, StrictInt

from benchmarks.peers.models.base import Closed, Maybe, Text20, enums_of

if TYPE_CHECKING:
    from ocppj.v16 import enums
else:
    enums = enums_of("v16")


class StartTransactionRequest(Closed):
    connector_id: StrictInt
    id_tag: Text20
    meter_start: StrictInt
    reservation_id: Maybe[StrictInt] = None
    timestamp: AwareDatetime


class SampledValue(Closed):
    value: str
    context: Maybe[enums.ReadingContext] = None
    format: Maybe[enums.ValueFormat] = None
    measurand: Maybe[enums.Measurand] = None
    phase: Maybe[enums.Phase] = None
    location: Maybe[enums.Location] = None
    unit: Maybe[enums.UnitOfMeasure] = None


class MeterValue(Closed):
    timestamp: AwareDatetime
    sampled_value: Annotated[list[SampledValue], Field(min_length=1)]


class MeterValuesRequest(Closed):
    connector_id: StrictInt
    transaction_id: Maybe[StrictInt] = None
    meter_value: Annotated[list[MeterValue], Field(min_length=1)]
