"""Telemetry from an MQTT broker: `mqtt://HOST/TOPIC/FILTER`, `mqtts://…`.

    telemetry     the source: messages become samples
    uplink        publishes command sequences, and reads the answers
    sparkplug     metrics of Sparkplug B; imported when it is used
    protobuf      the Protocol Buffers message of Sparkplug B
    discovery     units and descriptions from Home Assistant's discovery messages
    topics        topics whose messages are not telemetry
    bundle        gathers single values into samples
    connection    one connection to a broker, and its messages
    address       the parts of the URL: broker, user, topics

Each module imports only from modules listed below it. aiomqtt watches its socket with
`loop.add_reader`, so on Windows it needs the selector event loop, not the proactor.
"""

from sources.mqtt.telemetry import MqttTelemetry

__all__ = ["MqttTelemetry"]
