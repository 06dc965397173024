"""OCPP 2.0.1."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, Field, StrictBool, StrictFloat, StrictInt

from benchmarks.peers.models.base import (
    Maybe,
    Natural,
    Open,
    Positive,
    Text8,
    Text20,
    Text36,
    Text50,
    Text512,
    Text2500,
    enums_of,
)

if TYPE_CHECKING:
    from ocppj.v201 import enums
else:
    enums = enums_of("v201")


class HeartbeatRequest(Open):
    pass


class HeartbeatResponse(Open):
    current_time: AwareDatetime


class StatusNotificationRequest(Open):
    timestamp: AwareDatetime
    connector_status: enums.ConnectorStatusEnumType
    evse_id: StrictInt
    connector_id: StrictInt


class StatusInfo(Open):
    reason_code: Text20
    additional_info: Maybe[Text512] = None


class Modem(Open):
    iccid: Maybe[Text20] = None
    imsi: Maybe[Text20] = None


class ChargingStation(Open):
    serial_number: Maybe[Annotated[str, Field(max_length=25)]] = None
    model: Text20
    modem: Maybe[Modem] = None
    vendor_name: Text50
    firmware_version: Maybe[Text50] = None


class BootNotificationRequest(Open):
    charging_station: ChargingStation
    reason: enums.BootReasonEnumType


class BootNotificationResponse(Open):
    current_time: AwareDatetime
    interval: StrictInt
    status: enums.RegistrationStatusEnumType
    status_info: Maybe[StatusInfo] = None


class AdditionalInfo(Open):
    additional_id_token: Text36
    type: Text50


class IdToken(Open):
    additional_info: Maybe[Annotated[list[AdditionalInfo], Field(min_length=1)]] = None
    id_token: Text36
    type: enums.IdTokenEnumType


class MessageContent(Open):
    format: enums.MessageFormatEnumType
    language: Maybe[Text8] = None
    content: Text512


class IdTokenInfo(Open):
    status: enums.AuthorizationStatusEnumType
    cache_expiry_date_time: Maybe[AwareDatetime] = None
    charging_priority: Maybe[StrictInt] = None
    language1: Maybe[Text8] = None
    evse_id: Maybe[Annotated[list[StrictInt], Field(min_length=1)]] = None
    group_id_token: Maybe[IdToken] = None
    language2: Maybe[Text8] = None
    personal_message: Maybe[MessageContent] = None


class AuthorizeResponse(Open):
    id_token_info: IdTokenInfo
    certificate_status: Maybe[enums.AuthorizeCertificateStatusEnumType] = None


class RelativeTimeInterval(Open):
    start: StrictInt
    duration: Maybe[StrictInt] = None


class Cost(Open):
    cost_kind: enums.CostKindEnumType
    amount: StrictInt
    amount_multiplier: Maybe[StrictInt] = None


class ConsumptionCost(Open):
    start_value: StrictFloat
    cost: Annotated[list[Cost], Field(min_length=1, max_length=3)]


class SalesTariffEntry(Open):
    relative_time_interval: RelativeTimeInterval
    e_price_level: Maybe[Natural] = None
    consumption_cost: Maybe[Annotated[list[ConsumptionCost], Field(min_length=1, max_length=3)]] = (
        None
    )


class SalesTariff(Open):
    id: StrictInt
    sales_tariff_description: Maybe[Annotated[str, Field(max_length=32)]] = None
    num_e_price_levels: Maybe[StrictInt] = None
    sales_tariff_entry: Annotated[list[SalesTariffEntry], Field(min_length=1, max_length=1024)]


class ChargingSchedulePeriod(Open):
    start_period: StrictInt
    limit: StrictFloat
    number_phases: Maybe[StrictInt] = None
    phase_to_use: Maybe[StrictInt] = None


class ChargingSchedule(Open):
    id: StrictInt
    start_schedule: Maybe[AwareDatetime] = None
    duration: Maybe[StrictInt] = None
    charging_rate_unit: enums.ChargingRateUnitEnumType
    charging_schedule_period: Annotated[
        list[ChargingSchedulePeriod], Field(min_length=1, max_length=1024)
    ]
    min_charging_rate: Maybe[StrictFloat] = None
    sales_tariff: Maybe[SalesTariff] = None


class ChargingProfile(Open):
    id: StrictInt
    stack_level: StrictInt
    charging_profile_purpose: enums.ChargingProfilePurposeEnumType
    charging_profile_kind: enums.ChargingProfileKindEnumType
    recurrency_kind: Maybe[enums.RecurrencyKindEnumType] = None
    valid_from: Maybe[AwareDatetime] = None
    valid_to: Maybe[AwareDatetime] = None
    charging_schedule: Annotated[list[ChargingSchedule], Field(min_length=1, max_length=3)]
    transaction_id: Maybe[Text36] = None


class RequestStartTransactionRequest(Open):
    evse_id: Maybe[Positive] = None
    group_id_token: Maybe[IdToken] = None
    id_token: IdToken
    remote_start_id: Natural
    charging_profile: Maybe[ChargingProfile] = None


class SignedMeterValue(Open):
    signed_meter_data: Text2500
    signing_method: Text50
    encoding_method: Text50
    public_key: Text2500


class UnitOfMeasure(Open):
    unit: Maybe[Text20] = None
    multiplier: Maybe[StrictInt] = None


class SampledValue(Open):
    value: StrictFloat
    context: Maybe[enums.ReadingContextEnumType] = None
    measurand: Maybe[enums.MeasurandEnumType] = None
    phase: Maybe[enums.PhaseEnumType] = None
    location: Maybe[enums.LocationEnumType] = None
    signed_meter_value: Maybe[SignedMeterValue] = None
    unit_of_measure: Maybe[UnitOfMeasure] = None


class MeterValue(Open):
    sampled_value: Annotated[list[SampledValue], Field(min_length=1)]
    timestamp: AwareDatetime


class Transaction(Open):
    transaction_id: Text36
    charging_state: Maybe[enums.ChargingStateEnumType] = None
    time_spent_charging: Maybe[StrictInt] = None
    stopped_reason: Maybe[enums.ReasonEnumType] = None
    remote_start_id: Maybe[StrictInt] = None


class EVSE(Open):
    id: StrictInt
    connector_id: Maybe[StrictInt] = None


class TransactionEventRequest(Open):
    event_type: enums.TransactionEventEnumType
    meter_value: Maybe[Annotated[list[MeterValue], Field(min_length=1)]] = None
    timestamp: AwareDatetime
    trigger_reason: enums.TriggerReasonEnumType
    seq_no: StrictInt
    offline: Maybe[StrictBool] = None
    number_of_phases_used: Maybe[StrictInt] = None
    cable_max_current: Maybe[StrictInt] = None
    reservation_id: Maybe[StrictInt] = None
    transaction_info: Transaction
    evse: Maybe[EVSE] = None
    id_token: Maybe[IdToken] = None


class TransactionEventResponse(Open):
    total_cost: Maybe[StrictFloat] = None
    charging_priority: Maybe[StrictInt] = None
    id_token_info: Maybe[IdTokenInfo] = None
    updated_personal_message: Maybe[MessageContent] = None
