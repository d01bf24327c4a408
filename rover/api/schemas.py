"""JSON Schemas of the bodies of requests, responses and events, by name.

Tests check real answers against them, and allow no property that is not here.
"""

from __future__ import annotations

from rover.api.comms_schemas import COMMS_SCHEMAS
from rover.api.image_schemas import IMAGE_SCHEMAS
from rover.api.server_schemas import SERVER_SCHEMAS
from rover.api.telemetry_schemas import TELEMETRY_SCHEMAS
from rover.api.upload_schemas import UPLOAD_SCHEMAS

SCHEMAS = {
    **SERVER_SCHEMAS,
    **TELEMETRY_SCHEMAS,
    **IMAGE_SCHEMAS,
    **COMMS_SCHEMAS,
    **UPLOAD_SCHEMAS,
}
"""Every schema by its name in both documents."""
