"""Comms channels: members, messages, and the protocols that they speak."""

from rover.comms.comms import Rooms

__all__ = ["Rooms"]
