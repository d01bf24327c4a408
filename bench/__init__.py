"""Benchmarks of the server against its peers in the same run: `python -m bench`."""
