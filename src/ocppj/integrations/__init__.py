"""Adapters for code that was written on another library; each module needs that library.

Import the module that you need, for instance `ocppj.integrations.mobilityhouse`.
"""

__all__: list[str] = []
