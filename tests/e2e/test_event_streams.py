"""Server-sent events and other responses that go on for long: no buffering, back-pressure, their times, and reloads."""
import contextlib
import signal
import socket
import threading
import time

import pytest

from harness.client import Closed, RawClient
from harness.gateway import wait_until

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
REQUEST = b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Source:
    """An upstream that sends what the test says, on the connections in `streams`."""

    def __init__(self, head=HEAD):
        self.head, self.streams = head, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self.listener, *self.streams]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self.listener.accept()
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                data = b""
                while not data.endswith(b"\r\n\r\n"):
                    data += stream.recv(65536)
                stream.sendall(self.head)
                self.streams.append(stream)

    def say(self, text, number=0):
        self.streams[number].sendall(chunk(b"data: %s\n\n" % text.encode()))

    def is_told_to_stop(self, number=0, seconds=5):
        """Whether the gateway ends the connection."""
        self.streams[number].settimeout(seconds)
        try:
            return self.streams[number].recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


@pytest.fixture
def source():
    with Source() as one:
        yield one


@contextlib.contextmanager
def listening(running, source):
    """A client that has the head and the first event."""
    with RawClient(running.address) as client:
        number = len(source.streams)
        client.send(REQUEST)
        assert wait_until(lambda: len(source.streams) > number, 5)
        head = client.reader.until(b"\r\n\r\n")
        assert b" 200 OK" in head and b"content-length" not in head.lower()
        source.say("first", number)
        assert hear(client) == b"data: first\n\n"
        yield client


def hear(client):
    """The next chunk; b"" for the last."""
    size = client.reader.until(b"\r\n")
    if size is None:
        raise Closed(client.reader.pending)
    data = client.reader.exactly(int(size, 16))
    assert client.reader.exactly(2) == b"\r\n"
    return data


def test_each_event_passes_as_it_comes(gateway, source):
    running = gateway("routes: [{name: all, to: u}]", upstream=source.address)
    with listening(running, source) as client:
        for number in range(20):
            began = time.monotonic()
            source.say(f"event {number}")
            assert hear(client) == b"data: event %d\n\n" % number
            assert time.monotonic() - began < 1
        source.streams[0].sendall(b"1\r\nd\r\n")  # no end of an event is waited for
        assert hear(client) == b"d"
        assert running.metric("sluice_event_streams_open") == 1
        source.streams[0].sendall(b"0\r\n\r\n")
        assert hear(client) == b""
    line = running.wait_log(lambda line: line["path"] == "/events")
    assert line["status"] == 200 and "cause" not in line
    assert running.metric("sluice_event_streams_open") == 0 and running.metric("sluice_event_streams_total") == 1


def test_deadlines_of_an_exchange_do_not_end_it(gateway, source):
    running = gateway("""
        upstreams: {u: {endpoints: [$UPSTREAM], idle_timeout: 100ms, request_timeout: 150ms}}
        routes: [{name: all, to: u, event_stream: {max_age: 0s}}]
    """, upstream=source.address)
    with listening(running, source) as client:
        time.sleep(0.4)
        source.say("late")
        assert hear(client) == b"data: late\n\n"


@pytest.mark.parametrize("key, cause", [("idle_timeout: 150ms", "stream_idle"), ("max_age: 150ms", "stream_max_age")])
def test_its_own_times_end_it_in_the_right_way(gateway, source, key, cause):
    running = gateway(f"routes: [{{name: all, to: u, event_stream: {{{key}}}}}]", upstream=source.address)
    with listening(running, source) as client:
        assert hear(client) == b"", "the end is not that of a whole message"
        assert source.is_told_to_stop()
        client.send(REQUEST)  # the connection goes on
        assert wait_until(lambda: len(source.streams) == 2, 5)
    assert running.wait_log(lambda line: line.get("cause") == cause)["status"] == 200


def test_a_client_that_goes_away_ends_the_upstreams_part(gateway, source):
    running = gateway("routes: [{name: all, to: u}]", upstream=source.address)
    with listening(running, source) as client:
        client.reset()
        assert source.is_told_to_stop()
    assert running.wait_log(lambda line: line.get("cause") == "client_closed")
    assert running.metric("sluice_event_streams_open") == 0


def test_who_reads_slowly_slows_the_upstream_down(gateway):
    sent = [0]
    with Source() as source:
        running = gateway("routes: [{name: all, to: u}]\nlimits: {exchange_buffer: 64KiB}", upstream=source.address)
        with listening(running, source) as client:
            def flood():
                with contextlib.suppress(OSError):
                    for _ in range(400):
                        source.streams[0].sendall(chunk(b"d" * 65536))
                        sent[0] += 65536

            thread = threading.Thread(target=flood, daemon=True)
            thread.start()
            time.sleep(0.3)
            before = sent[0]
            time.sleep(0.2)
            assert sent[0] == before < 20 << 20, "the upstream is not slowed down"
            assert running.metric("sluice_memory_bytes") < 4 << 20
            total = 0
            while total < 400 * 65536:
                total += len(hear(client))
            thread.join(5)


def shape(number, extra=""):
    return f"""
        routes:
          - {{name: events, match: {{path: /events}}, to: u{extra}}}
          - {{name: other, match: {{path: "/{number}"}}, to: u}}
        stream_close_spread: 200ms
    """


def reload(running, text):
    generation = running.metric("sluice_config_generation")
    running.write_config(text)
    running.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: running.metric("sluice_config_generation") == generation + 1)


def test_reloads_leave_it_alone_and_it_holds_no_plan(gateway, source):
    running = gateway(shape(0), upstream=source.address)
    with listening(running, source) as client:
        for number in range(1, 6):
            reload(running, shape(number, ", policies: [headers: {request: {set: {x: '%d'}}}]" % number))
        assert wait_until(lambda: running.metric("sluice_config_plans_live") == 1, 5)
        source.say("still there")
        assert hear(client) == b"data: still there\n\n"
        reload(running, shape(9, ", policies: [body_limit: {max: 1KiB}]"))
        began = time.monotonic()
        assert hear(client) == b"" and time.monotonic() - began < 2
    assert running.wait_log(lambda line: line.get("cause") == "stream_route_changed")["generation"] == 1


def test_a_long_download_outlives_its_plan_and_its_route(gateway):
    """What is no event stream runs to its end, whatever becomes of its route; and it too lets its plan go."""
    with Source(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n") as source:
        running = gateway(shape(0), upstream=source.address)
        with listening(running, source) as client:
            reload(running, "routes: [{name: gone, match: {path: /gone}, to: u}]")
            assert wait_until(lambda: running.metric("sluice_config_plans_live") == 1, 5)
            source.say("more")
            assert hear(client) == b"data: more\n\n"
            source.streams[0].sendall(b"0\r\n\r\n")
            assert hear(client) == b""
        line = running.wait_log(lambda line: line["path"] == "/events")
        assert line["route"] == "events" and line["upstream"] == "u" and line["generation"] == 1 and "cause" not in line


def test_a_stop_ends_streams_in_the_right_way(gateway, source):
    running = gateway(shape(0), upstream=source.address)
    with contextlib.ExitStack() as clients:
        open_ones = [clients.enter_context(listening(running, source)) for _ in range(3)]
        running.process.send_signal(signal.SIGTERM)
        for client in open_ones:
            assert hear(client) == b""
            assert client.is_closed()
            client.socket.close()
        assert running.process.wait(10) == 0
        running.process = None
