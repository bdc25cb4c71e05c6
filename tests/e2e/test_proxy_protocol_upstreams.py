"""PROXY headers to upstreams: whose address they tell, what stands behind them, and that no connection serves two clients."""
import contextlib
import signal
import socket
import struct

import pytest

from harness.certificates import Authority
from harness.client import RawClient, exchange, get, status
from harness.gateway import wait_until
from harness.http2 import Client
from harness.upstream import RecordingUpstream, TlsUpstream
from harness.websocket import KEY, accept_of
from harness.websocket import Client as WebSocketClient

V2 = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, f"the connection ended inside the PROXY header: {data!r}"
        data += piece
    return data


def read_header(connection):
    """(version, source, port, destination, port) of a header by its specification; not a byte more is read."""
    start = read_exactly(connection, 6)
    if start == b"PROXY ":
        line = start
        while not line.endswith(b"\r\n"):
            line += read_exactly(connection, 1)
            assert len(line) <= 107
        family, source, destination, source_port, destination_port = line[6:-2].decode().split(" ")
        kind = {"TCP4": socket.AF_INET, "TCP6": socket.AF_INET6}[family]
        source, destination = (socket.inet_ntop(kind, socket.inet_pton(kind, ip)) for ip in (source, destination))
        return "v1", source, int(source_port), destination, int(destination_port)
    assert start + read_exactly(connection, 6) == V2
    command, family, size = struct.unpack("!BBH", read_exactly(connection, 4))
    assert (command, family, size) in ((0x21, 0x11, 12), (0x21, 0x21, 36))
    body, half = read_exactly(connection, size), (size - 4) // 2
    kind = socket.AF_INET if family == 0x11 else socket.AF_INET6
    source_port, destination_port = struct.unpack("!HH", body[-4:])
    return "v2", socket.inet_ntop(kind, body[:half]), source_port, socket.inet_ntop(kind, body[half:2 * half]), destination_port


class Told:
    """Mixed into an upstream: each of its connections begins with a PROXY header, `told` in order."""

    def serve(self, connection):
        try:
            self.told.append(read_header(connection))
        except (AssertionError, ValueError, KeyError) as fault:
            self.faults.append(f"PROXY header: {fault}")
            connection.close()
            return
        super().serve(connection)


class ToldUpstream(Told, RecordingUpstream):
    def __init__(self, **options):
        self.told = []
        super().__init__(**options)


class ToldTlsUpstream(Told, TlsUpstream):
    def __init__(self, *arguments, **options):
        self.told = []
        super().__init__(*arguments, **options)


@pytest.fixture
def told():
    with ToldUpstream() as upstream:
        yield upstream


def config(upstream, version, more="", listener="", policies=""):
    return f"""
        listeners: [{{name: public, bind: $LISTEN{listener}}}]
        upstreams: {{u: {{endpoints: ["{upstream.address}"], proxy_protocol: {version}, retries: 0{more}}}}}
        routes: [{{name: all, policies: [{policies}], to: u}}]
    """


def client_from(address, source):
    """A client on 127.0.0.1/8, and its address."""
    client = RawClient(address)
    client.socket.close()
    client.socket = socket.create_connection(address, 5, (source, 0))
    return client


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_each_connection_tells_of_its_client(gateway, told, version):
    running = gateway(config(told, version))
    expected = []
    with client_from(running.address, "127.0.0.2") as one, client_from(running.address, "127.0.0.3") as other:
        for client in (one, other, one, other, other):
            client.send(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
            assert client.read_response().body == b"ok"
            expected.append((version, *client.socket.getsockname(), "127.0.0.1", told.port))
    assert told.told == expected and not told.faults
    assert [request.body for request in told.requests] == [b"abc"] * 5
    assert told.connections == 5, "a connection that tells of a client serves one request"
    assert wait_until(lambda: running.metric("sluice_pool_open") == 0)
    assert running.metric("sluice_pool_reuses_total") == 0


def test_streams_of_one_client_have_one_each(gateway, told):
    running = gateway(config(told, "v2"))
    with Client(running.address) as client:
        streams = [client.request(path=f"/{number}") for number in range(10)]
        assert [client.answer(stream).status for stream in streams] == [200] * 10
        assert told.told == [("v2", *client.socket.getsockname(), "127.0.0.1", told.port)] * 10


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_ipv6(gateway, version):
    """A client of IPv6, told by a proxy before us, to endpoints of either family; and one of IPv4 to an endpoint of IPv6."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    listener = ", proxy_protocol: {trusted: [127.0.0.1]}"
    with contextlib.ExitStack() as running_upstreams:
        old = running_upstreams.enter_context(ToldUpstream())
        try:
            new = running_upstreams.enter_context(ToldUpstream(host="::1"))
        except OSError:
            pytest.skip("no IPv6 here")
        for upstream, here in ((old, "::ffff:127.0.0.1"), (new, "::1")):
            running = gateway(config(upstream, version, listener=listener))
            assert status(exchange(running.address, b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n" + REQUEST)) == 200
            assert upstream.told == [(version, "2001:db8::7", 4711, here, upstream.port)] and not upstream.faults
        running = gateway(config(new, version))
        with client_from(running.address, "127.0.0.9") as client:
            client.send(REQUEST)
            assert client.read_response().body == b"ok"
            assert new.told[1] == (version, "::ffff:127.0.0.9", client.socket.getsockname()[1], "::1", new.port)


@pytest.mark.parametrize("protocol", ["auto", "http1"])
def test_it_stands_before_the_handshake(gateway, tmp_path, protocol):
    authority = Authority(tmp_path / "certificates")
    with ToldTlsUpstream(authority.make("users.internal"), protocols=["h2", "http/1.1"]) as told:
        running = gateway(config(told, "v2", f", protocol: {protocol}, tls: {{ca: {authority.path}, server_name: users.internal}}"))
        for number in range(3):
            with RawClient(running.address) as client:
                client.send(REQUEST)
                assert client.read_response().body == b"ok"
                assert told.told[number] == ("v2", *client.socket.getsockname(), "127.0.0.1", told.port)
        assert told.chosen == ["http/1.1"] * 3 and told.resumed == [False, True, True] and not told.faults


def test_the_client_is_whom_the_policies_take_for_it(gateway, told):
    policies = "forwarded: {trusted: [127.0.0.1]}"
    running = gateway(config(told, "v1", policies=policies))
    answer = exchange(running.address, b"GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.9\r\n\r\n")
    assert status(answer) == 200 and told.told[0][:3] == ("v1", "203.0.113.9", 0)


def test_a_websocket_begins_with_it_too(gateway, told):
    told.answers.append((f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                         f"sec-websocket-accept: {accept_of(KEY)}\r\n\r\n".encode(), 0.2, "close"))
    running = gateway(config(told, "v2"))
    with WebSocketClient(running.address) as client:
        assert told.told == [("v2", *client.socket.getsockname(), "127.0.0.1", told.port)]


def test_a_reload_leaves_no_connection_that_told_of_nobody(gateway, told):
    with RecordingUpstream(port=0) as plain:
        running = gateway(config(plain, "off"))
        for generation, (upstream, version) in enumerate([(plain, "off"), (told, "v1"), (told, "v2"), (plain, "off")], 1):
            running.write_config(config(upstream, version))
            running.process.send_signal(signal.SIGHUP)
            assert wait_until(lambda: running.metric("sluice_config_generation") >= generation)
            assert status(get(running.address)) == 200
        assert [header[0] for header in told.told] == ["v1", "v2"]


def test_an_endpoint_that_is_down_is_a_refused_connection(gateway, told):
    running = gateway(config(told, "v2"))
    told.stop()
    answer = get(running.address)
    assert status(answer) == 502 and b"upstream_connect_refused" in answer.body
