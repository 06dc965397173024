"""The OCPP versions that the demonstration speaks, one row each."""

from typing import Final

from ocppj.cli.demo import ocpp2, ocpp16

__all__ = ["DIALECTS"]

DIALECTS: Final = {"1.6": ocpp16.DIALECT, "2.0.1": ocpp2.DIALECT, "2.1": ocpp2.DIALECT}
