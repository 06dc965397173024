"""Live endpoints on loopback: with each other, with other people's software, with hostile peers."""
