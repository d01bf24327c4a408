"""Browser sessions, one-time tickets and codes, and the limit on failed sign-ins."""

from rover.sessions.sign_ins import SignIns

__all__ = ["SignIns"]
