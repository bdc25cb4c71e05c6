"""What an upstream may do, and what the gateway makes of it: refused, blackholed, dead, stale."""
import contextlib
import json
import socket
import threading
import time

import pytest

from harness.client import RawClient, Session, exchange, get, status
from harness.gateway import free_port, wait_until
from harness.upstream import CLOSE, RESET, blackhole

REFUSED = "127.0.0.1:1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"


def cause(response):
    return json.loads(response.body)["cause"]


def test_a_refused_connect_goes_to_another(gateway, upstream):
    running = gateway(f"""
        upstreams: {{u: {{endpoints: [{REFUSED}, $UPSTREAM], balance: round_robin, health: {{failures: 0}}}}}}
        routes: [{{name: all, to: u}}]
    """)
    with Session(running.address) as session:
        assert [status(session.get()) for _ in range(10)] == [200] * 10
    tried_twice = running.wait_log(lambda line: len(line.get("attempts", [])) == 2)
    assert [attempt["endpoint"] for attempt in tried_twice["attempts"]] == [REFUSED, upstream.address]
    assert tried_twice["retry"] and tried_twice["endpoint"] == upstream.address
    refused = running.metric("sluice_endpoint_failures_total", endpoint=REFUSED, kind="connect_failed")
    assert running.metric("sluice_retries_total") == refused >= 5  # a retry is a turn too: it may be each request


def test_a_post_too_goes_to_another_when_nothing_was_sent(gateway, upstream):
    running = gateway(f"""
        upstreams: {{u: {{endpoints: [{REFUSED}, $UPSTREAM], balance: round_robin, health: {{failures: 0}}}}}}
        routes: [{{name: all, to: u}}]
    """)
    body = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"
    assert [status(exchange(running.address, body)) for _ in range(4)] == [200] * 4
    assert [message.body for message in upstream.requests] == [b"hello"] * 4


def test_a_refused_connect_asks_no_leave_of_the_retry_budget(gateway, upstream):
    with blackhole() as hole:
        running = gateway(f"""
            upstreams:
              refused: {{endpoints: [{REFUSED}, $UPSTREAM], balance: round_robin, retry_budget: {{percent: 0, min: 0}}, health: {{failures: 0}}}}
              hole: {{endpoints: ["{hole}", $UPSTREAM], balance: round_robin, retry_budget: {{percent: 0, min: 0}}, health: {{failures: 0}}, connect_timeout: 100ms}}
            routes: [{{name: all, to: refused}}, {{name: hole, match: {{path: /hole}}, to: hole}}]
        """)
        assert [status(get(running.address)) for _ in range(6)] == [200] * 6
        assert sorted({status(get(running.address, "/hole")) for _ in range(4)}) == [200, 504]


def test_r11_no_more_than_max_pending_wait_for_an_endpoint(gateway, upstream):
    with blackhole() as hole:
        running = gateway(f"""
            upstreams:
              hole: {{endpoints: ["{hole}"], max_pending: 2, retries: 0, health: {{failures: 0}}, connect_timeout: 1h}}
              two: {{endpoints: ["{hole}", $UPSTREAM], max_pending: 1, balance: round_robin, retry_budget: {{percent: 0, min: 0}}, health: {{failures: 0}}, connect_timeout: 1h}}
            routes: [{{name: all, to: hole}}, {{name: two, match: {{path: /two}}, to: two}}]
        """, workers=2)
        pending = lambda name: running.metric("sluice_endpoint_pending", upstream=name)
        with contextlib.ExitStack() as clients:

            def ask(path):
                client = RawClient(running.address)
                clients.callback(client.reset)
                client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())

            for _ in range(2):
                ask("/")
            assert wait_until(lambda: pending("hole") == 2, 20), "at the limit"
            answer = get(running.address)
            assert status(answer) == 503 and cause(answer) == "upstream_pending_exceeded"
            assert running.metric("sluice_endpoint_pending_refused_total", upstream="hole") == 1
            assert running.metric("sluice_endpoint_failures_total", upstream="hole") == 0, "the endpoint is blamed"
            # One waits for the hole, and from then on each turn that would be its goes to the other.
            while pending("two") == 0:
                ask("/two")
            assert [status(get(running.address, "/two")) for _ in range(6)] == [200] * 6
            assert running.metric("sluice_endpoint_pending_refused_total", upstream="two") >= 3
        assert wait_until(lambda: pending("hole") == pending("two") == 0, 20), "clients that left still count"


def test_all_refused(gateway):
    running = gateway(f"""
        upstreams: {{u: {{endpoints: [{REFUSED}, 127.0.0.1:2]}}}}
        routes: [{{name: all, to: u}}]
    """)
    response = get(running.address)
    assert status(response) == 502 and cause(response) == "upstream_connect_refused"
    assert REFUSED.encode() not in response.raw, "the address leaks"
    line = running.wait_log(lambda line: line["status"] == 502)
    assert {attempt["endpoint"] for attempt in line["attempts"]} == {REFUSED, "127.0.0.1:2"} and line["side"] == "upstream"


def test_a_blackholed_endpoint_goes_to_another_within_its_time(gateway, upstream):
    with blackhole() as hole:
        running = gateway(f"""
            upstreams:
              u: {{endpoints: [{hole}, $UPSTREAM], balance: round_robin, connect_timeout: 100ms, health: {{failures: 0}}}}
              hole: {{endpoints: ["{hole}"], connect_timeout: 100ms}}
            routes: [{{name: all, to: u}}, {{name: hole, match: {{path: /hole}}, to: hole}}]
        """)
        for _ in range(4):
            began = time.monotonic()
            assert status(get(running.address)) == 200
            assert time.monotonic() - began < 1
        response = get(running.address, "/hole")
        assert status(response) == 504 and cause(response) == "upstream_connect_timeout"


def test_a_dead_endpoint_is_set_aside_and_comes_back(gateway, start_upstream):
    port = free_port()
    alive = start_upstream("alive")
    running = gateway(f"""
        upstreams:
          u:
            endpoints: [{alive.address}, 127.0.0.1:{port}]
            balance: round_robin
            health: {{failures: 3, set_aside: 200ms}}
        routes: [{{name: all, to: u}}]
    """)
    dead = {"endpoint": f"127.0.0.1:{port}"}
    with Session(running.address) as session:
        assert {session.get().body for _ in range(20)} == {b"alive"}
        assert running.metric("sluice_endpoint_failures_total", **dead) == 3
        assert running.metric("sluice_endpoint_set_aside", **dead) == 1
        time.sleep(0.25)
        assert {session.get().body for _ in range(10)} == {b"alive"}  # one of them probed it, and was served elsewhere
        assert running.metric("sluice_endpoint_failures_total", **dead) == 4
        start_upstream("back", port=port)
        deadline, seen = time.monotonic() + 5, set()
        while b"back" not in seen and time.monotonic() < deadline:
            seen.add(session.get().body)
            time.sleep(0.01)
        assert [session.get().body for _ in range(4)].count(b"back") == 2
    assert running.metric("sluice_endpoint_set_aside", **dead) == 0
    assert running.metric("sluice_endpoint_set_asides_total", **dead) == 1


def test_a_hanging_endpoint_is_probed_by_one_request_at_a_time(gateway, start_upstream):
    alive, hangs = start_upstream("alive"), start_upstream("late", 30)
    running = gateway(f"""
        upstreams:
          u:
            endpoints: [{alive.address}, {hangs.address}]
            balance: round_robin
            first_byte_timeout: 100ms
            health: {{failures: 1, set_aside: 100ms}}
        routes: [{{name: all, to: u}}]
    """, workers=2)
    results = []

    def client():
        with Session(running.address) as session:
            end = time.monotonic() + 1.2
            while time.monotonic() < end:
                results.append(status(session.get()))

    threads = [threading.Thread(target=client) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    # Six may hit it at once before it is known; then probes after 100, 200, 400 ms, one at a time, each failing.
    assert set(results) <= {200, 504} and 504 in results
    assert results.count(200) > 100
    met = running.metric("sluice_endpoint_requests_total", upstream="u", endpoint=hangs.address)
    # A late timer lets some more of the six through at the start; one at a time means never all six after that.
    assert 1 <= met <= 6 + 4 + 6, met


def test_all_set_aside_is_no_reason_not_to_try(gateway, start_upstream):
    port = free_port()
    running = gateway(f"""
        upstreams: {{u: {{endpoints: ["127.0.0.1:{port}"], health: {{failures: 1, set_aside: 1h}}}}}}
        routes: [{{name: all, to: u}}]
    """)
    assert status(get(running.address)) == 502
    start_upstream("back", port=port)
    assert get(running.address).body == b"back"


def test_a_5xx_answer_sets_nothing_aside(gateway, upstream):
    running = gateway("""
        upstreams: {u: {endpoints: [$UPSTREAM], health: {failures: 1}}}
        routes: [{name: all, to: u}]
    """)
    upstream.default = (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",)
    assert [status(get(running.address)) for _ in range(5)] == [503] * 5
    assert running.metric("sluice_endpoint_set_aside") == 0


# ---- stale pooled connections -----------------------------------------------------------------------------------------


def primed(gateway, upstream, *then):
    """A client whose next request finds a pooled connection, on which the upstream will play `then`."""
    running = gateway("routes: [{name: all, to: u}]")
    upstream.answers.extend([(OK,), then])
    session = Session(running.address)
    assert status(session.get()) == 200
    return running, session


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_get_on_a_stale_connection_is_retried_once_on_a_fresh_one(gateway, upstream, end):
    running, session = primed(gateway, upstream, end)
    with session:
        assert session.get("/second").body == b"ok"
    assert [message.start for message in upstream.requests] == ["GET / HTTP/1.1"] + ["GET /second HTTP/1.1"] * 2
    assert upstream.connections == 2
    line = running.wait_log(lambda line: line["path"] == "/second")
    assert line["status"] == 200 and "fresh" in line["retry"] and len(line["attempts"]) == 2
    assert running.metric("sluice_retries_total") == 1
    assert running.metric("sluice_endpoint_failures_total") == 0, "a stale connection is nobody's failure"


def test_twice_stale_is_enough(gateway, upstream):
    running, session = primed(gateway, upstream, CLOSE)
    upstream.answers.append((CLOSE,))
    with session:
        response = session.get("/second")
    assert status(response) == 502 and cause(response) == "upstream_reset"
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("request_bytes", [POST, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
                                           b"PATCH / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"])
def test_a_post_that_was_sent_is_not_retried(gateway, upstream, request_bytes):
    running, session = primed(gateway, upstream, CLOSE)
    with session:
        session.client.send(request_bytes)
        response = session.client.read_response()
    assert status(response) == 502 and cause(response) == "upstream_reset"
    assert len(upstream.requests) == 2
    assert "not retried" in running.wait_log(lambda line: line["status"] == 502)["retry"]


PUT = b"PUT /second HTTP/1.1\r\nhost: a\r\n%s\r\n\r\n%s"


@pytest.mark.parametrize("body", [b"hello", b"x" * (16 << 10)])
def test_a_small_body_goes_out_again_with_its_request(gateway, upstream, body):
    running, session = primed(gateway, upstream, CLOSE)
    with session:
        session.client.send(PUT % (b"content-length: %d" % len(body), body))
        assert status(session.client.read_response()) == 200
    assert [message.body for message in upstream.requests[1:]] == [body, body]
    assert upstream.requests[1].raw == upstream.requests[2].raw


@pytest.mark.parametrize("framing, body", [(b"content-length: %d" % ((16 << 10) + 1), b"x" * ((16 << 10) + 1)),
                                           (b"transfer-encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")])
def test_a_body_that_is_not_kept_is_not_sent_again(gateway, upstream, framing, body):
    running, session = primed(gateway, upstream, CLOSE)
    with session:
        session.client.send(PUT % (framing, body))
        assert status(session.client.read_response()) == 502
    assert len(upstream.requests) == 2
    assert "body had begun" in running.wait_log(lambda line: line["status"] == 502)["retry"]


def test_the_rest_of_a_body_follows_the_part_that_is_sent_again(gateway, upstream):
    """The connection dies while the client is in the middle of its body."""
    running, session = primed(gateway, upstream, OK)
    with session:
        session.client.send(PUT % (b"content-length: 10", b"hello"))
        time.sleep(0.1)  # the part is on its way; were it not, the outcome is the same
        for connection in list(upstream.sockets):
            connection.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: running.metric("sluice_retries_total") == 1)
        session.client.send(b"world")
        assert status(session.client.read_response()) == 200
    assert [message.body for message in upstream.requests[1:]] == [b"helloworld"]


def test_a_get_on_a_fresh_connection_is_not_retried(gateway, upstream):
    running = gateway("routes: [{name: all, to: u}]")
    upstream.answers.append((CLOSE,))
    assert status(get(running.address)) == 502
    assert len(upstream.requests) == 1


def test_nor_is_one_whose_answer_had_begun(gateway, upstream):
    running, session = primed(gateway, upstream, b"HTTP/1.1 200 OK\r\n", CLOSE)
    with session:
        assert status(session.get()) == 502
    assert len(upstream.requests) == 2


def test_a_connection_closed_while_idle_costs_nothing(gateway, upstream):
    running = gateway("routes: [{name: all, to: u}]")
    upstream.answers.append((OK, CLOSE))
    with Session(running.address) as session:
        assert status(session.get()) == 200
        time.sleep(0.05)
        session.client.send(POST)
        assert status(session.client.read_response()) == 200
    assert running.metric("sluice_retries_total") == 0 and upstream.connections == 2


def test_connection_close_is_obeyed(gateway, upstream):
    running = gateway("routes: [{name: all, to: u}]")
    upstream.default = (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",)
    with Session(running.address) as session:
        responses = [session.get() for _ in range(3)]
    assert upstream.connections == 3 and not any(response.all("connection") for response in responses)


def test_idle_connections_are_let_go_in_time(gateway, upstream):
    running = gateway("""
        upstreams: {u: {endpoints: [$UPSTREAM], keep_alive: {idle_timeout: 50ms}}}
        routes: [{name: all, to: u}]
    """)
    with Session(running.address) as session:
        for _ in range(3):
            assert status(session.get()) == 200
            time.sleep(0.15)
    assert upstream.connections == 3 and not upstream.faults
    deadline = time.monotonic() + 5  # the pool sweeps once a second
    while running.metric("sluice_pool_idle") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running.metric("sluice_pool_idle") == 0
