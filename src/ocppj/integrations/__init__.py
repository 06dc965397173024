"""Adapters for code that was written on another library; each module needs that library.

Nothing is imported here: `ocppj.integrations.mobilityhouse` has to be asked for by name.
"""

__all__: list[str] = []
