"""A demonstration CSMS and a simulated charging station, for the command line.

Owns what the two do. Loaded by `ocppj.cli` only when one of them is asked for.
"""

__all__: list[str] = []
