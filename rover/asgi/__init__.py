"""ASGI parts that serve any app: event streams, access, problems, connections, shutdown."""
