"""A demonstration CSMS and a simulated charging station.

Loaded by `ocppj csms` and `ocppj station` only, as it needs asyncio.
"""

__all__: list[str] = []
