"""What is behind `Codec`. Nothing here is public."""

__all__: list[str] = []
