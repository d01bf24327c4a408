"""A siege: many attacks on one server at once, while well-behaved clients must notice nothing.

Each attack and each client has a loopback address of its own, as clients of a network have.
"""
