"""Values that several sources read, name, time or check; no source imports another.

    payload       samples out of JSON payloads (`mqtt:`, `ws:`, `push:`)
    flatten       a JSON object as values by parameter name
    dictionary    parameters out of a file
    losses        counts and logs lost messages
    times         dates, times and timestamps as POSIX seconds
    cells         numbers and other forms in a cell of text or JSON
    names         legal and distinct names of parameters
    ranges        options within their range
    files         the error for a file that cannot be read
    pace          a steady schedule

Each imports only from those below it.
"""
