"""Telemetry and images from a WebSocket server: `ws://HOST:PORT/PATH`, `wss://…`.

    ws://robot:9090?topics=/imu,/battery                     telemetry from rosbridge
    ws://robot:9090?topic=/camera/image_raw/compressed       a camera behind rosbridge
    wss://host/feed?token=…&subscribe={"join":"telemetry"}   JSON from any server

Options of a source are removed from the URL's query; the rest of the query is sent to the server.
`SSL_CERT_FILE` names a certificate authority of your own.

    telemetry      JSON messages become samples
    camera         CompressedImage messages of rosbridge become images
    subscriptions  the topics of rosbridge that a source reads
    connection     one connection to a server

Each module imports only from modules listed below it.
"""

from sources.websocket.camera import RosbridgeCamera
from sources.websocket.telemetry import MAX_MESSAGE_BYTES, WebSocketTelemetry

__all__ = ["MAX_MESSAGE_BYTES", "RosbridgeCamera", "WebSocketTelemetry"]
