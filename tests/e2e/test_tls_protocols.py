"""HTTP/2 to upstreams over TLS: by `protocol: http2`, and by `auto`, where the handshake decides (ALPN)."""
import contextlib
import signal
import socket
import subprocess
import threading

import pytest

from harness.certificates import Authority
from harness.client import Closed, RawClient, exchange, get, status
from harness.gateway import free_port, wait_until
from harness.http2 import Client
from harness.http2_upstream import Service
from harness.upstream import TlsUpstream
from harness.websocket import KEY, accept_of
from harness.websocket import Client as WebSocketClient

NAME = "users.internal"
BOTH = ["h2", "http/1.1"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def serve(authority):
    """serve(protocols, answer) -> a TlsUpstream; its `http2` is a Service that answers by `answer`."""
    with contextlib.ExitStack() as running:

        def start(protocols=(), answer=None, names=(NAME,)):
            service = running.enter_context(Service(answer))
            return running.enter_context(TlsUpstream(authority.make(*names), protocols=protocols, http2=service))

        yield start


def config(authority, address, protocol="auto", more="retries: 0", server_name=NAME):
    return f"""
        upstreams: {{u: {{endpoints: ["{address}"], protocol: {protocol}, tls: {{ca: {authority.path}, server_name: {server_name}}}, {more}}}}}
        routes: [{{name: all, to: u}}]
    """


def ask_many(address, count):
    """So many requests at once, each a stream; their statuses."""
    with Client(address) as client:
        streams = [client.request(path=f"/{number}") for number in range(count)]
        return [client.answer(stream).status for stream in streams]


class Crowd:
    """Answers nobody before `count` have asked: of one connection, or nothing would come of it."""

    def __init__(self, count):
        self.count, self.held = count, []

    def __call__(self, connection, stream, request):
        self.held.append((connection, stream))
        if len(self.held) == self.count:
            for connection, stream in self.held:
                connection.respond(stream, b"ok")


@pytest.mark.parametrize("protocol, offered", [("auto", BOTH), ("http2", BOTH), ("http2", ["h2"])])
def test_http2_shares_one_connection(gateway, serve, authority, protocol, offered):
    upstream = serve(offered, Crowd(40))
    running = gateway(config(authority, upstream.address, protocol))
    assert ask_many(running.address, 40) == [200] * 40
    assert upstream.chosen == ["h2"] and upstream.names == [NAME]
    assert {request.get(":scheme") for request in upstream.http2.requests} == {"https"}
    assert running.metric("sluice_pool_connects_total") == 1 and running.metric("sluice_pool_open") == 1


@pytest.mark.parametrize("protocol, offered, chosen", [
    ("auto", ["http/1.1"], "http/1.1"), ("auto", [], None), ("http1", BOTH, "http/1.1")])
def test_http1_has_a_connection_for_each(gateway, serve, authority, protocol, offered, chosen):
    """The first to come do not know it yet: they wait for one connection, and then each gets its own."""
    upstream = serve(offered)
    gate = threading.Barrier(10, timeout=10)
    upstream.serve_one = meet(upstream.serve_one, gate)
    running = gateway(config(authority, upstream.address, protocol))
    assert ask_many(running.address, 10) == [200] * 10
    assert upstream.chosen == [chosen] * 10
    assert status(get(running.address)) == 200
    assert running.metric("sluice_pool_connects_total") == 10 and running.metric("sluice_pool_reuses_total") == 1
    assert upstream.http2.requests == []


def meet(serve_one, gate):
    """Each connection serves its first request when all have one."""
    met = set()

    def serve(connection, reader):
        if connection not in met:
            met.add(connection)
            gate.wait()
        return serve_one(connection, reader)

    return serve


def test_a_body_and_its_answer(gateway, serve, authority):
    upstream = serve(BOTH)
    running = gateway(config(authority, upstream.address))
    body = bytes(range(256)) * 2048
    answer = exchange(running.address, b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert answer.body == body and upstream.http2.requests[0].body == body


def test_an_endpoint_that_learns_http2(gateway, serve, authority):
    """And unlearns it: each new connection tells anew."""
    upstream = serve(["http/1.1"])
    running = gateway(config(authority, upstream.address, more="retries: 0, keep_alive: {max_idle: 0}"))
    for offered in [["http/1.1"], BOTH, ["http/1.1"], BOTH]:
        upstream.context.set_alpn_protocols(offered)
        assert ask_many(running.address, 3) == [200] * 3
        assert wait_until(lambda: running.metric("sluice_pool_open") == 0)
    assert [name for at, name in enumerate(upstream.chosen) if at == 0 or upstream.chosen[at - 1] != name] == ["http/1.1", "h2"] * 2


@pytest.mark.parametrize("protocol", ["auto", "http2"])
def test_the_name_is_verified(gateway, serve, authority, protocol):
    upstream = serve(BOTH)
    running = gateway(config(authority, upstream.address, protocol, server_name="other.internal"))
    assert ask_many(running.address, 3) == [502] * 3
    line = running.wait_log(lambda line: line["status"] == 502)
    assert line["cause"] == "upstream_tls_failed" and "ostname mismatch" in line["detail"]
    assert upstream.http2.requests == [] and upstream.requests == []


@pytest.mark.parametrize("protocol", ["auto", "http2"])
def test_sessions_are_resumed(gateway, serve, authority, protocol):
    upstream = serve(BOTH)
    running = gateway(config(authority, upstream.address, protocol, more="retries: 0, keep_alive: {max_idle: 0}"))
    for _ in range(4):
        assert status(get(running.address)) == 200
        assert wait_until(lambda: running.metric("sluice_pool_open") == 0)
    assert upstream.resumed == [False, True, True, True] and upstream.chosen == ["h2"] * 4


def test_http2_asked_of_who_speaks_http1(gateway, serve, authority):
    upstream = serve(["http/1.1"])
    running = gateway(config(authority, upstream.address, "http2", more="retries: 0, connect_timeout: 1s"))
    assert status(get(running.address)) in (502, 504)
    assert all(request.start in ("PRI * HTTP/2.0", "SM") for request in upstream.requests), "what HTTP/2 begins with"


def test_who_closes_in_the_handshake(gateway, authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = gateway(config(authority, "127.0.0.1:%d" % listener.getsockname()[1]))
        thread = threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True)
        thread.start()
        answer = get(running.address)
        assert status(answer) == 502 and (b"upstream_tls_failed" in answer.body or b"upstream_unreachable" in answer.body)
        thread.join(5)  # as it closed in the right way, or reset what it had not read
    assert running.metric("sluice_pool_open") == 0


def test_a_websocket_with_auto_is_http1_of_its_own(gateway, serve, authority):
    """Also where the endpoint would rather speak HTTP/2, which few take a WebSocket by (S20)."""
    upstream = serve(BOTH)
    upstream.answers.append((f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                             f"sec-websocket-accept: {accept_of(KEY)}\r\n\r\n".encode(), 0.2, "close"))
    running = gateway(config(authority, upstream.address))
    assert status(get(running.address)) == 200 and upstream.chosen == ["h2"]
    with WebSocketClient(running.address) as client:
        assert client.head.start.split()[1] == "101"
    assert upstream.chosen == ["h2", "http/1.1"]
    assert status(get(running.address)) == 200
    assert upstream.chosen == ["h2", "http/1.1"], "the others go on with the one that they share"


def test_a_reload_to_another_protocol(gateway, serve, authority):
    upstream = serve(BOTH)
    running = gateway(config(authority, upstream.address))
    for generation, (protocol, chosen) in enumerate([("auto", "h2"), ("http1", "http/1.1"), ("http2", "h2")], 1):
        running.write_config(config(authority, upstream.address, protocol))
        running.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: running.metric("sluice_config_generation") >= generation)
        assert wait_until(lambda: status(get(running.address)) == 200 and upstream.chosen[-1] == chosen)
        assert running.metric("sluice_pool_open") == 1


def test_a_cut_answer_is_no_whole_one(gateway, serve, authority):
    def cut(connection, stream, request):
        connection.respond(stream, b"half", end=False)
        connection.close()

    running = gateway(config(authority, serve(BOTH, cut).address))
    with pytest.raises(Closed):
        get(running.address)
    assert running.wait_log(lambda line: line.get("cause"))["cause"] == "upstream_reset"


def test_nghttpd(gateway, authority, tmp_path):
    """A server that nobody here wrote."""
    cert, key = authority.make(NAME, file="nghttpd")
    (tmp_path / "hello").write_bytes(b"hello" * 20_000)
    port = free_port()
    server = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", str(tmp_path), str(port), str(key), str(cert)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: listens(port), 10)
        running = gateway(config(authority, f"127.0.0.1:{port}"))
        with Client(running.address) as client:
            streams = [client.request(path="/hello") for _ in range(50)]
            assert [client.answer(stream).body for stream in streams] == [b"hello" * 20_000] * 50
        with RawClient(running.address) as client:
            client.send(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
            assert client.read_response().body == b"hello" * 20_000
        assert running.metric("sluice_pool_connects_total") == 1
    finally:
        server.terminate()
        server.wait(10)


def listens(port):
    try:
        RawClient(("127.0.0.1", port)).socket.close()
        return True
    except ConnectionError:
        return False
