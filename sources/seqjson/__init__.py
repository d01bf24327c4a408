"""Sequences in seq-json, a format of NASA's AMMOS (`seqjson:`)."""

from sources.seqjson.validator import SeqJsonValidator

__all__ = ["SeqJsonValidator"]
