"""OCPP 2.1."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, Field, StrictFloat, StrictInt

from benchmarks.peers.models.base import (
    Maybe,
    Natural,
    Open,
    Percent,
    Positive,
    Text50,
    enums_of,
    wire,
)

if TYPE_CHECKING:
    from ocppj.v21 import enums
else:
    enums = enums_of("v21")


class ACChargingParameters(Open):
    energy_amount: StrictFloat
    ev_min_current: StrictFloat
    ev_max_current: StrictFloat
    ev_max_voltage: StrictFloat


class DCChargingParameters(Open):
    ev_max_current: StrictFloat
    ev_max_voltage: StrictFloat
    ev_max_power: Maybe[StrictFloat] = None
    ev_energy_capacity: Maybe[StrictFloat] = None
    energy_amount: Maybe[StrictFloat] = None
    state_of_charge: Maybe[Percent] = None
    full_soc: Maybe[Percent] = wire("fullSoC")
    bulk_soc: Maybe[Percent] = wire("bulkSoC")


class DERChargingParameters(Open):
    ev_supported_der_control: Annotated[
        Maybe[list[enums.DERControlEnumType]], Field(min_length=1)
    ] = wire("evSupportedDERControl")
    ev_over_excited_max_discharge_power: Maybe[StrictFloat] = None
    ev_over_excited_power_factor: Maybe[StrictFloat] = None
    ev_under_excited_max_discharge_power: Maybe[StrictFloat] = None
    ev_under_excited_power_factor: Maybe[StrictFloat] = None
    max_apparent_power: Maybe[StrictFloat] = None
    max_charge_apparent_power: Maybe[StrictFloat] = None
    max_charge_apparent_power_l2: Maybe[StrictFloat] = wire("maxChargeApparentPower_L2")
    max_charge_apparent_power_l3: Maybe[StrictFloat] = wire("maxChargeApparentPower_L3")
    max_discharge_apparent_power: Maybe[StrictFloat] = None
    max_discharge_apparent_power_l2: Maybe[StrictFloat] = wire("maxDischargeApparentPower_L2")
    max_discharge_apparent_power_l3: Maybe[StrictFloat] = wire("maxDischargeApparentPower_L3")
    max_charge_reactive_power: Maybe[StrictFloat] = None
    max_charge_reactive_power_l2: Maybe[StrictFloat] = wire("maxChargeReactivePower_L2")
    max_charge_reactive_power_l3: Maybe[StrictFloat] = wire("maxChargeReactivePower_L3")
    min_charge_reactive_power: Maybe[StrictFloat] = None
    min_charge_reactive_power_l2: Maybe[StrictFloat] = wire("minChargeReactivePower_L2")
    min_charge_reactive_power_l3: Maybe[StrictFloat] = wire("minChargeReactivePower_L3")
    max_discharge_reactive_power: Maybe[StrictFloat] = None
    max_discharge_reactive_power_l2: Maybe[StrictFloat] = wire("maxDischargeReactivePower_L2")
    max_discharge_reactive_power_l3: Maybe[StrictFloat] = wire("maxDischargeReactivePower_L3")
    min_discharge_reactive_power: Maybe[StrictFloat] = None
    min_discharge_reactive_power_l2: Maybe[StrictFloat] = wire("minDischargeReactivePower_L2")
    min_discharge_reactive_power_l3: Maybe[StrictFloat] = wire("minDischargeReactivePower_L3")
    nominal_voltage: Maybe[StrictFloat] = None
    nominal_voltage_offset: Maybe[StrictFloat] = None
    max_nominal_voltage: Maybe[StrictFloat] = None
    min_nominal_voltage: Maybe[StrictFloat] = None
    ev_inverter_manufacturer: Maybe[Text50] = None
    ev_inverter_model: Maybe[Text50] = None
    ev_inverter_serial_number: Maybe[Text50] = None
    ev_inverter_sw_version: Maybe[Text50] = None
    ev_inverter_hw_version: Maybe[Text50] = None
    ev_islanding_detection_method: Maybe[
        Annotated[list[enums.IslandingDetectionEnumType], Field(min_length=1)]
    ] = None
    ev_islanding_trip_time: Maybe[StrictFloat] = None
    ev_maximum_level1_dc_injection: Maybe[StrictFloat] = wire("evMaximumLevel1DCInjection")
    ev_duration_level1_dc_injection: Maybe[StrictFloat] = wire("evDurationLevel1DCInjection")
    ev_maximum_level2_dc_injection: Maybe[StrictFloat] = wire("evMaximumLevel2DCInjection")
    ev_duration_level2_dc_injection: Maybe[StrictFloat] = wire("evDurationLevel2DCInjection")
    ev_reactive_susceptance: Maybe[StrictFloat] = None
    ev_session_total_discharge_energy_available: Maybe[StrictFloat] = None


class V2XChargingParameters(Open):
    min_charge_power: Maybe[StrictFloat] = None
    min_charge_power_l2: Maybe[StrictFloat] = wire("minChargePower_L2")
    min_charge_power_l3: Maybe[StrictFloat] = wire("minChargePower_L3")
    max_charge_power: Maybe[StrictFloat] = None
    max_charge_power_l2: Maybe[StrictFloat] = wire("maxChargePower_L2")
    max_charge_power_l3: Maybe[StrictFloat] = wire("maxChargePower_L3")
    min_discharge_power: Maybe[StrictFloat] = None
    min_discharge_power_l2: Maybe[StrictFloat] = wire("minDischargePower_L2")
    min_discharge_power_l3: Maybe[StrictFloat] = wire("minDischargePower_L3")
    max_discharge_power: Maybe[StrictFloat] = None
    max_discharge_power_l2: Maybe[StrictFloat] = wire("maxDischargePower_L2")
    max_discharge_power_l3: Maybe[StrictFloat] = wire("maxDischargePower_L3")
    min_charge_current: Maybe[StrictFloat] = None
    max_charge_current: Maybe[StrictFloat] = None
    min_discharge_current: Maybe[StrictFloat] = None
    max_discharge_current: Maybe[StrictFloat] = None
    min_voltage: Maybe[StrictFloat] = None
    max_voltage: Maybe[StrictFloat] = None
    ev_target_energy_request: Maybe[StrictFloat] = None
    ev_min_energy_request: Maybe[StrictFloat] = None
    ev_max_energy_request: Maybe[StrictFloat] = None
    ev_min_v2x_energy_request: Maybe[StrictFloat] = None
    ev_max_v2x_energy_request: Maybe[StrictFloat] = None
    target_soc: Maybe[Percent] = wire("targetSoC")


class EVPriceRule(Open):
    energy_fee: StrictFloat
    power_range_start: StrictFloat


class EVAbsolutePriceScheduleEntry(Open):
    duration: StrictInt
    ev_price_rule: Annotated[list[EVPriceRule], Field(min_length=1, max_length=8)]


class EVAbsolutePriceSchedule(Open):
    time_anchor: AwareDatetime
    currency: Annotated[str, Field(max_length=3)]
    ev_absolute_price_schedule_entries: Annotated[
        list[EVAbsolutePriceScheduleEntry], Field(min_length=1, max_length=1024)
    ]
    price_algorithm: Annotated[str, Field(max_length=2000)]


class EVPowerScheduleEntry(Open):
    duration: StrictInt
    power: StrictFloat


class EVPowerSchedule(Open):
    ev_power_schedule_entries: Annotated[
        list[EVPowerScheduleEntry], Field(min_length=1, max_length=1024)
    ]
    time_anchor: AwareDatetime


class EVEnergyOffer(Open):
    ev_absolute_price_schedule: Maybe[EVAbsolutePriceSchedule] = None
    ev_power_schedule: EVPowerSchedule


class ChargingNeeds(Open):
    ac_charging_parameters: Maybe[ACChargingParameters] = None
    der_charging_parameters: Maybe[DERChargingParameters] = None
    ev_energy_offer: Maybe[EVEnergyOffer] = None
    requested_energy_transfer: enums.EnergyTransferModeEnumType
    dc_charging_parameters: Maybe[DCChargingParameters] = None
    v2x_charging_parameters: Maybe[V2XChargingParameters] = wire("v2xChargingParameters")
    available_energy_transfer: Maybe[
        Annotated[list[enums.EnergyTransferModeEnumType], Field(min_length=1)]
    ] = None
    control_mode: Maybe[enums.ControlModeEnumType] = None
    mobility_needs_mode: Maybe[enums.MobilityNeedsModeEnumType] = None
    departure_time: Maybe[AwareDatetime] = None


class NotifyEVChargingNeedsRequest(Open):
    evse_id: Positive
    max_schedule_tuples: Maybe[Natural] = None
    charging_needs: ChargingNeeds
    timestamp: Maybe[AwareDatetime] = None
