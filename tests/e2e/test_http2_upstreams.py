"""HTTP/2 to upstreams, in the clear: shared connections, flow control, resets, GOAWAY, trailers both ways."""
import signal
import threading
import time

from harness import http2
from harness.client import RawClient, Session, exchange, status
from harness.gateway import wait_until
from harness.http2 import Client
from harness.http2_upstream import Service
from harness.upstream import CLOSE

TO = """
upstreams: {u: {endpoints: ["ADDRESS"], protocol: http2, MORE}}
routes: [{name: all, to: u}]
"""
TRAILERS = [("te", "trailers")]


def config(service, more="retries: 2"):
    return TO.replace("ADDRESS", service.address).replace("MORE", more)


def test_what_the_upstream_sees(gateway):
    with Service() as service:
        running = gateway(config(service))
        with Session(running.address) as session:
            answer = session.get("/a?b=c")
            assert (status(answer), answer.body) == (200, b"ok")
        with Client(running.address) as client:
            assert client.ask("POST", "/x", body=b"hello", extra=[("content-length", "5"), ("x-a", "1")]).body == b"hello"
        first, second = service.requests
        assert first.headers[:4] == [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/a?b=c")]
        assert second.get("content-length") == "5" and second.get("x-a") == "1" and second.body == b"hello"
        assert running.metric("sluice_pool_connects_total") == 1 and running.metric("sluice_pool_reuses_total") == 1
        assert running.metric("sluice_pool_open") == 1


def test_many_share_one_connection_until_it_is_full(gateway):
    held, lock = [], threading.Lock()

    def hold(connection, stream, request):
        with lock:
            held.append((connection, stream))

    with Service(hold, max_streams=10) as service:
        running = gateway(config(service))
        with Client(running.address) as client:
            streams = [client.request() for _ in range(25)]
            assert wait_until(lambda: len(held) == 25)
            assert len(service.connections) == 3 and max(one.most_open for one in service.connections) <= 10
            for connection, stream in held:
                connection.respond(stream, b"late")
            assert [client.answer(stream).body for stream in streams] == [b"late"] * 25
            held.clear()
            again = client.request()
            assert wait_until(lambda: held) and len(service.connections) == 3
            held[0][0].respond(held[0][1], b"x")
            assert client.answer(again).status == 200


def test_large_bodies_both_ways(gateway):
    with Service() as service:
        running = gateway(config(service))
        body = bytes(range(256)) * 8192
        with Client(running.address, window=1 << 24, connection_window=1 << 26) as client:
            sent, stream = 0, client.request("POST", end=False)
            while sent < len(body):  # as windows open
                room = min(65535 + client.window_updates[stream], 65535 + client.window_updates[0]) - sent
                if room <= 0:
                    client.read_frame()
                    continue
                client.send(client.data(stream, body[sent:sent + room], sent + room >= len(body)))
                sent += room
            assert client.answer(stream).body == body
        assert exchange(running.address, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n" + body[:2000000]).body == body[:2000000]


def test_trailers_pass_where_they_were_asked_for(gateway):
    def answer(connection, stream, request):
        connection.respond(stream, b"body", trailers=[("x-sum", "7"), ("x-user", "root"), ("set-cookie", "a=b")])

    with Service(answer) as service:
        running = gateway(config(service))
        with Client(running.address) as client:
            stream = client.request("POST", extra=TRAILERS, body=b"abc", end=False)
            client.send(http2.frame(http2.HEADERS, 5, stream, client.encoder.encode([("x-t", "1"), ("x-user", "root"), ("host", "b")])))
            asked = client.answer(stream)
            assert asked.body == b"body" and asked.trailers == [("x-sum", "7")] and asked.is_whole
            assert service.requests[0].trailers == [("x-t", "1")] and service.requests[0].get("te") == "trailers"
            silent = client.ask()
            assert silent.body == b"body" and silent.trailers is None and silent.is_whole
            assert service.requests[1].get("te") is None
        with RawClient(running.address) as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n")
            message = client.read_response()
            assert message.body == b"body" and ("x-sum", "7") in message.fields and b"root" not in message.raw


def test_trailers_of_an_http1_upstream(gateway, upstream):
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",))
    running = gateway("routes: [{name: all, to: u}]")
    with Client(running.address) as client:
        answer = client.ask(extra=TRAILERS)
        assert answer.trailers == [("x-sum", "7")]
        fields = dict(upstream.requests[0].fields)
        assert fields["te"] == "trailers" and fields["connection"] == "te"


def test_a_reset_of_either_side(gateway):
    seen = []

    def answer(connection, stream, request):
        seen.append(request)
        if request.get(":path") == "/refused" and sum(one.get(":path") == "/refused" for one in seen) == 1:
            connection.h2.reset_stream(stream, http2.REFUSED_STREAM)
        elif request.get(":path") == "/broken":
            connection.respond(stream, b"half", end=False)
            connection.h2.reset_stream(stream, http2.INTERNAL_ERROR)
        elif request.get(":path") != "/hold":
            connection.respond(stream, b"ok")

    with Service(answer) as service:
        running = gateway(config(service))
        with Client(running.address) as client:
            assert client.ask(path="/ok").body == b"ok"
            assert client.ask("POST", path="/refused").body == b"ok"  # tried again, whatever the method
            broken = client.ask(path="/broken")
            assert broken.reset == http2.INTERNAL_ERROR or broken.status == 502  # as the head had left, or had not
            held = client.request(path="/hold")
            assert wait_until(lambda: seen[-1].get(":path") == "/hold")
            client.send(http2.rst(held))
            assert wait_until(lambda: seen[-1].reset == http2.CANCEL)
            assert client.ask(path="/ok").body == b"ok" and len(service.connections) == 1
            line = running.wait_log(lambda line: line["path"] == "/refused")
            assert len(line["attempts"]) == 2 and line["attempts"][0]["outcome"] == "the upstream refused the stream"
            assert line["retry"] == "retried: the upstream had refused the stream unseen (REFUSED_STREAM or GOAWAY)"


def test_goaway_moves_new_requests_and_repeats_those_unseen(gateway):
    held = []

    def answer(connection, stream, request):
        if request.get(":path") == "/hold":
            held.append((connection, stream))
        else:
            connection.respond(stream, b"ok")

    with Service(answer) as service:
        running = gateway(config(service))
        with Client(running.address) as client:
            first = client.request(path="/hold")
            assert wait_until(lambda: len(held) == 1)
            second = client.request("POST", path="/hold")
            assert wait_until(lambda: len(held) == 2)
            connection = held[0][0]
            with connection.lock:
                connection.h2.close_connection(last_stream_id=held[0][1])
                connection.socket.sendall(connection.h2.data_to_send())
            assert wait_until(lambda: len(held) == 3 and len(service.connections) == 2), "the second was asked for again"
            held[2][0].respond(held[2][1], b"moved")
            assert client.answer(second).body == b"moved"
            line = running.wait_log(lambda line: line["method"] == "POST")
            assert line["attempts"][0]["outcome"] == "the upstream goes away, and has not looked at the stream"
            assert line["retry"] == "retried: the upstream had refused the stream unseen (REFUSED_STREAM or GOAWAY)"
            assert client.ask().body == b"ok"
            connection.close()
            assert client.answer(first).status == 502


def test_an_upstream_that_is_gone(gateway):
    with Service() as service:
        running = gateway(config(service))
        with Client(running.address) as client:
            assert client.ask().body == b"ok"
            for connection in service.connections:
                connection.close()
            assert client.ask().body == b"ok"  # on a new connection
        port = service.address
    with Client(running.address) as client:
        assert client.ask().status == 502, port


def test_an_upstream_that_speaks_http1(gateway, upstream):
    running = gateway("upstreams: {u: {endpoints: [$UPSTREAM], protocol: http2}}\nroutes: [{name: all, to: u}]")
    upstream.answers.append((b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", CLOSE))
    with Session(running.address) as session:
        assert status(session.get()) == 502


def test_a_slow_client_stops_its_stream_only(gateway):
    size = 8 << 20

    def answer(connection, stream, request):
        connection.respond(stream, bytes(size) if request.get(":path") == "/big" else b"ok")

    with Service(answer) as service:
        running = gateway(config(service))
        with Client(running.address, window=0, opens=False) as client:
            stuck = client.request(path="/big")
            assert client.read_until(lambda: client.answers[stuck].headers)
            time.sleep(0.3)
            connection = service.connections[0]
            left = len(connection.pending[connection_stream(connection)][0])
            assert size - left < 2 << 20
            with Client(running.address) as other:
                for _ in range(5):
                    assert other.ask(path="/small").body == b"ok"
            client.opens = True
            client.send(http2.window_update(0, 1 << 24) + http2.window_update(stuck, 1 << 24))
            assert len(client.answer(stuck, 20).body) == size
        assert len(service.connections) == 1


def connection_stream(connection):
    return next(iter(connection.pending))


def test_a_deaf_upstream_bounds_the_upload(gateway):
    with Service(lambda *_: None, early=True, window=1000) as service:
        running = gateway(config(service))
        with Client(running.address) as client:
            stream = client.request("POST", end=False)
            sent = 0
            while sent < 65535 + client.window_updates[stream]:
                client.send(http2.frame(http2.DATA, 0, stream, bytes(5000)))
                sent += 5000
                client.read_until(lambda: False, 0.02)
            assert sent < 400_000
            assert wait_until(lambda: service.requests and len(service.requests[0].body) == 1000)


def test_reload_to_another_protocol(gateway, upstream):
    with Service() as service:
        text = config(service)
        running = gateway(text)
        with Client(running.address) as client:
            assert client.ask().body == b"ok"
            running.write_config(f"upstreams: {{u: {{endpoints: ['{upstream.address}'], protocol: http1}}}}\nroutes: [{{name: all, to: u}}]")
            running.process.send_signal(signal.SIGHUP)
            assert wait_until(lambda: running.metric("sluice_config_generation") == 2)
            assert client.ask().body == b"ok" and len(upstream.requests) == 1
        assert wait_until(lambda: running.metric("sluice_pool_open") <= 1)
