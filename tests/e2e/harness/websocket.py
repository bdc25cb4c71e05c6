"""WebSockets on raw sockets: frames as the test wants them, and an upstream that accepts and answers by a function."""
import base64
import contextlib
import hashlib
import selectors
import socket
import struct
import threading

from .client import RawClient
from .wire import Reader, parse_head

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def masked(data):
    return bytes(byte ^ MASK[i % 4] for i, byte in enumerate(data))


def frame(first, payload=b"", mask=True):
    """One frame; `first` is its first byte: FIN and opcode."""
    bit, size = 0x80 if mask else 0, len(payload)
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (MASK + masked(payload) if mask else payload)


def read_frame(reader):
    """(first byte, payload) of the next frame; None when the connection ends between two. Raises at an end inside one."""
    head = reader.exactly(2)
    if head is None:
        assert not reader.pending, f"the connection ended inside a frame: {reader.pending!r}"
        return None
    size = head[1] & 127
    if size > 125:
        size = int.from_bytes(reader.exactly(2 if size == 126 else 8), "big")
    mask = reader.exactly(4) if head[1] & 128 else None
    payload = reader.exactly(size)
    assert payload is not None, "the connection ended inside a frame"
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head[0], payload


def close_code(payload):
    return int.from_bytes(payload[:2], "big")


class Client(RawClient):
    """A WebSocket through the gateway. Without `open` only the connection is made."""

    def __init__(self, address, path="/chat", fields="", open=True):
        super().__init__(address)
        self.path, self.fields = path, fields
        if open:
            self.ask()
            head = self.read_response()
            assert head.start.split()[1] == "101", head.raw
            self.head = head

    def ask(self, behind=b""):
        self.send(f"GET {self.path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{self.fields}\r\n".encode() + behind)

    def say(self, payload, first=TEXT):
        self.send(frame(first, payload if isinstance(payload, bytes) else payload.encode()))

    def hear(self):
        return read_frame(self.reader)

    def echo(self, text):
        """Sends a text and waits for the upstream to say it back."""
        self.say(text)
        heard = self.hear()
        assert heard == (TEXT, text.encode()), heard


def echo(connection):
    """What the upstream does by default: says back text and binary, answers ping and Close."""
    while (got := connection.hear()) is not None:
        first, payload = got
        if first == CLOSE:
            connection.say(payload, CLOSE)
            return
        connection.say(payload, PONG if first == PING else first)


class Connection:
    """The upstream's side of one WebSocket."""

    def __init__(self, sock):
        self.socket, self.was_reset = sock, False
        self.reader = Reader(self.receive)

    def receive(self):
        try:
            return self.socket.recv(1 << 18)
        except OSError:
            self.was_reset = True
            return b""

    def say(self, payload, first=TEXT):
        self.send(frame(first, payload if isinstance(payload, bytes) else payload.encode(), mask=False))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def hear(self):
        return read_frame(self.reader)


class Upstream:
    """Accepts every WebSocket and lets `behave(connection)` speak; then it closes. `heads` holds the requests' fields."""

    def __init__(self, behave=echo, fields=""):
        self.behave, self.fields, self.heads, self.connections = behave, fields, [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in [self.listener, *(connection.socket for connection in self.connections)]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock)
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        head = connection.reader.until(b"\r\n\r\n")
        if head is None:
            return
        start, fields = parse_head(head[:-4])
        fields = {name.lower(): value for name, value in fields}
        self.heads.append((start, fields))
        connection.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Accept: {accept_of(fields['sec-websocket-key'])}\r\n{self.fields}\r\n".encode())
        try:
            self.behave(connection)
        except AssertionError:
            pass  # an end inside a frame: tests look at what they sent
        finally:
            connection.socket.close()


class CrowdUpstream(Upstream):
    """The same for thousands: one thread serves all, and says back whole frames that came in one piece."""

    def accept(self):
        selector = selectors.DefaultSelector()
        self.listener.setblocking(False)
        selector.register(self.listener, selectors.EVENT_READ)
        while self.listener.fileno() >= 0:
            for key, _ in selector.select(0.2):
                if key.fileobj is self.listener:
                    self.admit(selector)
                elif not self.answer(key.data):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    def admit(self, selector):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                connection = Connection(sock)
                self.connections.append(connection)
                selector.register(sock, selectors.EVENT_READ, connection)

    def answer(self, connection):
        data = connection.receive()
        if data.startswith(b"GET "):
            fields = {name.lower(): value for name, value in parse_head(data[:-4])[1]}
            connection.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Accept: {accept_of(fields['sec-websocket-key'])}\r\n\r\n".encode())
        elif data:
            connection.reader.pending += data
            while connection.reader.pending:
                first, payload = read_frame(connection.reader)
                connection.say(payload, first)
        return bool(data)
