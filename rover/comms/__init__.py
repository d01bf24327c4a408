"""Comms channels: members, messages, and their wire protocols."""

from rover.comms.comms import Comms

__all__ = ["Comms"]
