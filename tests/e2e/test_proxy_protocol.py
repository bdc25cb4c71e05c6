"""PROXY headers of the proxies before the gateway: who must send one, what it may be, and whose address counts."""
import socket
import struct
import time

import pytest

from harness.client import RawClient
from harness.gateway import wait_until

CONFIG = """
listeners:
  - name: public
    bind: $LISTEN
    proxy_protocol: {trusted: [127.0.0.1], timeout: 300ms}
routes: [{name: all, to: u}]
"""
REQUEST = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source="203.0.113.7", port=4711):
    return f"PROXY TCP4 {source} 192.0.2.1 {port} 443\r\n".encode()


def v2(source="203.0.113.7", extension=b"", command=0x21):
    body = socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 443) + extension
    return V2 + struct.pack("!BBH", command, 0x11, len(body)) + body


def stranger(address):
    """A client from an address that is not trusted."""
    client = RawClient(address)
    client.socket.close()
    client.socket = socket.create_connection(address, 5, ("127.0.0.2", 0))
    return client


@pytest.mark.parametrize("header", [v1(), v2(), v2(extension=b"\x04\x00\x02xy")], ids=["v1", "v2", "v2 with TLV"])
@pytest.mark.parametrize("pieces", ["one", "two", "bytes"])
def test_the_address_it_tells_is_the_clients(gateway, upstream, header, pieces):
    running = gateway(CONFIG)
    with RawClient(running.address) as client:
        if pieces == "one":
            client.send(header + REQUEST)
        elif pieces == "two":
            client.send(header)
            time.sleep(0.02)
            client.send(REQUEST)
        else:
            client.send(header + REQUEST, cuts=range(1, len(header) + 3), pause=0.001)
        assert client.read_response().body == b"ok"
        client.send(REQUEST)  # once for a connection, not for a request
        assert client.read_response().body == b"ok"
    assert [request.first("x-forwarded-for") for request in upstream.requests] == ["203.0.113.7"] * 2
    line = running.wait_log(lambda line: line["path"] == "/a")
    assert line["client"] == "203.0.113.7" and "peer" not in line
    assert running.metric("sluice_proxy_headers_total", result="read") == 1


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", V2 + b"\x20\x00\x00\x00"], ids=["UNKNOWN", "LOCAL"])
def test_a_header_without_a_client_leaves_the_peers_address(gateway, upstream, header):
    running = gateway(CONFIG)
    with RawClient(running.address) as client:
        client.send(header + REQUEST)
        assert client.read_response().body == b"ok"
    assert upstream.requests[0].first("x-forwarded-for") == "127.0.0.1"


@pytest.mark.parametrize("sent", [REQUEST, b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n" + REQUEST, v2(extension=b"\x04\x00\x09x") + REQUEST,
                                  V2 + b"\x21\x11\x00\x05hello" + REQUEST, V2 + b"\x20\x00\xff\xff" + b"x" * 4096])
def test_t04_what_is_not_a_right_header_ends_the_connection(gateway, upstream, sent):
    running = gateway(CONFIG)
    with RawClient(running.address) as client:
        client.send(sent)
        assert client.is_closed()
    assert not upstream.requests and running.metric("sluice_proxy_headers_total", result="malformed") == 1
    assert running.metric("sluice_requests_begun_total") == 0


def test_a_header_has_its_time(gateway):
    running = gateway(CONFIG)
    with RawClient(running.address) as client:
        client.send(v1()[:10])
        began = time.monotonic()
        assert client.is_closed() and 0.1 < time.monotonic() - began < 3
    assert running.metric("sluice_proxy_headers_total", result="late") == 1


def test_from_others_a_header_is_refused_and_a_request_is_served(gateway, upstream):
    running = gateway(CONFIG)
    client = stranger(running.address)
    with client:
        client.send(REQUEST)
        assert client.read_response().body == b"ok"
    assert upstream.requests[0].first("x-forwarded-for") == "127.0.0.2"
    client = stranger(running.address)
    with client:
        client.send(v1() + REQUEST)
        assert client.read_response().start.split()[1] == "400" and client.is_closed()
    assert len(upstream.requests) == 1


def test_limits_count_the_client_and_not_the_proxy(gateway):
    running = gateway(CONFIG + "limits: {max_connections_per_client: 2, uncapped_clients: [192.0.2.0/24]}\n")
    clients = [RawClient(running.address) for _ in range(6)]
    try:
        answers = []
        for client, source in zip(clients, ["203.0.113.7"] * 3 + ["203.0.113.8"] * 2 + ["192.0.2.9"]):
            client.send(v1(source) + REQUEST)
            answers.append(client.read_response().start.split()[1])
        assert answers == ["200", "200", "503", "200", "200", "200"]
    finally:
        for client in clients:
            client.socket.close()
    assert wait_until(lambda: running.metric("sluice_connections_open") == 0)
