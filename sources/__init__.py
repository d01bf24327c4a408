"""Where a mission's data comes from: contracts in `base`, and the sources that ship.

Nothing in here imports `rover`: a source knows its instrument, never who is watching.
"""
