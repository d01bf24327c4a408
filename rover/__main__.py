"""`python -m rover` is the `rover` command."""

from rover.cli import main

if __name__ == "__main__":  # the process of a reloader imports this module again
    raise SystemExit(main())
