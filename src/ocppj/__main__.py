"""`python -m ocppj`: the command line."""

from ocppj.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
