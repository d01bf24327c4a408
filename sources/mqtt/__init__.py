"""Telemetry from an MQTT broker: `mqtt://HOST/TOPIC/FILTER`, `mqtts://…`.

    telemetry     the source: messages become samples
    bundle        values that come one by one, put together into samples
    connection    one connection to a broker, and the messages it brings
    address       what the URL says: broker, user, topics

Each imports only from those below it. The driver watches its socket itself (`loop.add_reader`), so
on Windows it needs the selector event loop, not the proactor; docs/sources/mqtt.md.
"""

from sources.mqtt.telemetry import MqttTelemetry

__all__ = ["MqttTelemetry"]
