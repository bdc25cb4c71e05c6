"""WebSockets to upstreams that speak HTTP/2: extended CONNECT (RFC 8441), of clients of either protocol."""
import contextlib
import os
import signal
import threading
import time

import pytest

from harness import http2
from harness.client import get, status
from harness.gateway import wait_until
from harness.http2_upstream import Service
from harness.websocket import BINARY, CLOSE, KEY, PING, PONG, TEXT, Client, Http2Upstream, accept_of, close_code, frame, read_frame
from harness.wire import Reader

CONFIG = """
upstreams: {u: {endpoints: ["ADDRESS"], protocol: http2, retries: 0}}
routes: [{name: chat, match: {path: "/*"}, to: u MORE}]
"""


@pytest.fixture
def service():
    with contextlib.ExitStack() as running:
        yield lambda *args, **options: running.enter_context(Http2Upstream(*args, **options))


def config(service, more=""):
    return CONFIG.replace("ADDRESS", service.address).replace("MORE", more)


class Stream:
    """A WebSocket of a client of HTTP/2."""

    def __init__(self, client, fields=(), path="/chat"):
        self.client, self.taken = client, 0
        self.number = client.raw_request([(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                                          (":path", path), (":authority", "a"), ("sec-websocket-version", "13"), *fields], end=False)
        self.answer = client.answers[self.number]
        self.reader = Reader(self.receive)

    def status(self):
        assert self.client.read_until(lambda: self.answer.headers or self.answer.is_over)
        return self.answer.status

    def receive(self):
        self.client.read_until(lambda: len(self.answer.body) > self.taken or self.answer.is_over, 5)
        data, self.taken = self.answer.body[self.taken:], len(self.answer.body)
        return data

    def say(self, payload, first=TEXT):
        self.client.send(http2.Client.data(self.number, frame(first, payload), False))

    def hear(self):
        return read_frame(self.reader)


def test_a_client_of_http1(gateway, service):
    chat = service(fields=[("sec-websocket-protocol", "chat.v2"), ("x-a", "1")])
    running = gateway(config(chat))
    fields = "Sec-WebSocket-Protocol: chat.v2, chat\r\nOrigin: https://a\r\n"
    with Client(running.address, "/chat?room=1", fields) as client:
        assert client.head.start == "HTTP/1.1 101 Switching Protocols"
        assert client.head.all("sec-websocket-accept") == [accept_of(KEY)]
        assert client.head.all("upgrade") == ["websocket"] and client.head.all("connection") == ["upgrade"]
        assert client.head.first("sec-websocket-protocol") == "chat.v2" and client.head.first("x-a") == "1"
        request = chat.requests[0]
        assert request.headers[:5] == [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                                       (":authority", "a"), (":path", "/chat?room=1")]
        assert request.get("origin") == "https://a" and request.get("sec-websocket-version") == "13"
        assert request.get("sec-websocket-protocol") == "chat.v2, chat" and request.get("x-forwarded-for") == "127.0.0.1"
        assert not {"sec-websocket-key", "upgrade", "connection", "content-length"} & {name for name, _ in request.headers}
        for size in (0, 125, 126, 65536, 300_000):
            payload = os.urandom(size)
            client.say(payload, BINARY)
            assert client.hear() == (BINARY, payload)
        client.send(frame(PING, b"?"))
        assert client.hear() == (PONG, b"?")
        assert running.metric("sluice_websockets_open") == 1 and running.metric("sluice_requests_in_flight") == 1
        client.say(b"\x03\xe8bye", CLOSE)
        assert client.hear() == (CLOSE, b"\x03\xe8bye")
        assert client.hear() is None
    line = running.wait_log(lambda line: line["path"] == "/chat")
    assert line["status"] == 101 and "cause" not in line and line["client_messages"] == line["upstream_messages"] == 5
    assert wait_until(lambda: running.metric("sluice_pool_idle") == 1), "its stream has ended on both sides"
    assert running.metric("sluice_websockets_open") == 0 and running.metric("sluice_requests_in_flight") == 0


def test_many_share_a_connection_with_each_other_and_with_requests(gateway, service):
    chat = service()
    running = gateway(config(chat))
    with contextlib.ExitStack() as clients:
        old = [clients.enter_context(Client(running.address)) for _ in range(10)]
        new = clients.enter_context(http2.Client(running.address))
        streams = [Stream(new) for _ in range(10)]
        assert [stream.status() for stream in streams] == [200] * 10
        assert not streams[0].answer.get("sec-websocket-accept")
        for number, one in enumerate([*old, *streams]):
            one.say(b"hello %d" % number)
        for number, one in enumerate([*old, *streams]):
            assert one.hear() == (TEXT, b"hello %d" % number)
        assert get(running.address, "/plain").body == b"/plain" and new.ask(path="/other").body == b"/other"
        assert len(chat.connections) == 1 and running.metric("sluice_websockets_open") == 20
        new.send(http2.rst(streams[0].number))
        assert wait_until(lambda: chat.opened[10].end is not None or not chat.opened[10].heard.empty())
        assert wait_until(lambda: running.metric("sluice_websockets_open") == 19)
        streams[1].say(b"still there")
        assert streams[1].hear() == (TEXT, b"still there")
    assert wait_until(lambda: running.metric("sluice_websockets_open") == 0)
    assert get(running.address, "/plain").body == b"/plain" and len(chat.connections) == 1


@pytest.mark.parametrize("is_http2", [False, True])
def test_s20_no_byte_passes_before_it_is_accepted(gateway, is_http2):
    held, heard = [], []

    def hold(connection, stream, request):
        held.append((connection, stream, request))

    with Service(hold, early=True) as service:
        service.settings = {8: 1}
        service.hear = lambda request, data: heard.append(data)
        running = gateway(config(service))
        early = frame(TEXT, b"too early")
        with http2.Client(running.address) if is_http2 else Client(running.address, open=False) as client:
            if is_http2:
                stream = Stream(client)
                client.send(http2.Client.data(stream.number, early, False))
            else:
                client.ask(behind=early)
            assert wait_until(lambda: held)
            time.sleep(0.1)
            assert not heard, "bytes passed before the answer"
            connection, number, _ = held[0]
            connection.respond(number, end=False)
            assert wait_until(lambda: b"".join(heard) == early)
            connection.send(number, frame(TEXT, b"now", mask=False))
            if is_http2:
                assert stream.status() == 200 and stream.hear() == (TEXT, b"now")
            else:
                assert client.read_response().start.split()[1] == "101" and client.hear() == (TEXT, b"now")


@pytest.mark.parametrize("refusal", [403, 302, 500])
def test_another_answer_passes_as_it_is(gateway, service, refusal):
    chat = service(status=refusal)
    running = gateway(config(chat))
    with Client(running.address, open=False) as client:
        client.ask(behind=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.read_response()
        assert (status(answer), answer.body) == (refusal, b"no") and not answer.first("sec-websocket-accept")
        assert client.read_response().body == b"/next"  # what stood behind it is the next request
    with http2.Client(running.address) as client:
        stream = Stream(client)
        assert stream.status() == refusal and client.answer(stream.number).body == b"no"
    assert wait_until(lambda: all(request.reset is not None for request in chat.requests if request.get(":protocol")))
    assert len(chat.connections) == 1


@pytest.mark.parametrize("is_http2", [False, True])
def test_who_does_not_announce_it_is_not_asked(gateway, service, is_http2):
    chat = service(announces=False)
    running = gateway(config(chat))
    if is_http2:
        with http2.Client(running.address) as client:
            stream = Stream(client)
            assert stream.status() == 502 and b"websocket_upstream_http2" in client.answer(stream.number).body
    else:
        with Client(running.address, open=False) as client:
            client.ask()
            answer = client.read_response()
            assert status(answer) == 502 and b"websocket_upstream_http2" in answer.body
    assert not chat.requests
    line = running.wait_log(lambda line: line["status"] == 502)
    assert line["cause"] == "websocket_upstream_http2" and "SETTINGS_ENABLE_CONNECT_PROTOCOL" in line["detail"]
    assert get(running.address, "/plain").body == b"/plain", "it is no fault of the endpoint"
    assert len(chat.connections) == 1 and wait_until(lambda: running.metric("sluice_pool_idle") == 1)


@pytest.mark.parametrize("who", ["client", "upstream"])
@pytest.mark.parametrize("how", ["in a frame", "between frames", "after Close"])
def test_one_side_goes_away(gateway, service, who, how):
    """The other one learns it; a frame that was not whole never looks like one."""
    go, ends = threading.Event(), []
    parting = {"in a frame": frame(TEXT, b"x" * 100, mask=who == "client")[:50], "between frames": b"",
               "after Close": frame(CLOSE, b"\x03\xe8", mask=who == "client")}[how]

    def behave(stream):
        if who == "upstream":
            go.wait(5)
            return stream.send(parting)
        with contextlib.suppress(AssertionError):
            while stream.hear() is not None:
                pass
        ends.append(stream.end)

    chat = service(behave)
    running = gateway(config(chat))
    with Client(running.address) as client:
        go.set()
        if who == "client":
            client.send(parting)
            client.finish()
            assert wait_until(lambda: ends, 5) and ends == ["reset" if how == "in a frame" else "end"]
        elif how == "in a frame":
            assert parting.startswith(client.read_to_end()) and client.was_reset
        else:
            assert client.read_to_end() == parting and not client.was_reset
    line = running.wait_log(lambda line: line["path"] == "/chat")
    assert line.get("cause") == (None if how == "after Close" else "client_closed" if who == "client" else "upstream_reset")
    assert wait_until(lambda: running.metric("sluice_pool_idle") == 1), "the connection goes on"


def test_the_upstream_resets_its_stream_or_is_gone(gateway, service):
    def behave(stream):
        stream.hear()
        with stream.connection.lock:
            if stream.request.get(":path") == "/reset":
                stream.connection.h2.reset_stream(stream.number, http2.INTERNAL_ERROR)
                stream.connection.flush()
            else:
                stream.connection.close()

    running = gateway(config(service(behave)))
    for path in ["/reset", "/gone"]:
        with Client(running.address, path) as client:
            client.say("x")
            assert client.read_to_end() == b""
        assert running.wait_log(lambda line: line["path"] == path)["cause"] == "upstream_reset"
    assert running.metric("sluice_websockets_open") == 0


def test_an_upstream_that_does_not_end_its_side_is_reset(gateway, service):
    """After the Close frames: in bounded time the stream is nobody's any more."""
    go = threading.Event()
    chat = service(lambda _: go.wait(20))
    running = gateway(config(chat, ", websocket: {idle_timeout: 100ms}"))
    with Client(running.address) as client:
        first, payload = client.hear()
        assert (first, close_code(payload)) == (CLOSE, 1001) and client.hear() is None
    stream = chat.opened[0]
    assert wait_until(lambda: not stream.heard.empty()) and stream.hear()[0] == CLOSE
    assert stream.hear() is None and stream.end == "end"
    assert wait_until(lambda: stream.request.reset == http2.CANCEL, 10)
    assert wait_until(lambda: running.metric("sluice_pool_idle") == 1)
    go.set()


def test_who_reads_slowly_slows_the_other_down(gateway, service):
    size, sent, go = 16 << 20, {"down": 0}, threading.Event()

    def flood(stream):
        payload = frame(BINARY, b"d" * 65536, mask=False)
        for _ in range(size // 65536):
            while len(stream.connection.pending.get(stream.number, [b""])[0]) > 1 << 18:
                time.sleep(0.001)
            stream.send(payload)
            sent["down"] += 65536
        go.wait(10)
        total = 0
        while total < size:
            total += len(stream.hear()[1])
        stream.say(b"got all")

    chat = service(flood)
    running = gateway(config(chat) + "limits: {exchange_buffer: 64KiB}\n")
    with Client(running.address) as client:
        client.socket.settimeout(20)
        assert wait_until(lambda: sent["down"] > 1 << 18)

        def stand_still():
            before = dict(sent)
            time.sleep(0.3)
            return sent == before

        assert wait_until(stand_still) and sent["down"] < size, "nothing holds the upstream back"
        assert running.metric("sluice_memory_bytes") < 4 << 20
        sender = threading.Thread(target=lambda: [client.say(b"u" * 65536, BINARY) for _ in range(size // 65536)], daemon=True)
        sender.start()
        go.set()
        total = 0
        while total < size:
            total += len(client.hear()[1])
        assert client.hear() == (TEXT, b"got all")
        sender.join(10)


def test_a_reload_that_concerns_it_closes_it(gateway, service):
    chat = service()
    running = gateway(config(chat))

    def reload(more):
        generation = running.metric("sluice_config_generation")
        running.write_config(config(chat, more) + "stream_close_spread: 100ms\n")
        running.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: running.metric("sluice_config_generation") == generation + 1)

    with Client(running.address) as client:
        reload(", websocket: {pings: 100/s}")
        client.echo("still there")
        reload(", websocket: false")
        first, payload = client.hear()
        assert (first, close_code(payload)) == (CLOSE, 1012)
    assert get(running.address, "/plain").body == b"/plain" and len(chat.connections) == 1
