"""pydantic models of the corpus's messages; not a peer, but what two of them share.

They have the constraints of the official schemas (`agreement` compares them), those beyond the
schemas that our own types have, enum classes, and timestamps with a zone. Integers have no bound of
64 bits here, to pydantic's favour. Numbers and booleans are strict, since the schemas convert
nothing; text need not be told. Other settings (strict models, `cache_strings`, `X | None`) came out
within 3 % of these.
"""

from typing import Final

from pydantic import BaseModel

from benchmarks.corpus import Entry
from benchmarks.peers.models import v16, v21, v201

__all__ = ["CALLS", "RESULTS", "model"]

Models = dict[str, dict[str, type[BaseModel]]]

CALLS: Final[Models] = {
    "1.6": {
        "MeterValues": v16.MeterValuesRequest,
        "StartTransaction": v16.StartTransactionRequest,
    },
    "2.0.1": {
        "BootNotification": v201.BootNotificationRequest,
        "Heartbeat": v201.HeartbeatRequest,
        "RequestStartTransaction": v201.RequestStartTransactionRequest,
        "StatusNotification": v201.StatusNotificationRequest,
        "TransactionEvent": v201.TransactionEventRequest,
    },
    "2.1": {"NotifyEVChargingNeeds": v21.NotifyEVChargingNeedsRequest},
}
"""Version and action -> model of the request, as far as the corpus has it."""

RESULTS: Final[Models] = {
    "1.6": {},
    "2.0.1": {
        "Authorize": v201.AuthorizeResponse,
        "BootNotification": v201.BootNotificationResponse,
        "Heartbeat": v201.HeartbeatResponse,
        "TransactionEvent": v201.TransactionEventResponse,
    },
    "2.1": {},
}
"""Version and action -> model of the response."""


def model(entry: Entry) -> type[BaseModel]:
    """Return the model of an entry's payload."""
    return (CALLS if entry.is_call else RESULTS)[entry.version][entry.action]
