"""`python -m rover` is the `cosmic-rover` command."""

from rover.cli import main

if __name__ == "__main__":  # and not where a reloader's new process imports what the old one ran
    raise SystemExit(main())
