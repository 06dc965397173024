"""The command line. Nothing is imported here: `ocppj.cli.main` is the entry point."""

__all__: list[str] = []
