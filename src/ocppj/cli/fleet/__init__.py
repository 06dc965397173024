"""What the commands of a fleet do: they need asyncio and NATS."""

__all__: list[str] = []
