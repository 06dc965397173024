"""Live endpoints on loopback, other people's software, and the adapters for it."""
