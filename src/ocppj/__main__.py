"""`python -m ocppj`: the command line."""

from ocppj.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
