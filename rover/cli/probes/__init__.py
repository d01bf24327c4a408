"""Checks of servers from outside: `rover doctor` and `rover conform`."""
