"""Bytes from machines: TCP, UDP and serial ports.

    tcp           a TCP client, and a TCP listener
    udp           a UDP listener
    serial_port   a serial port, read in a thread
    addresses     hosts and ports in a URL
    chunk         the bytes that one sender has sent, and the contract of a link

Each module imports only from modules listed below it. `serial_port` needs pyserial, so it is
imported by its name.
"""

from sources.links.addresses import Address
from sources.links.chunk import Chunk, Link
from sources.links.tcp import TcpClient, TcpListener
from sources.links.udp import UdpListener

__all__ = ["Address", "Chunk", "Link", "TcpClient", "TcpListener", "UdpListener"]
