"""HTTP and WebSocket, and nothing else: parse, ask the core, respond."""
