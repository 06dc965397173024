"""The message types of OCPP-J. Both backends use them; users import them from `ocppj.frames`."""

from typing import Final

__all__ = ["CALL", "CALLERROR", "CALLRESULT", "CALLRESULTERROR", "SEND"]

CALL: Final = 2
CALLRESULT: Final = 3
CALLERROR: Final = 4
CALLRESULTERROR: Final = 5
SEND: Final = 6
