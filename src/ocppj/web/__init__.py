"""Command API and operator's page for a `CSMS` or a `Fleet`, as an ASGI application.

Install what it needs: `pip install 'ocppj[web]'`.
"""

from ocppj.web.application import application
from ocppj.web.monitor import Monitor
from ocppj.web.tokens import Tokens

__all__ = ["Monitor", "Tokens", "application"]
