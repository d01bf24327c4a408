"""`python -m rover` is the `cosmic-rover` command."""

from rover.cli import main

raise SystemExit(main())
