"""A simulated rover in Jezero crater: telemetry, camera and command validator.

    telemetry       SimulatedTelemetry
    camera          SimulatedCamera: images that arrive over a relay link
    validator       SimulatedValidator: six checks of a command sequence
    render_process  runs panorama in a process of its own
    panorama        renders an image of a view
    camera_view     the view of an image
    checks          the checks, one module each
    compiled        an accepted sequence as JSON
    findings        the codes that the checks report
    schedule        when each command of a sequence runs, and the load at any time
    sequence        the format of command sequences
    dictionary      the commands of the rover
    world           the state of the rover at any time
    energy          its battery and temperatures
    traverse        its route and its speed
    terrain         the height of the ground
    sol             mission time, sun and light time

Each imports only from those below it. Importing this package imports none of them: the process that
renders an image needs few of them.
"""
