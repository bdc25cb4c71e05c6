"""An upstream that records what it received, byte for byte, and answers by a script."""
import collections
import contextlib
import socket
import ssl
import struct
import threading
import time

from .wire import Malformed, Message, Reader, body_framing, parse_head

CLOSE, RESET, CUT, EARLY = "close", "reset", "cut", "early"  # marks in an answer, beside its bytes
CUT_SECONDS = 0.02
OK = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",)


class RecordingUpstream:
    """`answers` holds the answers to come, each a sequence of bytes, numbers (seconds to wait) and marks: CUT a short pause
    so that what follows travels apart, CLOSE and RESET the connection's end, EARLY (first) answers before the body is there.
    When it is empty `default` answers. `requests` holds the complete requests in order of their completion, `faults` what
    was malformed or incomplete. Threads: one accepts, one serves each connection; the lists are only appended to there."""

    def __init__(self, default=OK, port=0, host="127.0.0.1"):
        self.default = default
        self.clear()
        self.sockets = set()
        self.connections = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, port), family=family, backlog=512)
        self.port = self.listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def clear(self):
        """Forgets what was recorded and scripted; connections stay open."""
        self.answers, self.requests, self.faults = collections.deque(), [], []

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.listener.close()
        for connection in list(self.sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait_requests(self, count, seconds=5):
        """Waits until `count` complete requests were recorded. True when they were."""
        deadline = time.monotonic() + seconds
        while len(self.requests) < count and time.monotonic() < deadline:
            time.sleep(0.002)
        return len(self.requests) >= count

    def wait_fault(self, seconds=0.1):
        """Waits a moment for a cut request to be noticed; it may never have got here."""
        deadline = time.monotonic() + seconds
        while not self.faults and time.monotonic() < deadline:
            time.sleep(0.002)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.sockets.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        reader = Reader(lambda: receive(connection))
        try:
            while self.serve_one(connection, reader):
                pass
            if reader.pending:
                self.faults.append(f"incomplete: {reader.pending[:200]!r}")
        except Malformed as fault:
            self.faults.append(f"malformed: {fault}; pending {reader.pending[:200]!r}")
        except OSError:
            pass
        finally:
            self.sockets.discard(connection)
            connection.close()

    def serve_one(self, connection, reader):
        head = reader.until(b"\r\n\r\n")
        if head is None:
            return False
        start, fields = parse_head(head[:-4])
        answer = self.answers[0] if self.answers else None
        early = bool(answer) and answer[0] == EARLY
        if early:
            self.answers.popleft()
            play(connection, answer[1:])
        kind, length = body_framing(fields)
        parts = reader.chunked() if kind == "chunked" else reader.exactly(length)
        if parts is None:
            reader.pending = head + reader.pending
            return False
        raw, body, trailers = parts if kind == "chunked" else (parts, parts, [])
        self.requests.append(Message(head + raw, start, fields + trailers, body))
        if early:
            return True
        return play(connection, self.answers.popleft() if self.answers else self.default)


class TlsUpstream(RecordingUpstream):
    """The same over TLS, with the certificate and key in `paths`. `clients`: the authority of those that it demands.
    `names` and `peers` are what connections asked for and said they are, `resumed` whether each went on with a session.
    `protocols` is what it takes by ALPN, the preferred first, and `chosen` what that came to; connections of `h2` are served
    by the Service `http2`."""

    def __init__(self, paths, clients=None, protocols=(), http2=None, **options):
        self.names, self.peers, self.resumed, self.chosen, self.http2 = [], [], [], [], http2
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*paths)
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        if protocols:
            self.context.set_alpn_protocols(protocols)
        if clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients)
        super().__init__(**options)

    def serve(self, connection):
        try:
            secured = self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
        except OSError as fault:
            self.faults.append(f"handshake: {fault}")
            self.sockets.discard(connection)
            connection.close()
            return
        self.resumed.append(secured.session_reused)
        if certificate := secured.getpeercert():
            self.peers.append(dict(part[0] for part in certificate["subject"])["commonName"])
        self.chosen.append(secured.selected_alpn_protocol())
        self.sockets.add(secured)
        if self.chosen[-1] == "h2":
            self.http2.serve(secured)
        else:
            super().serve(secured)


def receive(connection):
    try:
        return connection.recv(1 << 18)
    except OSError:
        return b""


def play(connection, answer):
    """Sends an answer. False when the connection was ended."""
    for piece in answer:
        if isinstance(piece, bytes):
            connection.sendall(piece)
        elif piece == CUT:
            time.sleep(CUT_SECONDS)
        elif piece == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        elif piece == CLOSE:
            connection.shutdown(socket.SHUT_WR)
            return False
        else:
            time.sleep(piece)
    return True


@contextlib.contextmanager
def blackhole():
    """An address whose connects get no answer: a listener whose queue is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.02)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
