"""How long each side is waited for, and who is blamed when it takes longer."""
import contextlib
import json
import socket
import time

import pytest

from harness.client import Closed, RawClient, exchange, get, status

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
MIB = 1 << 20


def cause(response):
    return json.loads(response.body)["cause"]


TIMEOUTS = """
upstreams: {u: {endpoints: [$UPSTREAM], health: {failures: 0}}}
listeners:
  - {name: public, bind: $LISTEN, request_header_timeout: 150ms, keep_alive_timeout: 150ms, client_idle_timeout: 150ms}
routes:
  - {name: first, match: {path: /first}, timeouts: {first_byte_timeout: 100ms}, to: u}
  - {name: idle, match: {path: /idle}, timeouts: {idle_timeout: 100ms}, to: u}
  - {name: whole, match: {path: /whole}, timeouts: {request_timeout: 150ms}, to: u}
"""


def timed(address, path, method="GET"):
    began = time.monotonic()
    response = exchange(address, f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".encode())
    return response, time.monotonic() - began


def test_no_response_head_in_time(gateway, upstream):
    running = gateway(TIMEOUTS)
    upstream.answers.append((2.0, OK))
    response, took = timed(running.address, "/first")
    assert status(response) == 504 and cause(response) == "upstream_timeout_first_byte" and 0.09 < took < 1
    assert running.wait_log(lambda line: line.get("cause") == "upstream_timeout_first_byte")["attempts"]


def test_an_answer_that_stalls_is_cut(gateway, upstream):
    running = gateway(TIMEOUTS)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", 2.0, b"world"))
    with RawClient(running.address) as client:
        client.send(b"GET /idle HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises(Closed):
            client.read_response()
    line = running.wait_log(lambda line: line.get("cause") == "upstream_timeout_idle")
    assert line["status"] == 200 and line["route"] == "idle"


def test_the_whole_exchange_in_time_though_bytes_move(gateway, upstream):
    running = gateway(TIMEOUTS)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", *[0.03, b"x"] * 100))
    with RawClient(running.address) as client:
        client.send(b"GET /whole HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises(Closed):
            client.read_response()
    line = running.wait_log(lambda line: line.get("cause") == "upstream_timeout_request")
    assert 140_000 < line["duration_us"] < 1_000_000


def test_a_slow_answer_within_its_times_is_left_alone(gateway, upstream):
    running = gateway(TIMEOUTS)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", *[0.04, b"x"] * 10))
    assert timed(running.address, "/idle")[0].body == b"x" * 10


def test_a_head_that_does_not_come_in_time(gateway):
    running = gateway(TIMEOUTS)
    with RawClient(running.address) as client:
        for byte in b"GET / HTTP/1.1\r\n":  # trickling extends nothing
            client.send(bytes([byte]))
            time.sleep(0.015)
        response = client.read_response()
        assert status(response) == 408 and cause(response) == "request_header_timeout" and client.is_closed()


def test_an_idle_connection_is_closed_without_a_word(gateway):
    running = gateway(TIMEOUTS)
    with RawClient(running.address) as client:
        assert client.is_closed(2)
    with RawClient(running.address) as client:
        client.send(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
        client.read_response()
        assert client.is_closed(2)


def test_a_body_that_does_not_come(gateway, upstream):
    running = gateway(TIMEOUTS)
    with RawClient(running.address) as client:
        client.send(b"POST /first HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        response = client.read_response()
        assert status(response) == 408 and cause(response) == "request_body_timeout" and client.is_closed()
    assert not upstream.requests


def test_causes_are_counted(gateway, upstream):
    running = gateway(TIMEOUTS)
    upstream.answers.append((2.0, OK))
    timed(running.address, "/first")
    get(running.address, "/none")
    assert running.metric("sluice_gateway_answers_total", cause="upstream_timeout_first_byte") == 1
    assert running.metric("sluice_gateway_answers_total", cause="no_route") == 1
    assert running.metric("sluice_route_answers_total", route="first", cause="upstream_timeout_first_byte") == 1


# ---- a side that waits for the other is not blamed -------------------------------------------------------------------


def test_a_client_that_pauses_in_its_upload_is_not_the_upstreams_fault(gateway, upstream):
    running = gateway(TIMEOUTS.replace("client_idle_timeout: 150ms", "client_idle_timeout: 5s"))
    with RawClient(running.address) as client:
        client.send(b"POST /idle HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        time.sleep(0.4)
        client.send(b"world")
        assert client.read_response().body == b"ok"
    assert upstream.requests[0].body == b"helloworld"


def test_a_client_that_pauses_in_its_download_is_not_the_upstreams_fault(gateway, upstream):
    running = gateway("routes: [{name: idle, timeouts: {idle_timeout: 400ms}, to: u}]")
    size = 32 * MIB
    upstream.answers.append((f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + bytes(size),))
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client.reader.until(b"\r\n\r\n")
        time.sleep(1)
        received, block = len(client.reader.pending), memoryview(bytearray(MIB))
        while received < size:
            count = client.socket.recv_into(block)
            assert count, f"cut after {received} bytes"
            received += count
    assert "cause" not in running.wait_log(lambda line: True)


def test_a_client_that_reads_nothing_is_given_up(gateway, upstream):
    running = gateway(TIMEOUTS)
    upstream.answers.append((f"HTTP/1.1 200 OK\r\ncontent-length: {64 * MIB}\r\n\r\n".encode() + bytes(64 * MIB),))
    with RawClient(running.address) as client:
        client.send(b"GET /idle HTTP/1.1\r\nhost: a\r\n\r\n")
        line = running.wait_log(lambda line: True)
        assert line["cause"] == "client_too_slow" and line["status"] == 200 and line["side"] == "client"
        with pytest.raises(Closed):
            client.read_response()


def test_an_upstream_that_takes_nothing_is_given_up(gateway):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        running = gateway(TIMEOUTS, upstream=f"127.0.0.1:{deaf.getsockname()[1]}")
        data = f"POST /idle HTTP/1.1\r\nhost: a\r\ncontent-length: {64 * MIB}\r\n\r\n".encode() + bytes(64 * MIB)
        with RawClient(running.address) as client:
            client.socket.settimeout(0.5)
            with contextlib.suppress(OSError):
                client.socket.sendall(data)
            line = running.wait_log(lambda line: True)
    assert line["cause"] == "upstream_timeout_idle" and line["status"] == 504 and line["side"] == "upstream"


def test_leave_was_given_and_nothing_came(gateway):
    running = gateway(TIMEOUTS)
    with RawClient(running.address) as client:
        client.send(b"POST /first HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n")
        assert status(client.read_response()) == 100
        response = client.read_response()
        assert status(response) == 408 and cause(response) == "request_body_timeout" and client.is_closed()


def test_the_whole_exchange_in_time_while_it_connects_or_uploads(gateway, upstream):
    running = gateway(TIMEOUTS.replace("client_idle_timeout: 150ms", "client_idle_timeout: 5s"))
    with RawClient(running.address) as client:
        client.send(b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        response = client.read_response()
        assert status(response) == 504 and cause(response) == "upstream_timeout_request" and client.is_closed()


def test_a_route_replaces_what_its_upstream_says(gateway, upstream):
    running = gateway("""
        upstreams: {u: {endpoints: [$UPSTREAM], first_byte_timeout: 50ms, health: {failures: 0}}}
        routes:
          - {name: patient, match: {path: /patient}, timeouts: {first_byte_timeout: 5s}, to: u}
          - {name: other, to: u}
    """)
    upstream.default = (0.3, OK)
    assert get(running.address, "/patient").body == b"ok"
    assert cause(get(running.address, "/other")) == "upstream_timeout_first_byte"


def test_a_trickled_body_is_cut_by_its_least_rate(gateway, upstream):
    """Bytes that come too slowly do not hold an exchange: the grace is 5 s, so this takes some."""
    running = gateway("routes: [{name: all, to: u}]")
    began = time.monotonic()
    with RawClient(running.address) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
        while time.monotonic() - began < 12 and client.is_quiet(0.25):
            client.send(b"x")
        assert status(client.read_response()) == 408
    assert 4 < time.monotonic() - began < 12
