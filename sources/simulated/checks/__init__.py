"""The six checks of a command sequence, one module each; `findings.STEPS` gives their order.

A check is a generator (`findings.Check`). It yields findings and the share of its work that is
done, and returns values for the summary of the verdict. It does not use the event loop, and raises
no exceptions, whatever the file contains.

    syntax, checksum, power, thermal, timing, safety
    header         the header lines
    arguments      the arguments of a command
    limit_monitor  reports each time that a value leaves its limits
    wording        quotes and suggestions in messages
"""
