"""An HTTP/2 client of frames: says exactly what a test wants, also what no client should. Fields by python3-hpack."""
import collections
import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 3, 4, 5

Frame = collections.namedtuple("Frame", "type flags stream payload")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, ack=False):
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, bytes):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", bytes))


class Ended(Exception):
    """The gateway closed the connection."""


class Answer:
    """What came on one stream: `interim` heads, `headers` (a list of pairs), `body`, `trailers`; `reset` is a code or None."""

    def __init__(self):
        self.interim, self.headers, self.body, self.trailers = [], None, b"", None
        self.reset, self.is_whole = None, False

    @property
    def status(self):
        return int(dict(self.headers)[":status"]) if self.headers else None

    def get(self, name):
        return dict(self.headers).get(name)

    @property
    def is_over(self):
        return self.is_whole or self.reset is not None


class Client:
    """`window`: what each stream may send us. Windows are opened again as bytes come unless `opens` is false; SETTINGS and
    PING are acknowledged. `context`: of ssl, for TLS."""

    def __init__(self, address, window=1 << 20, opens=True, preface=True, seconds=10, connection_window=1 << 24, context=None):
        self.socket = socket.create_connection(address, seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="a.example")
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.opens, self.next_stream, self.pending = opens, 1, b""
        self.answers = collections.defaultdict(Answer)
        self.goaways, self.settings, self.pongs, self.window_updates = [], {}, 0, collections.Counter()
        self.is_ended, self.was_reset, self.block = False, False, None
        if preface:
            self.send(PREFACE + settings((INITIAL_WINDOW_SIZE, window)) + window_update(0, connection_window))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the gateway takes no more."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def block_of(self, method="GET", path="/", authority="a.example", extra=(), scheme="http"):
        fields = [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *extra]
        return self.encoder.encode([field for field in fields if field[1] is not None])

    def take_stream(self):
        self.next_stream += 2
        return self.next_stream - 2

    def request(self, method="GET", path="/", authority="a.example", extra=(), body=None, end=True, **more):
        """Sends a request; its stream's number."""
        stream = self.take_stream()
        flags = END_HEADERS | (END_STREAM if end and body is None else 0)
        data = frame(HEADERS, flags, stream, self.block_of(method, path, authority, extra, **more))
        if body is not None:
            data += self.data(stream, body, end)
        self.send(data)
        return stream

    def raw_request(self, fields, end=True):
        stream = self.take_stream()
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.encoder.encode(fields)))
        return stream

    @staticmethod
    def data(stream, body, end=True):
        pieces = [body[at:at + 16384] for at in range(0, len(body), 16384)] or [b""]
        return b"".join(frame(DATA, END_STREAM if end and at == len(pieces) - 1 else 0, stream, piece)
                        for at, piece in enumerate(pieces))

    def read_frame(self, seconds=5):
        """The next frame, taken note of. None when none comes in time; raises Ended."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.pending) >= 9:
                size = int.from_bytes(self.pending[:3], "big")
                if len(self.pending) >= 9 + size:
                    kind, flags, stream = struct.unpack(">BBI", self.pending[3:9])
                    one = Frame(kind, flags, stream, self.pending[9:9 + size])
                    self.pending = self.pending[9 + size:]
                    self.note(one)
                    return one
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 18)
            except TimeoutError:
                return None
            except ConnectionError:
                self.was_reset, more = True, b""
            if not more:
                self.is_ended = True
                raise Ended(self.goaways)
            self.pending += more

    def note(self, one):
        answer = self.answers[one.stream]
        if one.type in (HEADERS, CONTINUATION):
            self.block = (self.block or b"") + one.payload
            if one.flags & END_HEADERS:
                fields, self.block = self.decoder.decode(self.block), None
                if answer.headers is not None:
                    answer.trailers = fields
                elif fields[0][1].startswith("1"):
                    answer.interim.append(fields)
                else:
                    answer.headers = fields
        elif one.type == DATA:
            answer.body += one.payload
            if self.opens and one.payload:
                self.send(window_update(0, len(one.payload)) + window_update(one.stream, len(one.payload)))
        elif one.type == RST_STREAM:
            answer.reset = int.from_bytes(one.payload, "big")
        elif one.type == SETTINGS and not one.flags & ACK:
            self.settings.update(struct.iter_unpack(">HI", one.payload))
            self.send(settings(ack=True))
        elif one.type == PING:
            if one.flags & ACK:
                self.pongs += 1
            else:
                self.send(frame(PING, ACK, 0, one.payload))
        elif one.type == GOAWAY:
            self.goaways.append(struct.unpack(">II", one.payload[:8]))
        elif one.type == WINDOW_UPDATE:
            self.window_updates[one.stream] += int.from_bytes(one.payload, "big")
        if one.type in (HEADERS, DATA) and one.flags & END_STREAM:
            answer.is_whole = True

    def read_until(self, holds, seconds=10):
        """Reads frames until `holds()`; whether it came true. An end of the connection ends the wait too."""
        deadline = time.monotonic() + seconds
        while not holds():
            try:
                if time.monotonic() > deadline or self.read_frame(deadline - time.monotonic()) is None:
                    return holds()
            except Ended:
                return holds()
        return True

    def answer(self, stream, seconds=10):
        """The stream's answer once it is over."""
        assert self.read_until(lambda: self.answers[stream].is_over, seconds), (stream, vars(self.answers[stream]), self.goaways)
        return self.answers[stream]

    def ask(self, *arguments, **named):
        return self.answer(self.request(*arguments, **named))

    def read_to_end(self, seconds=10):
        """Reads what comes until the gateway closes; whether it did in time."""
        self.read_until(lambda: False, seconds)
        return self.is_ended

    def is_alive(self):
        """Whether the connection still answers: a PING does it."""
        before = self.pongs
        self.send(frame(PING, 0, 0, b"are-you?"))
        return self.read_until(lambda: self.pongs > before, 5)
