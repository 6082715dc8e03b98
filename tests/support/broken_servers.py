"""Servers that answer nothing, half, or nonsense: plain sockets on loopback."""

import base64
import hashlib
import json
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress


@contextmanager
def listening(serve):
    """Give the address of a server that calls `serve(connection)` for each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_quietly, args=(serve, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _quietly(serve, connection):
    with connection, suppress(OSError):  # the client goes when it has waited long enough
        serve(connection)


def nobody():
    """Give an address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def silent(connection):
    """Accept and never answer."""
    time.sleep(60)


def answering(code, body, kind="application/json"):
    """Answer every HTTP request alike."""

    def serve(connection):
        _request(connection)
        connection.sendall(_response(code, body, kind))

    return serve


def trickling(connection):
    """Send a byte a second and never come to an end."""
    _request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(60):
        connection.sendall(b"1")
        time.sleep(1)


def ndif(after_the_job=lambda connection: time.sleep(60), seen=None):
    """Do all that an NDIF server does until the job has been taken, then `after_the_job` on the line for news."""

    def serve(connection):
        head, body = _request(connection)
        if seen is not None:
            seen.append(head + body)
        path = head.split(b" ")[1]
        if path == b"/subscribe":
            (key,) = re.findall(rb"(?i)sec-websocket-key: (\S+)", head)
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + text_frame({"session_id": "one"})
            )
            after_the_job(connection)
        elif path == b"/request":
            connection.sendall(_response(200, json.dumps({"id": "job", "status": "RECEIVED", "description": ""})))
        else:
            connection.sendall(_response(200, '"pong"'))

    return serve


def text_frame(value):
    """Give a message of the line for news."""
    data = json.dumps(value).encode()
    assert len(data) < 126
    return bytes([0x81, len(data)]) + data


def binary_frame(data):
    """Give a message of bytes."""
    return b"\x82\x7e" + len(data).to_bytes(2, "big") + data


PING = b"\x89\x00"


def _request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].split(b":")[1]):
        body += _some(connection)
    return head, body


def _some(connection):
    data = connection.recv(1 << 20)
    if not data:
        raise OSError("the client has gone")
    return data


def _response(code, body, kind="application/json"):
    size = len(body.encode())
    head = f"HTTP/1.1 {code} So\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()
