"""Conformance with the official JSON schemas, and with frames from the field."""
