"""The routes: each module parses requests, calls the core, and responds."""
