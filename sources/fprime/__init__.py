"""Command sequences of F Prime, NASA's flight software framework (`fprime:`)."""

from sources.fprime.validator import FPrimeValidator

__all__ = ["FPrimeValidator"]
