"""The proof against the official JSON schemas, and against frames met in the field."""
