"""The implementation of `Codec`. Nothing here is public."""

__all__: list[str] = []
