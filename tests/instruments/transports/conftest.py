"""Devices that answer line by line, and links to them; both are closed at the end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from instruments.transports.tcp import TcpLink
from line_device import Connect, Device, Make, Talk
from sdl.core.lab import Endpoint


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[tuple[Device, socket.socket, threading.Thread]] = []

    def start(talk: Talk, greeting: bytes = b"", port: int = 0) -> Device:
        device = Device(talk, greeting)
        listener = socket.create_server(("127.0.0.1", port))
        device.endpoint = Endpoint(host="127.0.0.1", port=listener.getsockname()[1])
        thread = threading.Thread(target=device.serve, args=(listener,), daemon=True)
        thread.start()
        made.append((device, listener, thread))
        return device

    yield start
    for device, listener, thread in made:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        device.close()
        thread.join(5.0)


@pytest.fixture
def connect() -> Iterator[Connect]:
    links: list[TcpLink] = []

    def link(name: str, endpoint: Endpoint, **options: Any) -> TcpLink:
        links.append(TcpLink(name, endpoint, **options))
        return links[-1]

    yield link
    for made in links:
        made.close()
