"""Sources of a mission's data: telemetry, cameras and command validators.

    base        the contracts of the three kinds, and the values that sources yield
    registry    sources by URL
    values      parsing, naming and checking that several sources share

Every other module or package is one source. Nothing in `sources` imports `rover`.
"""
