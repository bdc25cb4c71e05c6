"""An HTTP/2 service by Python's h2, in the clear with prior knowledge: records requests and answers by a function. Over TLS
it is a part of TlsUpstream."""
import socket
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings


class Request:
    def __init__(self, headers):
        self.headers, self.body, self.trailers, self.is_whole, self.reset = headers, b"", None, False, None

    def get(self, name):
        return dict(self.headers).get(name)


class Service:
    """`answer(connection, stream, request)` is called when a request is whole, or, with `early`, when its head is there.
    `connection` is a Connection: respond() on it, or use `.h2` and flush(). By default: 200 with the request's body."""

    settings = {}  # more of them

    def __init__(self, answer=None, early=False, max_streams=100, window=65535):
        self.answer, self.early, self.max_streams, self.window = answer or echo, early, max_streams, window
        self.requests, self.connections = [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def hear(self, request, data):
        """A part of a body; b"" is its end, None a reset."""

    def accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(accepted,), daemon=True).start()

    def serve(self, accepted):
        connection = Connection(self, accepted)
        self.connections.append(connection)
        connection.serve()


def echo(connection, stream, request):
    connection.respond(stream, request.body or b"ok")


class Connection:
    def __init__(self, service, accepted):
        self.service, self.socket, self.lock = service, accepted, threading.RLock()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams, self.pending, self.most_open = {}, {}, 0

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def flush(self):
        with self.lock:
            self.socket.sendall(self.h2.data_to_send())

    def respond(self, stream, body=b"", status=200, headers=(), trailers=None, end=True):
        with self.lock:
            self.h2.send_headers(stream, [(":status", str(status)), *headers], end_stream=end and not body and trailers is None)
            if body or trailers is not None:
                self.pending[stream] = [body, trailers, end]
            self.pump()

    def send(self, stream, data, end=False):
        """More of a body that respond() has begun."""
        with self.lock:
            before = self.pending.get(stream, [b""])[0]
            self.pending[stream] = [before + data, None, end]
            try:
                self.pump()
            except h2.exceptions.ProtocolError:  # the stream is gone
                self.pending.pop(stream, None)

    def pump(self):
        for stream, (body, trailers, end) in list(self.pending.items()):
            if not body and end and trailers is None:
                self.h2.end_stream(stream)
            while body and (room := min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)) > 0:
                piece, body = body[:room], body[room:]
                self.h2.send_data(stream, piece, end_stream=end and not body and trailers is None)
            self.pending[stream][0] = body
            if not body:
                del self.pending[stream]
                if trailers is not None:
                    self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()

    def serve(self):
        try:
            with self.lock:
                self.h2.local_settings = h2.settings.Settings(client=False, initial_values={
                    h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.service.max_streams,
                    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.service.window,
                    **self.service.settings})
                self.h2.initiate_connection()
                self.flush()
            while data := self.socket.recv(1 << 16):
                with self.lock:
                    for event in self.h2.receive_data(data):
                        self.take(event)
                    self.pump()
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            self.socket.close()

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            request = self.streams[event.stream_id] = Request(event.headers)
            self.service.requests.append(request)
            self.most_open = max(self.most_open, sum(not one.is_whole and one.reset is None for one in self.streams.values()))
            if self.service.early:
                self.service.answer(self, event.stream_id, request)
        elif isinstance(event, h2.events.DataReceived):
            self.streams[event.stream_id].body += event.data
            self.service.hear(self.streams[event.stream_id], event.data)
            if self.service.window >= 65535:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self.streams[event.stream_id].trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            request = self.streams[event.stream_id]
            request.is_whole = True
            self.service.hear(request, b"")
            if not self.service.early:
                self.service.answer(self, event.stream_id, request)
        elif isinstance(event, h2.events.StreamReset):
            self.streams[event.stream_id].reset = event.error_code
            self.service.hear(self.streams[event.stream_id], None)
            self.pending.pop(event.stream_id, None)
