"""Parsing, naming and checking that several sources share.

    payload       samples from JSON payloads (`mqtt:`, `ws:`, `push:`)
    formats       the formats of messages: TTN, OwnTracks, SenML, rosbridge
    flatten       a JSON object as values by parameter name
    vectors       which objects are vectors, by the names of their members
    dictionary    parameters: declared in a file, or learned from values
    messagetime   the time of a message, and what replaces one that cannot be true
    parsing       parses JSON payloads
    losses        counts and logs lost messages
    times         dates, times and timestamps as POSIX seconds
    cells         the form and the number of one cell, text or JSON
    units         the unit in the name of a column
    names         legal and distinct parameter names
    ranges        options within their range
    images        the formats of image files: size, end, facts, samples
    json_text     mistakes in JSON files, and the places of values
    json_fields   the fields of a JSON object, with their types checked
    tally         counts findings, and makes the verdict of them
    languages     recognises the language of a command file
    text_blocks   the lines of a text file, in blocks
    wording       quotes and suggestions in findings
    slices        a long computation in a worker thread
    files         opens command files, and the error for a file that cannot be read
    pace          a steady schedule

Each module imports only from modules listed below it.
"""
