"""Where ocppj and the official schemas differ on purpose, each with its reason.

Owns the one table of such places. Every row is tried by `test_schemas`: both verdicts must be as
stated, so a difference that has gone is a failure too. Where no row says otherwise, ocppj and the
validator agree. The validator (jsonschema-rs) checks the formats date-time and uri, so that faults
of timestamps need no row.
"""

from typing import Final, NamedTuple

__all__ = ["DIFFERENCES", "EXTRA_VALUES", "LOSSES", "TIGHTER", "Difference", "Tighter"]


class Difference(NamedTuple):
    """A difference between ocppj and the schemas, and its reason.

    Attributes:
        schema_accepts: the validator's verdict; ocppj's is the opposite.
        example: a message (version, name) that has the difference.
        reason: why ocppj differs.
    """

    schema_accepts: bool
    example: tuple[str, str]
    reason: str


class Tighter(NamedTuple):
    """A bound that ocppj adds.

    Attributes:
        bound: `minimum`, `min_length` or `min_items`.
        value: the value of the bound.
        difference: its key in `DIFFERENCES`.
    """

    bound: str
    value: int
    difference: str


DIFFERENCES: Final = {
    "remote control": Difference(
        schema_accepts=True,
        example=("2.0.1", "RequestStartTransactionRequest"),
        reason="FACTS 1: this block has bounds beyond the schema",
    ),
    "no samples": Difference(
        schema_accepts=True,
        example=("1.6", "StopTransactionRequest"),
        reason="one MeterValue type serves MeterValues, where sampledValue has minItems 1, and "
        "StopTransaction.transactionData, where it has not",
    ),
    "Hertz": Difference(
        schema_accepts=False,
        example=("1.6", "StopTransactionRequest"),
        reason="one UnitOfMeasure serves MeterValues, where the package `ocpp` adds Hertz, and "
        "StopTransaction.transactionData, where it does not",
    ),
    "1.0": Difference(
        schema_accepts=True,
        example=("2.0.1", "ResetRequest"),
        reason="FACTS 3: draft-06 counts 1.0 among the integers, strict decoding does not",
    ),
    "64 bits": Difference(
        schema_accepts=True,
        example=("2.1", "DataTransferRequest"),
        reason="WIRE, payload facts: integers of up to 64 bits are accepted",
    ),
    "depth": Difference(
        schema_accepts=True,
        example=("2.1", "DataTransferRequest"),
        reason="DESIGN: a hostile frame costs bounded memory; a frame nests at most 32 deep",
    ),
    "exponents": Difference(
        schema_accepts=True,
        example=("2.0.1", "RequestStartTransactionRequest"),
        reason="msgspec is slow at numbers with an exponent of three digits: a frame may have 512",
    ),
    "uri": Difference(
        schema_accepts=False,
        example=("1.6", "GetDiagnosticsRequest"),
        reason="WIRE gives no error code for the format uri, and two fields of 1.6 alone have it: "
        "any string is accepted",
    ),
    "calendar": Difference(
        schema_accepts=True,
        example=("2.0.1", "HeartbeatResponse"),
        reason="no Python datetime has a leap second, the year 0 or a time that rounds up to the "
        "year 10000",
    ),
    "loose timestamp": Difference(
        schema_accepts=False,
        example=("2.0.1", "HeartbeatResponse"),
        reason="msgspec accepts a space for the T, and an offset without its colon; the moment is "
        "unambiguous, and it has a zone",
    ),
}

LOSSES: Final = {
    "null": "DataTransfer.data of 2.x may be null: it is accepted, but None means absent in "
    "ocppj, so it is left out when sent on",
    "edge of time": "a local time of the years 1 or 9999 whose UTC lies outside them is "
    "accepted, but cannot be sent in UTC: encoding rejects it",
}
"""Values that decoding accepts and encoding does not return."""

TIGHTER: Final = {
    ("2.0.1", "RequestStartTransactionRequest", "evseId"): Tighter("minimum", 1, "remote control"),
    ("2.0.1", "RequestStartTransactionRequest", "remoteStartId"): Tighter(
        "minimum", 0, "remote control"
    ),
    ("2.0.1", "RequestStopTransactionRequest", "transactionId"): Tighter(
        "min_length", 1, "remote control"
    ),
    ("2.0.1", "UnlockConnectorRequest", "evseId"): Tighter("minimum", 0, "remote control"),
    ("2.0.1", "UnlockConnectorRequest", "connectorId"): Tighter("minimum", 0, "remote control"),
    ("1.6", "StopTransactionRequest", "transactionData[].sampledValue"): Tighter(
        "min_items", 1, "no samples"
    ),
}
"""Version, message and place -> the bound that ocppj adds there."""

EXTRA_VALUES: Final = {
    ("1.6", "StopTransactionRequest", "transactionData[].sampledValue[].unit"): ("Hertz",),
}
"""Version, message and place -> the enum values that ocppj adds there; all are `Hertz`."""
