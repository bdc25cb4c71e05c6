"""Clients on raw sockets: nothing is added, nothing is understood that the test does not ask for."""
import contextlib
import select
import socket
import struct
import time

from .wire import Message, Reader, body_framing, parse_head

ANSWER_SECONDS = 5


class Closed(Exception):
    """The gateway closed the connection before a response was complete; `args[0]` holds what came."""


class RawClient:
    def __init__(self, address, seconds=ANSWER_SECONDS):
        self.socket = socket.create_connection(address, seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.receive)
        self.was_reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self):
        try:
            return self.socket.recv(1 << 18)
        except ConnectionError:
            self.was_reset = True
            return b""

    def send(self, data, cuts=(), pause=0.0005):
        """Sends `data` cut at the offsets in `cuts`, with a pause at each so that the parts travel apart. What the gateway
        does not take any more, because it closed, is let go of."""
        places = [0, *sorted(cuts), len(data)]
        try:
            for begin, end in zip(places, places[1:]):
                if begin:
                    time.sleep(pause)
                self.socket.sendall(data[begin:end])
        except ConnectionError:
            pass

    def finish(self):
        """Half-closes: no more will be sent."""
        with contextlib.suppress(OSError):  # the gateway has closed already
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_response(self, method="GET"):
        """One response, interim ones counted each. Raises Closed when the connection ends before it is complete."""
        head = self.reader.until(b"\r\n\r\n")
        if head is None:
            raise Closed(self.reader.pending)
        start, fields = parse_head(head[:-4])
        status = start.split(" ")[1]
        raw, body, trailers = b"", b"", []
        if method != "HEAD" and status[0] != "1" and status not in ("204", "304"):
            raw, body, trailers = self.read_body(fields)
        return Message(head + raw, start, fields + trailers, body)

    def read_body(self, fields):
        kind, length = body_framing(fields)
        if kind == "chunked":
            parts = self.reader.chunked()
        elif kind == "length":
            data = self.reader.exactly(length)
            parts = None if data is None else (data, data, [])
        else:
            data = self.read_to_end()
            parts = (data, data, [])
        if parts is None:
            raise Closed(self.reader.pending)
        return parts

    def read_to_end(self):
        while self.reader.fill():
            pass
        data, self.reader.pending = self.reader.pending, b""
        return data

    def is_closed(self, seconds=5):
        """Waits for the gateway to close. Raises when it sends something instead; False when nothing happens."""
        self.socket.settimeout(seconds)
        try:
            data = self.reader.pending or self.receive()
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(ANSWER_SECONDS)
        assert not data, f"more came before the close: {data[:300]!r}"
        return True

    def is_quiet(self, seconds=0.1):
        """Nothing comes for that long, not even a close."""
        return not self.reader.pending and not select.select([self.socket], [], [], seconds)[0]


class TlsClient(RawClient):
    """The same over TLS; `name` is asked for and verified. What ends without close_notify raises ssl.SSLEOFError."""

    def __init__(self, address, context, name="a.example", session=None):
        super().__init__(address)
        self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session, suppress_ragged_eofs=False)


def exchange(address, data, method="GET", cuts=()):
    """One request on a connection of its own; the response."""
    with RawClient(address) as client:
        client.send(data, cuts)
        return client.read_response(method)


def get(address, path="/", host="a", **fields):
    """A plain GET; keyword x_team becomes the field x-team."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return exchange(address, f"GET {path} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n".encode("latin-1"))


class Session:
    """A keep-alive connection that is opened anew when it was closed between two requests."""

    def __init__(self, address):
        self.address, self.client = address, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.client:
            self.client.socket.close()
        self.client = None

    def get(self, path="/", host="a", fields=""):
        if self.client is None:
            self.client = RawClient(self.address)
        self.client.send(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n".encode("latin-1"))
        response = self.client.read_response()
        if response.first("connection") == "close":
            self.close()
        return response


def status(response):
    return int(response.start.split(" ")[1])
