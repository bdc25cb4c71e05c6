"""WebSockets on raw sockets: frames as the test wants them, and an upstream that accepts and answers by a function."""
import base64
import contextlib
import hashlib
import queue
import selectors
import socket
import struct
import threading

from . import http2_upstream
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


class Stream:
    """The upstream's side of one that is a stream of HTTP/2 (RFC 8441); `end` is how the gateway ended it."""

    def __init__(self, connection, number, request):
        self.connection, self.number, self.request = connection, number, request
        self.heard, self.end = queue.Queue(), None
        self.reader = Reader(self.receive)

    def receive(self):
        if self.end is not None:
            return b""
        data = self.heard.get(timeout=20)
        if not data:
            self.end = "reset" if data is None else "end"
        return data or b""

    def say(self, payload, first=TEXT):
        self.send(frame(first, payload if isinstance(payload, bytes) else payload.encode(), mask=False))

    def send(self, data, end=False):
        try:
            self.connection.send(self.number, data, end)
        except Exception:  # pylint: disable=broad-except
            pass  # the stream is gone

    def hear(self):
        return read_frame(self.reader)


class Http2Upstream(http2_upstream.Service):
    """Takes WebSockets by extended CONNECT, lets `behave(stream)` speak, and ends the stream then. A request in its place is
    answered with its path. `status`: of what is answered to the extended CONNECT. `announces`: that it is taken."""

    def __init__(self, behave=echo, fields=(), status=200, announces=True):
        self.behave, self.fields, self.status, self.opened = behave, list(fields), status, []
        self.settings = {8: 1} if announces else {}  # SETTINGS_ENABLE_CONNECT_PROTOCOL
        super().__init__(self.open, early=True)

    def open(self, connection, number, request):
        if request.get(":protocol") != "websocket":
            return connection.respond(number, request.get(":path").encode())
        if self.status // 100 != 2:
            return connection.respond(number, b"no", status=self.status)
        request.stream = Stream(connection, number, request)
        self.opened.append(request.stream)
        connection.respond(number, status=self.status, headers=self.fields, end=False)
        threading.Thread(target=self.speak, args=(request.stream,), daemon=True).start()

    def hear(self, request, data):
        if stream := getattr(request, "stream", None):
            stream.heard.put(data)

    def speak(self, stream):
        with contextlib.suppress(AssertionError):  # an end inside a frame: tests look at `end`
            self.behave(stream)
        stream.send(b"", end=True)
