"""The six checks of a command sequence, one module each, in the order of `findings.STEPS`.

A check is a generator (`findings.Check`): what it yields are findings and the share of its work
that is done; what it returns are figures for the verdict's summary. None of them touches the
event loop, and none of them raises, whatever the file holds.
"""
