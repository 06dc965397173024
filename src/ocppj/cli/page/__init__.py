"""The page of `ocppj check --html`: one HTML file with the history of the logs.

`history` collects it, `render` writes it.
"""

__all__: list[str] = []
