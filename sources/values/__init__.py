"""Parsing, naming and checking that several sources share.

    payload       samples from JSON payloads (`mqtt:`, `ws:`, `push:`)
    flatten       a JSON object as values by parameter name
    dictionary    parameters: declared in a file, or learned from values
    losses        counts and logs lost messages
    times         dates, times and timestamps as POSIX seconds
    cells         the form and the number of one cell, text or JSON
    units         the unit in the name of a column
    names         legal and distinct parameter names
    ranges        options within their range
    files         the error for a file that cannot be read
    pace          a steady schedule

Each module imports only from modules listed below it.
"""
