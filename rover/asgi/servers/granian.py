"""granian: its client address for a Unix socket, and how it closes WebSockets."""

UNIX_SOCKET_CLIENT = ""
"""The client address that granian reports for a Unix socket."""

WEBSOCKET_CLOSE_S = 0.5
"""Seconds for WebSockets to close before event streams end at a shutdown.

granian drops its WebSockets, without a close frame, once the last HTTP response completes, so at
once if none is open.
"""
