"""What no honest HTTP/2 client does, frame by frame: rows H01 to H12 of the catalogue in docs/security.md."""
import contextlib
import struct
import time

import pytest

from harness import http2
from harness.gateway import Gateway, wait_until
from harness.http2 import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Client, frame
from harness.upstream import RecordingUpstream

CONFIG = """
upstreams: {u: {endpoints: [$UPSTREAM]}}
routes:
  - {name: here, match: {path: /here}, policies: [respond: {status: 200, body: here}]}
  - {name: all, to: u}
"""


@pytest.fixture(scope="module")
def upstream():
    with RecordingUpstream() as recording:
        yield recording


@pytest.fixture(scope="module")
def running(tmp_path_factory, upstream):
    """One gateway for all: none of these clients may harm the next."""
    with Gateway(CONFIG, tmp_path_factory.mktemp("abused"), loop="epoll", upstream=upstream.address) as one:
        yield one


@pytest.fixture
def client(running):
    with Client(running.address) as one:
        yield one
    with Client(running.address) as honest:
        assert honest.ask(path="/here").body == b"here"


def glitches(running, kind):
    return running.metric("sluice_http2_glitches_total", kind=kind)


def flood(client, piece, times):
    """Sends `piece` until the gateway ends the connection, at most `times`."""
    batch = max(1, min(times, 16384 // max(len(piece), 1)))
    for _ in range(0, times, batch):
        if not client.send(piece * batch):
            break


def assert_calmed(client, running, before):
    assert client.read_to_end(10) or client.was_reset
    assert not client.goaways or client.goaways[-1][1] == http2.ENHANCE_YOUR_CALM
    assert wait_until(lambda: running.metric("sluice_http2_calmed_total") == before + 1)


@pytest.fixture
def calmed(running):
    return running.metric("sluice_http2_calmed_total")


def test_h01_rapid_reset(client, running, calmed, upstream):
    before, seen = glitches(running, "client_reset"), len(upstream.requests)
    client.read_frame()
    for _ in range(3000):
        if not client.send(client_reset_pair(client)):
            break
    assert_calmed(client, running, calmed)
    assert glitches(running, "client_reset") - before <= 400
    assert len(upstream.requests) - seen < 400
    assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)


def client_reset_pair(client):
    stream = client.take_stream()
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block_of()) + http2.rst(stream)


def test_h01_a_page_that_is_left_is_no_flood(client, running, calmed):
    """A hundred requests given up at once are honest."""
    for _ in range(100):
        client.send(client_reset_pair(client))
    assert client.is_alive() and running.metric("sluice_http2_calmed_total") == calmed


@pytest.mark.parametrize("provoke", [
    lambda stream: http2.window_update(stream, 0),
    lambda stream: http2.window_update(stream, 2**31 - 1),
    lambda stream: frame(DATA, 0, stream, b"x" * 10),
    lambda stream: frame(HEADERS, END_HEADERS, stream, b""),
], ids=["window-0", "window-overflow", "data-after-end", "headers-after-end"])
def test_h02_made_you_reset(client, running, calmed, upstream, provoke):
    """Requests whose streams are then made to be reset by the server."""
    client.read_frame()
    for _ in range(2000):
        stream = client.take_stream()
        data = frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block_of(path="/slow")) + provoke(stream)
        if not client.send(data):
            break
    assert client.read_to_end(10) or client.was_reset
    assert client.goaways == [] or client.goaways[-1][1] in (http2.ENHANCE_YOUR_CALM, http2.STREAM_CLOSED, http2.PROTOCOL_ERROR)
    assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)


def test_h03_continuations(client, running):
    """Eight of them are a head, nine end the connection."""
    stream = client.take_stream()
    block = client.block_of(extra=[(f"x-{number}", "v" * 20) for number in range(9)])
    cut = len(block) // 9
    pieces = [block[at * cut:(at + 1) * cut] for at in range(8)] + [block[8 * cut:]]
    client.send(frame(HEADERS, END_STREAM, stream, pieces[0]) + b"".join(
        frame(CONTINUATION, END_HEADERS if at == 8 else 0, stream, pieces[at]) for at in range(1, 9)))
    assert client.answer(stream).status == 200
    stream = client.take_stream()
    client.send(frame(HEADERS, END_STREAM, stream, client.block_of()))
    flood(client, frame(CONTINUATION, 0, stream, b""), 1000)
    assert client.read_to_end(5) or client.was_reset


def test_h03_a_head_that_never_ends(tmp_path, upstream, best_loop):
    config = "listeners: [{name: public, bind: $LISTEN, request_header_timeout: 1s}]\n" + CONFIG
    with Gateway(config, tmp_path, loop=best_loop, upstream=upstream.address) as one, Client(one.address) as client:
        client.send(frame(HEADERS, END_STREAM, client.take_stream(), client.block_of()[:3]))
        assert client.read_to_end(6)


def test_h04_hpack_bomb(client, running, calmed):
    """One large entry of the dynamic table, named again and again: refused while it is decoded."""
    block = client.block_of(extra=[("x-big", "v" * 3000)])
    entry = bytes([0x80 | 62])  # the youngest entry
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.take_stream(), block + entry * 700))
    answer = client.answer(1)
    assert answer.status == 431 and b"request_header_too_large" in answer.body
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.take_stream(), block + entry * 8000))
    assert_calmed(client, running, calmed)


def test_h05_h11_every_field_counts(client, running, upstream):
    """100 fields are taken, one more is not; crumbs of a cookie and Host are fields."""
    fields = lambda count: [("x-tiny", "")] * count
    assert client.ask(extra=fields(100)).status == 200
    assert client.ask(extra=fields(101)).status == 431
    crumbs = [("cookie", "a=b")] * 50
    assert client.ask(extra=fields(50) + crumbs).status == 200
    assert client.ask(extra=fields(51) + crumbs).status == 431
    assert client.ask(extra=fields(99) + [("host", "a.example")]).status == 200
    assert client.ask(extra=fields(100) + [("host", "a.example")]).status == 431


def test_h05_size_at_the_limit(client):
    """64 KiB with 64 bytes charged for each field: eight fields of 8,000 bytes fit, nine do not; one line has 8 KiB."""
    fields = lambda count: [(f"x-{number}", "v" * 8000) for number in range(count)]
    send = lambda extra: split_request(client, extra)
    assert client.answer(send(fields(8))).status == 200
    assert client.answer(send(fields(9))).status == 431
    assert client.ask(extra=[("x-a", "v" * (8192 - 3))]).status == 200
    assert client.ask(extra=[("x-a", "v" * (8192 - 2))]).status == 431
    assert client.ask(path="/" + "a" * (8192 - 3 - 11 - 1)).status == 200
    assert client.ask(path="/" + "a" * (8192 - 3 - 11)).status == 414


def split_request(client, extra):
    stream = client.take_stream()
    block = client.block_of(extra=extra)
    pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
    client.send(b"".join(frame(HEADERS if at == 0 else CONTINUATION,
                               (END_STREAM if at == 0 else 0) | (END_HEADERS if at == len(pieces) - 1 else 0), stream, piece)
                         for at, piece in enumerate(pieces)))
    return stream


def test_h05_the_bomb(client, running, calmed):
    """Thousands of one-byte fields in each head."""
    client.read_frame()
    block = client.block_of() + bytes([0x80 | 2]) * 0 + b"\x00\x01a\x00" * 4000
    for _ in range(40):
        if not client.send(frame(HEADERS, END_HEADERS | END_STREAM, client.take_stream(), block)):
            break
    assert_calmed(client, running, calmed)


@pytest.mark.parametrize("piece, kind", [
    (http2.settings((http2.MAX_CONCURRENT_STREAMS, 100)), "control_frame"),
    (frame(http2.PING, 0, 0, b"12345678"), "control_frame"),
    (frame(http2.PRIORITY, 0, 3, struct.pack(">IB", 0, 5)), "control_frame"),
    (frame(0xbe, 0, 0, b"unknown"), "control_frame"),
    (http2.window_update(0, 1), "window_update"),
], ids=["settings", "ping", "priority", "unknown", "window-update"])
def test_h06_floods_of_control_frames(client, running, calmed, piece, kind):
    before = glitches(running, kind)
    flood(client, piece, 20_000)
    assert_calmed(client, running, calmed)
    assert 900 <= glitches(running, kind) - before <= 1100


@pytest.mark.parametrize("size", [0, 1])
def test_h06_empty_data(client, running, calmed, size):
    stream = client.request("POST", "/here?", end=False)
    client.read_until(lambda: client.answers[stream].is_over, 0.2)
    stream = client.request("POST", "/upload", end=False)
    flood(client, frame(DATA, 0, stream, b"x" * size), 5000)
    assert_calmed(client, running, calmed)


def test_h06_honest_use_costs_nothing(client, running, calmed):
    """Each answered request earns its frames back."""
    for number in range(600):
        client.send(frame(http2.PING, 0, 0, b"12345678") * 3)
        assert client.ask(path="/here").status == 200
    assert running.metric("sluice_http2_calmed_total") == calmed


def test_h05_h07_a_window_that_stays_shut(tmp_path, upstream, best_loop):
    config = """
listeners:
  - {name: public, bind: $LISTEN, http2: {window_stall_timeout: 1s}}
routes: [{name: here, policies: [respond: {status: 200, body: {BODY}}]}]
""".replace("{BODY}", "x" * 3000)
    with Gateway(config, tmp_path, loop=best_loop) as one, Client(one.address, window=0, opens=False) as client:
        stuck = [client.request() for _ in range(3)]
        client.send(http2.window_update(stuck[0], 3000))
        assert client.answer(stuck[0]).is_whole
        began = time.monotonic()
        assert [client.answer(stream, 8).reset for stream in stuck[1:]] == [http2.CANCEL] * 2
        assert 0.9 < time.monotonic() - began < 5
        assert one.metric("sluice_http2_streams_stalled_total") == 2 and glitches(one, "window_stall") == 2
        assert client.is_alive()


BAD_FIELDS = {
    "upper-case": [("X-Upper", "v")],
    "connection": [("connection", "close")],
    "keep-alive": [("keep-alive", "5")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "upgrade": [("upgrade", "websocket")],
    "te": [("te", "gzip")],
    "late-pseudo": [("x-a", "b"), (":path", "/")],
    "second-path": [(":path", "/")],
    "unknown-pseudo": [(":what", "/")],
    "protocol": [(":protocol", "websocket")],
    "status": [(":status", "200")],
    "newline": [("x-a", "b\r\nc: d")],
    "nul": [("x-a", "b\0")],
    "empty-name": [("", "v")],
    "space-in-name": [("x a", "v")],
    "two-lengths": [("content-length", "3"), ("content-length", "3")],
    "bad-length": [("content-length", "+3")],
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_h08_malformed_fields(client, upstream, name):
    seen = len(upstream.requests)
    good = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
    answer = client.answer(client.raw_request(good + BAD_FIELDS[name]))
    assert answer.reset == http2.PROTOCOL_ERROR and answer.status is None
    assert client.is_alive() and len(upstream.requests) == seen


@pytest.mark.parametrize("fields", [
    [(":method", "GET"), (":scheme", "http"), (":authority", "a")],
    [(":method", "GET"), (":path", "/"), (":authority", "a")],
    [(":scheme", "http"), (":path", "/"), (":authority", "a")],
    [(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")],
    [(":method", "GET"), (":scheme", "http"), (":path", "a/b"), (":authority", "a")],  # P08
    [(":method", "GET"), (":scheme", "http"), (":path", "/a b"), (":authority", "a")],
    [(":method", "GE T"), (":scheme", "http"), (":path", "/"), (":authority", "a")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"), ("host", "b")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "u@a")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/")],
    [(":method", "GET"), (":scheme", "ftp"), (":path", "/"), (":authority", "a")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/#f"), (":authority", "a")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"), ("x_a", "b")],
    [(":method", "CONNECT"), (":authority", "a:1")],
], ids=["no-path", "no-scheme", "no-method", "empty-path", "no-slash", "space", "method", "two-hosts", "userinfo",
        "no-authority", "scheme", "fragment", "underscore", "connect"])
def test_h08_requests_without_one_meaning(client, upstream, fields):
    """Reset, or answered with 400 or 501: never sent on."""
    seen = len(upstream.requests)
    answer = client.answer(client.raw_request(fields))
    assert answer.reset == http2.PROTOCOL_ERROR or answer.status in (400, 501), vars(answer)
    assert client.is_alive() and len(upstream.requests) == seen


@pytest.mark.parametrize("length, body", [(5, b"1234"), (5, b"123456"), (5, None), (0, b"1")])
def test_s04_content_length_is_what_comes(client, upstream, length, body):
    """RFC 9113 section 8.1.1, also when the end comes with the head, or with trailers."""
    seen = len(upstream.requests)
    stream = client.request("POST", extra=[("content-length", str(length))], end=body is None)
    if body is not None:
        client.send(frame(DATA, END_STREAM, stream, body))
    answer = client.answer(stream)
    assert answer.reset == http2.PROTOCOL_ERROR, vars(answer)
    stream = client.request("POST", extra=[("content-length", "9")], end=False)
    client.send(frame(DATA, 0, stream, b"1234") + frame(HEADERS, END_HEADERS | END_STREAM, stream, client.encoder.encode([("x-t", "1")])))
    assert client.answer(stream).reset == http2.PROTOCOL_ERROR
    assert client.is_alive() and len(upstream.requests) == seen


@pytest.mark.parametrize("length", [0, 5, 70_000])
@pytest.mark.parametrize("goes_on", ["too much", "end", "trailers", "reset"])
def test_s04_nothing_is_whole_before_its_end(client, upstream, length, goes_on):
    """All that was announced has come, but no END_STREAM: more may follow, so the upstream has no whole request yet."""
    seen, faults = len(upstream.requests), len(upstream.faults)
    stream = client.request("POST", extra=[("content-length", str(length))], end=False)
    sent = 0
    while sent < length:
        client.send(frame(DATA, 0, stream, b"x" * min(7000, length - sent)))
        sent = min(sent + 7000, length)
        client.read_until(lambda: sent + 7000 < 65535 + client.window_updates[stream], 0.2)
    assert not client.read_until(lambda: client.answers[stream].is_over, 0.2)
    assert len(upstream.requests) == seen
    if goes_on == "end":
        client.send(frame(DATA, END_STREAM, stream))
    elif goes_on == "trailers":
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, client.encoder.encode([("x-t", "1")])))
    elif goes_on == "reset":
        client.send(http2.rst(stream))
    else:
        client.send(frame(DATA, END_STREAM, stream, b"1"))
    if goes_on in ("end", "trailers"):
        assert client.answer(stream).body == b"ok"
        assert [request.body for request in upstream.requests[seen:]] == [b"x" * length]
        return
    if goes_on == "too much":
        assert client.answer(stream).reset == http2.PROTOCOL_ERROR
    assert wait_until(lambda: len(upstream.faults) > faults, 5) and client.is_alive()
    assert len(upstream.requests) == seen and b"POST" in upstream.faults[-1].encode()


def test_s04_nothing_announced_and_nothing_sent(client, upstream):
    """The end may come in a frame of its own."""
    seen = len(upstream.requests)
    for has_trailers in (False, True):
        stream = client.take_stream()
        head = frame(HEADERS, END_HEADERS, stream, client.block_of("POST", extra=[("content-length", "0")]))
        block = client.encoder.encode([("x-t", "1")]) if has_trailers else b""
        # In one piece: the length is known, and is told.
        client.send(head + frame(HEADERS if has_trailers else DATA, END_HEADERS | END_STREAM if has_trailers else END_STREAM, stream, block))
        assert client.answer(stream).body == b"ok"
        assert upstream.requests[-1].first("content-length") == "0" and upstream.requests[-1].body == b""
    assert len(upstream.requests) == seen + 2


def test_h09_settings_at_their_limits(client):
    client.send(http2.settings((http2.INITIAL_WINDOW_SIZE, 2**31 - 1), (1, 2**32 - 1), (http2.MAX_FRAME_SIZE, 2**24 - 1)))
    assert client.ask().body == b"ok"


@pytest.mark.parametrize("piece", [
    http2.settings((http2.INITIAL_WINDOW_SIZE, 2**31)),
    http2.settings((http2.MAX_FRAME_SIZE, 2**24)),
    http2.settings((http2.MAX_FRAME_SIZE, 100)),
    frame(HEADERS, END_HEADERS | END_STREAM, 2, b"\x82\x86\x84\x41\x01a"),
    frame(DATA, END_STREAM, 0, b"x"),
    frame(DATA, END_STREAM, 7, b"x"),
    frame(http2.SETTINGS, 0, 0, b"12345"),
    frame(http2.PING, 0, 0, b"1234"),
    frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 0)),
    frame(http2.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2"),
    frame(CONTINUATION, END_HEADERS, 1, b""),
    frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    frame(DATA, 0, 1, b"x" * 16385),
], ids=["window", "frame-size-large", "frame-size-small", "even-stream", "data-on-0", "data-on-idle", "settings-size",
        "ping-size", "window-0", "push", "lone-continuation", "bad-hpack", "frame-too-large"])
def test_h09_breaking_the_connection(client, piece):
    client.send(piece)
    assert client.read_to_end(5)
    assert client.goaways and client.goaways[-1][1] != http2.NO_ERROR


def test_h09_a_stream_used_again(client, running):
    stream = client.request()
    assert client.answer(stream).status == 200
    seen = running.metric("sluice_http2_streams_total")
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block_of()))
    assert client.is_alive() and running.metric("sluice_http2_streams_total") == seen, "it is ignored"


def test_h09_one_stream_more_than_allowed(client, upstream):
    """The hundredth is served; past that streams are refused or the connection ends, and all is well afterwards."""
    upstream.answers.extend([(0.5, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")] * 100)
    client.read_frame()
    streams = [client.request() for _ in range(100)]
    assert all(client.answer(stream).status == 200 for stream in streams)
    upstream.answers.extend([(0.3, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")] * 100)
    for _ in range(101):
        client.request()
    assert client.read_until(lambda: client.goaways or any(a.reset == http2.REFUSED_STREAM for a in client.answers.values()))
    with contextlib.suppress(http2.Ended):
        client.read_until(lambda: False, 0.5)
    upstream.clear()


def test_h10_trailers_without_an_end(client, upstream):
    stream = client.request("POST", body=b"abc", end=False)
    client.send(frame(HEADERS, END_HEADERS, stream, client.encoder.encode([("x-t", "1")])))
    assert client.answer(stream).reset == http2.PROTOCOL_ERROR
    stream = client.request("POST", body=b"abc", end=False)
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, client.encoder.encode([(":path", "/")])))
    assert client.answer(stream).reset == http2.PROTOCOL_ERROR
    assert client.is_alive()


def test_h10_malformed_behind_the_end(client):
    """What follows a connection error is not read, and harms nobody."""
    client.send(frame(DATA, 0, 0, b"x") + frame(HEADERS, END_HEADERS, 1, b"\xff" * 30) + b"\xff" * 5000)
    assert client.read_to_end(5) or client.was_reset


def test_s24_trailers_are_dropped(client, upstream):
    stream = client.request("POST", body=b"abc", end=False)
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream,
                      client.encoder.encode([("x-user", "root"), ("authorization", "1"), ("x-plain", "1")])))
    assert client.answer(stream).status == 200
    assert b"root" not in upstream.requests[-1].raw and upstream.requests[-1].body == b"abc"


def test_max_memory_refuses_new_streams(tmp_path, upstream, best_loop):
    """Bodies that wait are counted; who stays below the limit is served, and so is everybody once they have gone."""
    config = "listeners: [{name: public, bind: $LISTEN, http2: {max_memory: 256KiB}}]\n" + CONFIG
    with Gateway(config, tmp_path, loop=best_loop, upstream=upstream.address) as one, Client(one.address, window=0, opens=False) as client:
        streams = [client.request(path="/here", extra=[(f"x-{n}", "v" * 4000) for n in range(3)]) for _ in range(20)]
        assert client.read_until(lambda: any(client.answers[stream].reset == http2.REFUSED_STREAM for stream in streams))
        assert one.metric("sluice_http2_streams_refused_total") > 0
        client.send(http2.settings((http2.INITIAL_WINDOW_SIZE, 65535)))
        assert all(client.answer(stream).is_over for stream in streams)
        assert client.ask(path="/here").body == b"here"
