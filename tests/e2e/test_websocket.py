"""WebSockets through the gateway: the opening, the frames, their limits, and how they end. Rows S20 and S21 of the opening
are tests/cases/http1/s20_upgrade.case and s21_websocket.case."""
import asyncio
import contextlib
import os
import select
import signal
import socket
import threading
import time

import pytest
import websockets

from harness import http2
from harness.gateway import wait_until
from harness.websocket import (BINARY, CLOSE, PING, PONG, TEXT, Client, Upstream, close_code, frame, read_frame)
from harness.wire import Reader

ROUTES = 'routes: [{name: chat, match: {path: "/*"}, to: u}]\n'


@pytest.fixture
def service():
    with contextlib.ExitStack() as running:
        yield lambda *args, **options: running.enter_context(Upstream(*args, **options))


def ends_with(client, code):
    """The Close frame of the gateway with that code comes next, then the connection's end."""
    got = client.hear()
    assert got is not None, "the connection ended without a Close frame"
    assert (got[0], close_code(got[1])) == (CLOSE, code), got
    assert client.hear() is None


def test_frames_pass_untouched_both_ways(gateway, service):
    chat = service(fields="Sec-WebSocket-Protocol: chat.v2\r\nSec-WebSocket-Extensions: permessage-deflate\r\n")
    running = gateway(ROUTES, upstream=chat.address)
    fields = "Sec-WebSocket-Protocol: chat.v2, chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nOrigin: https://a\r\n"
    with Client(running.address, "/chat?room=1", fields) as client:
        assert client.head.first("sec-websocket-protocol") == "chat.v2"
        assert client.head.first("sec-websocket-extensions") == "permessage-deflate"
        assert client.head.all("upgrade") == ["websocket"] and client.head.all("connection") == ["upgrade"]
        start, sent = chat.heads[0]
        assert start == "GET /chat?room=1 HTTP/1.1" and sent["origin"] == "https://a"
        assert sent["sec-websocket-protocol"] == "chat.v2, chat" and sent["x-forwarded-for"] == "127.0.0.1"
        for size in (0, 1, 125, 126, 65535, 65536, 300_000):
            payload = os.urandom(size)
            client.say(payload, BINARY)
            assert client.hear() == (BINARY, payload)
        for byte in frame(TEXT, b"one byte at a time"):
            client.send(bytes([byte]))
        assert client.hear() == (TEXT, b"one byte at a time")
        client.send(frame(0x01, b"in ") + frame(PING, b"?") + frame(0x80, b"parts"))
        assert [client.hear() for _ in range(3)] == [(0x01, b"in "), (PONG, b"?"), (0x80, b"parts")]
        client.send(frame(0xC1, b"compressed"))  # RSV1: of an extension, which is none of the gateway's business
        assert client.hear() == (0xC1, b"compressed")
        assert running.metric("sluice_websockets_open") == 1 and running.metric("sluice_requests_in_flight") == 1
        client.say(b"\x03\xe8bye", CLOSE)
        assert client.hear() == (CLOSE, b"\x03\xe8bye")
        assert client.hear() is None
    line = running.wait_log(lambda line: line["path"] == "/chat")
    assert line["status"] == 101 and "cause" not in line and line["route"] == "chat" and line["query"] == "room=1"
    assert line["client_messages"] == line["upstream_messages"] == 10
    assert line["request_bytes"] > 366_000 and line["response_bytes"] > 366_000 and line["duration_us"] > 0
    assert running.metric("sluice_websockets_open") == 0 and running.metric("sluice_websockets_total") == 1
    assert running.metric("sluice_requests_in_flight") == 0
    assert running.metric("sluice_websocket_frames_total", kind="ping", **{"from": "client"}) == 1
    assert running.metric("sluice_websocket_frames_total", kind="close", **{"from": "upstream"}) == 1
    assert running.metric("sluice_requests_total", route="chat", status="1xx") == 1


def test_a_real_client_and_a_real_server(gateway):
    """Python's websockets at both ends, with its compression, many at once."""
    ready, over, port = threading.Event(), threading.Event(), []

    async def serve():
        async def echo(connection, _):
            async for message in connection:
                await connection.send(message)
        async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
            port.append(server.sockets[0].getsockname()[1])
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    running = gateway(ROUTES, upstream=f"127.0.0.1:{port[0]}", workers=2)

    async def talk(number):
        url = "ws://%s:%d/chat" % running.address
        async with websockets.connect(url, subprotocols=["other", "chat"]) as connection:
            assert connection.subprotocol == "chat" and connection.extensions
            for text in ["hello" * number, "ä" * 50_000, ""]:
                await connection.send(text)
                assert await connection.recv() == text
            await (await connection.ping())

    async def talk_all():
        await asyncio.gather(*(talk(number) for number in range(20)))

    try:
        asyncio.run(asyncio.wait_for(talk_all(), 20))
    finally:
        over.set()
        thread.join()
    assert wait_until(lambda: running.metric("sluice_websockets_open") == 0)
    assert running.metric("sluice_websockets_total") == 20


def test_s20_no_byte_passes_before_the_101(gateway):
    """What a client sends early waits, and the connection is nobody else's."""
    seen, go = [], threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = gateway(ROUTES, upstream="127.0.0.1:%d" % listener.getsockname()[1])
        with Client(running.address, open=False) as client:
            client.ask(behind=frame(TEXT, b"too early"))
            connection, _ = listener.accept()
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(65536)
                assert not select.select([connection], [], [], 0.1)[0], "bytes passed before the 101"
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
                                   b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                                   + frame(TEXT, b"at once", mask=False))
                assert client.read_response().start.split()[1] == "101"
                assert client.hear() == (TEXT, b"at once")
                assert connection.recv(65536) == frame(TEXT, b"too early")
        assert seen == []


LIMITED = """
routes:
  - name: chat
    match: {path: "/*"}
    websocket: {max_message: 1000B, messages: 5/h, pings: 2/h}
    to: u
"""


@pytest.mark.parametrize("sent, passes, code, cause", [
    ([frame(TEXT, b"x" * 1001)], 0, 1009, "websocket_message_too_large"),
    ([frame(0x01, b"x" * 600), frame(0x80, b"x" * 401)], 1, 1009, "websocket_message_too_large"),
    ([frame(TEXT, b"x")] * 6, 5, 1008, "websocket_too_many_messages"),
    ([frame(PING, b"x")] * 3, 2, 1008, "websocket_too_many_messages"),
    ([frame(0x83, b"x")], 0, 1002, "websocket_frame_malformed"),
    ([frame(TEXT, b"x", mask=False)], 0, 1002, "websocket_frame_malformed"),
])
def test_one_past_a_limit_both_sides_are_told(gateway, service, sent, passes, code, cause):
    heard = []

    def listen(connection):
        while (got := connection.hear()) is not None:
            heard.append(got)

    chat = service(listen)
    running = gateway(LIMITED, upstream=chat.address)
    with Client(running.address) as client:
        client.send(b"".join(sent))
        ends_with(client, code)
    assert wait_until(lambda: len(heard) == passes + 1, 5), heard
    assert heard[-1][0] == CLOSE and close_code(heard[-1][1]) == code
    line = running.wait_log(lambda line: line.get("cause") == cause)
    assert line["side"] == "client" and line["status"] == 101
    assert running.metric("sluice_gateway_answers_total", cause=cause) == 1


def test_up_to_the_limits_all_passes(gateway, service):
    running = gateway(LIMITED, upstream=service().address)
    with Client(running.address) as client:
        client.send(frame(TEXT, b"x" * 1000) + frame(0x01, b"x" * 600) + frame(0x80, b"x" * 400) + frame(PING, b""))
        assert [len(client.hear()[1]) for _ in range(4)] == [1000, 600, 400, 0]
        client.echo("2")
        client.echo("3")
        client.echo("4")


def test_idle_and_too_old_ones_are_closed(gateway, service):
    running = gateway("""
        routes:
          - {name: idle, match: {path: /idle}, websocket: {idle_timeout: 150ms}, to: u}
          - {name: old, match: {path: /old}, websocket: {max_age: 200ms, max_age_jitter: 50}, to: u}
    """, upstream=service().address)
    with Client(running.address, "/idle") as idle, Client(running.address, "/old") as old:
        for _ in range(4):
            time.sleep(0.05)
            idle.echo("not idle")
        ends_with(old, 1001)
        idle.echo("still there after the time of the other")
        began = time.monotonic()
        ends_with(idle, 1001)
        assert 0.1 < time.monotonic() - began < 2
    assert running.wait_log(lambda line: line.get("cause") == "stream_idle")
    assert 100_000 <= running.wait_log(lambda line: line.get("cause") == "stream_max_age")["duration_us"] < 2_000_000


def test_timeouts_of_an_exchange_are_not_a_tunnels(gateway, service):
    running = gateway(f"""
        {ROUTES}
        upstreams: {{u: {{endpoints: [$UPSTREAM], idle_timeout: 50ms, request_timeout: 100ms, first_byte_timeout: 5s}}}}
        listeners: [{{name: public, bind: $LISTEN, client_idle_timeout: 50ms, keep_alive_timeout: 50ms}}]
    """, upstream=service().address)
    with Client(running.address) as client:
        time.sleep(0.4)
        client.echo("still there")


def test_who_reads_slowly_slows_the_other_down(gateway, service):
    """Back-pressure both ways: what is under way stays bounded, and all of it arrives."""
    size, sent = 32 << 20, {"up": 0, "down": 0}
    go = threading.Event()

    def flood(connection):
        payload = frame(BINARY, b"d" * 65536, mask=False)
        for _ in range(size // 65536):
            connection.send(payload)
            sent["down"] += 65536
        go.wait(10)
        total = 0
        while total < size:
            first, payload = connection.hear()
            total += len(payload)
        connection.say(b"got all")

    chat = service(flood)
    running = gateway(ROUTES + "limits: {exchange_buffer: 64KiB}\n", upstream=chat.address)
    client = Client(running.address)
    with client:
        def send():
            payload = frame(BINARY, b"u" * 65536)
            for _ in range(size // 65536):
                client.socket.sendall(payload)
                sent["up"] += 65536

        client.socket.settimeout(20)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()

        def stand_still():
            before = dict(sent)
            time.sleep(0.3)
            return sent == before

        assert wait_until(stand_still) and max(sent.values()) < size, f"nothing holds the senders back: {sent}"
        assert running.metric("sluice_memory_bytes") < 4 << 20
        go.set()
        total = 0
        while total < size:
            total += len(client.hear()[1])
        assert client.hear() == (TEXT, b"got all")
        sender.join(10)


def test_a_client_that_never_reads_is_cut_after_send_timeout(gateway, service):
    def flood(connection):
        for _ in range(2000):
            connection.send(frame(BINARY, b"d" * 65536, mask=False))

    running = gateway('routes: [{name: chat, to: u, websocket: {send_timeout: 200ms}}]', upstream=service(flood).address)
    with Client(running.address) as client:
        assert running.wait_log(lambda line: line.get("cause") == "client_too_slow", 10)
        assert running.metric("sluice_websockets_open") == 0
        client.socket.settimeout(0.5)


@pytest.mark.parametrize("who", ["client", "upstream"])
@pytest.mark.parametrize("how", ["in a frame", "between frames", "after Close"])
def test_one_side_goes_away(gateway, service, who, how):
    """The other one learns it; a frame that was not whole never looks like one."""
    heard, go = [], threading.Event()
    parting = {"in a frame": frame(TEXT, b"x" * 100, mask=who == "client")[:50], "between frames": b"",
               "after Close": frame(CLOSE, b"\x03\xe8", mask=who == "client")}[how]

    def behave(connection):
        if who == "upstream":
            go.wait(5)
            connection.send(parting)
            return
        try:
            while (got := connection.hear()) is not None:
                heard.append(got)
            heard.append("cut" if connection.was_reset else "end")
        except AssertionError:
            heard.append("cut")

    running = gateway(ROUTES, upstream=service(behave).address)
    with Client(running.address) as client:
        go.set()
        if who == "client":
            client.send(parting)
            client.finish()
            assert wait_until(lambda: heard and heard[-1] in ("end", "cut"), 5)
            assert heard[-1] == ("cut" if how == "in a frame" else "end")
        elif how == "in a frame":
            assert parting.startswith(client.read_to_end()) and client.was_reset  # a reset may overtake what came before
        else:
            assert client.read_to_end() == parting and not client.was_reset
    line = running.wait_log(lambda line: line["path"] == "/chat")
    assert line.get("cause") == (None if how == "after Close" else "client_closed" if who == "client" else "upstream_reset")


def shape(number, chat="", extra=""):
    return f"""
        routes:
          - {{name: chat, match: {{path: /chat}}, to: u{chat}}}
          - {{name: other, match: {{path: "/{number}"}}, policies: [headers: {{response: {{set: {{x: "{number}"}}}}}}], to: u}}
        {extra}
        stream_close_spread: 300ms
    """


def reload(running, text):
    generation = running.metric("sluice_config_generation")
    running.write_config(text)
    running.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: running.metric("sluice_config_generation") == generation + 1)


def test_reloads_leave_alone_what_they_do_not_concern(gateway, service):
    """Changes of other routes, of policies that keep nobody out, of limits; and no plan is kept in memory for a stream."""
    chat = service()
    running = gateway(shape(0), upstream=chat.address, workers=2)
    with contextlib.ExitStack() as clients:
        open_ones = [clients.enter_context(Client(running.address)) for _ in range(40)]
        headers = ", policies: [headers: {request: {set: {x-team: edge}}}]"
        for text in [shape(1), shape(2, headers), shape(3, headers + ", websocket: {pings: 100/s}"),
                     shape(4, extra="upstreams: {u: {endpoints: [$UPSTREAM], balance: round_robin}}")]:
            reload(running, text)
        for number in range(5, 15):
            reload(running, shape(number))
        assert running.metric("sluice_websockets_open") == 40
        assert wait_until(lambda: running.metric("sluice_config_plans_live") == 1)
        for client in open_ones:
            client.echo("still there")
        reload(running, shape(20, ", websocket: {idle_timeout: 200ms}"))  # new limits hold for open ones
        for client in open_ones:
            ends_with(client, 1001)


@pytest.mark.parametrize("change, code", [
    (shape(1, ", websocket: false"), 1012),
    (shape(1, ", policies: [body_limit: {max: 1KiB}]"), 1012),
    (shape(1).replace("path: /chat", "path: /chat, host: b"), 1012),
    (shape(1).replace("name: chat", "name: renamed"), 1012),
    (shape(1, extra="global_policies: [body_limit: {max: 1KiB}]"), 1012),
    (shape(1, extra="listeners: [{name: elsewhere, bind: '127.0.0.1:0'}]"), 1001),
])
def test_a_route_that_is_gone_or_tightened_ends_its_own_within_a_second(gateway, service, change, code):
    running = gateway(shape(0), upstream=service().address)
    with Client(running.address) as client, Client(running.address) as busy:
        busy.send(frame(TEXT, b"x" * 1000)[:500])  # inside a frame: it may end before the Close frame comes
        client.echo("there")
        began = time.monotonic()
        reload(running, change)
        ends_with(client, code)
        assert time.monotonic() - began < 2
        busy.send(frame(TEXT, b"x" * 1000)[500:])
        first, payload = busy.hear()
        if first == TEXT:
            first, payload = busy.hear()
        assert (first, close_code(payload)) == (CLOSE, code)
    assert running.wait_log(lambda line: line.get("cause") in ("stream_route_changed", "stream_listener_removed"))


def test_a_stop_closes_one_after_the_other(gateway, service):
    running = gateway(shape(0), upstream=service().address, workers=2)
    with contextlib.ExitStack() as clients:
        open_ones = [clients.enter_context(Client(running.address)) for _ in range(20)]
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        times = []
        waiting = {client.socket: client for client in open_ones}
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], 5)
            assert ready, f"{len(waiting)} are not closed"
            for one in ready:
                times.append(time.monotonic() - began)
                ends_with(waiting.pop(one), 1001)
        assert times[-1] - times[0] > 0.1, "all at once"
        for client in open_ones:
            client.socket.close()
        assert running.process.wait(10) == 0
        running.process = None


def test_an_upgrade_of_the_process_closes_with_1012(gateway, service):
    running = gateway(shape(0), upstream=service().address)
    with Client(running.address) as client:
        client.echo("there")
        before = running.gateway_pid()
        running.process.send_signal(signal.SIGUSR2)
        ends_with(client, 1012)
        running.wait_gateway_pid(other_than=(before,))
        with Client(running.address) as fresh:
            fresh.echo("served by the next")


# ---- over HTTP/2 (RFC 8441)

class Stream:
    """A WebSocket on a stream of an HTTP/2 connection."""

    def __init__(self, client, fields=(), protocol="websocket", path="/chat"):
        self.client = client
        extra = [(":protocol", protocol), ("sec-websocket-version", "13"), *fields]
        # Pseudo fields stand before all others.
        self.number = client.raw_request([(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"),
                                          (":path", path), (":authority", "a"), *extra[1:]], end=False)
        self.taken = 0
        self.reader = Reader(self.receive)

    @property
    def answer(self):
        return self.client.answers[self.number]

    def status(self):
        assert self.client.read_until(lambda: self.answer.headers or self.answer.is_over)
        return self.answer.status

    def receive(self):
        self.client.read_until(lambda: len(self.answer.body) > self.taken or self.answer.is_over, 5)
        data, self.taken = self.answer.body[self.taken:], len(self.answer.body)
        return data

    def send(self, data, end=False):
        self.client.send(http2.Client.data(self.number, data, end))

    def hear(self):
        return read_frame(self.reader)


def test_over_http2_it_is_a_stream_among_others(gateway, service):
    chat = service(fields="Sec-WebSocket-Protocol: chat\r\n")
    running = gateway(ROUTES, upstream=chat.address)
    with http2.Client(running.address) as client:
        assert client.read_until(lambda: client.settings.get(8) == 1), "SETTINGS_ENABLE_CONNECT_PROTOCOL"
        streams = [Stream(client, [("sec-websocket-protocol", "chat"), ("origin", "https://a")]) for _ in range(3)]
        for stream in streams:
            assert stream.status() == 200
            assert stream.answer.get("sec-websocket-protocol") == "chat" and not stream.answer.get("sec-websocket-accept")
        start, fields = chat.heads[0]
        assert start == "GET /chat HTTP/1.1" and fields["upgrade"] == "websocket" and fields["connection"] == "upgrade"
        assert fields["origin"] == "https://a" and fields["sec-websocket-version"] == "13" and fields["host"] == "a"
        assert len({one["sec-websocket-key"] for _, one in chat.heads}) == 3
        for number, stream in enumerate(streams):
            stream.send(frame(TEXT, b"hello %d" % number))
        for number, stream in enumerate(streams):
            assert stream.hear() == (TEXT, b"hello %d" % number)
        payload = os.urandom(300_000)
        streams[0].send(frame(BINARY, payload[:60_000]))
        assert streams[0].hear() == (BINARY, payload[:60_000])
        assert running.metric("sluice_websockets_open") == 3
        streams[0].send(frame(CLOSE, b"\x03\xe8"))
        assert streams[0].hear() == (CLOSE, b"\x03\xe8") and client.read_until(lambda: streams[0].answer.is_whole)
        streams[1].send(b"", end=True)
        assert client.read_until(lambda: streams[1].answer.is_over)
        client.send(http2.rst(streams[2].number))
        assert wait_until(lambda: running.metric("sluice_websockets_open") == 0)
        assert client.is_alive()
    line = running.wait_log(lambda line: line["path"] == "/chat" and "cause" not in line)
    assert line["version"] == "2" and line["client_messages"] == line["upstream_messages"] == 2


@pytest.mark.parametrize("fields, protocol, status", [
    ([], "h2c", 501), ([("sec-websocket-version", "12")], "websocket", None), ([("content-length", "5")], "websocket", 400)])
def test_s21_over_http2_too(gateway, upstream, fields, protocol, status):
    running = gateway(ROUTES)
    with http2.Client(running.address) as client:
        stream = Stream(client, fields, protocol)
        assert stream.status() in ((status,) if status else (400, 426))
        assert client.is_alive()
    assert not upstream.requests


def test_s20_an_answer_of_200_opens_no_stream(gateway, upstream):
    """To the client of an extended CONNECT any 2xx would mean that the WebSocket is open."""
    running = gateway(ROUTES)
    with http2.Client(running.address) as client:
        stream = Stream(client)
        assert stream.status() == 502
    assert upstream.requests[0].start == "GET /chat HTTP/1.1"


def test_over_http2_a_reload_that_concerns_it_closes_it(gateway, service):
    running = gateway(shape(0), upstream=service().address)
    with http2.Client(running.address) as client:
        stream = Stream(client)
        assert stream.status() == 200
        reload(running, shape(1))
        stream.send(frame(TEXT, b"still there"))
        assert stream.hear() == (TEXT, b"still there")
        reload(running, shape(2, ", websocket: false"))
        first, payload = stream.hear()
        assert (first, close_code(payload)) == (CLOSE, 1012)
        assert client.read_until(lambda: stream.answer.is_whole) and client.is_alive()
