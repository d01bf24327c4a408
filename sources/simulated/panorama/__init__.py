"""Renders the images of the simulated camera, in a process of its own.

It is run as `python -m sources.simulated.panorama OUT.jpg NICENESS < VIEW`.

`render.render` does it in this order: ground, shadows, rocks, light.

    render         a view as pixels, and pixels as a JPEG
    light          light, sky and exposure of a scene
    rock_renderer  draws rocks into a scene
    shadows        shadows on the ground
    ground         fills a scene with the visible ground
    rover          the parts of the rover, for its shadow
    rocks          positions and shapes of the rocks
    convex_body    convex bodies and their intersection with rays
    land           height and colour of the land
    wheel_tracks   the tracks of the rover
    polar_grid     the points at which the ground is computed
    scene          the pixels of an image before lighting
    texture        seeded noise and patterns

Each imports only from those below it.
"""
