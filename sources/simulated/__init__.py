"""A rover in Jezero crater that needs no hardware: telemetry, camera and a command check."""
