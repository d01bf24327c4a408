"""Comms channels: members, messages, and the protocols that they speak."""

from rover.comms.comms import Comms

__all__ = ["Comms"]
