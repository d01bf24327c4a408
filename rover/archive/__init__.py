"""Years of telemetry in compressed columns, with smaller copies for plots of long spans.

codec     arrays to bytes and back, without loss
points    the values of one parameter, in order of time
reduce    fewer points with the same spikes
reader    reading chunks of points of an SQLite database
store     adding them, and limiting their size
"""
