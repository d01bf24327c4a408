"""The picture that a camera of the simulated rover takes, worked out from the land up.

`picture.draw` says in what order: the ground, the shadows on it, the rocks, then the light. All of
it runs in a process of its own: `python -m sources.simulated.panorama OUT.jpg NICENESS < VIEW`.
"""
