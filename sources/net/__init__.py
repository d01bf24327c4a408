"""Telemetry from lines of text over TCP and UDP.

    tcp://gnss:9001                  connects to a machine
    tcp-listen://0.0.0.0:5005        machines connect
    udp://0.0.0.0:5005?format=json   machines send datagrams

A listener without a host, such as `udp://:5005`, listens on 127.0.0.1 only.
"""

from sources.net.telemetry import TcpListenTelemetry, TcpTelemetry, UdpTelemetry

__all__ = ["TcpListenTelemetry", "TcpTelemetry", "UdpTelemetry"]
