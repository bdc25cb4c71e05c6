"""HTTP/2 from clients, in the clear: real clients, the translation to HTTP/1.1, many streams on one connection, leaving."""
import signal
import socket
import subprocess
import threading
import time

import h2.config
import h2.connection
import h2.events

from harness import http2
from harness.client import RawClient, status
from harness.gateway import free_port, wait_until
from harness.http2 import Client
from harness.upstream import CLOSE, CUT

ALL = "routes: [{name: all, to: u}]"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def run(*command, data=None):
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout


def url(running, path="/"):
    return f"http://127.0.0.1:{running.address[1]}{path}"


def body_answer(body):
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def test_curl(gateway, upstream):
    running = gateway(ALL)
    curl = ("curl", "-sS", "--max-time", "20", "--http2-prior-knowledge")
    assert run(*curl, "-w", "|%{http_version}|%{http_code}", url(running, "/a?b=c")) == b"ok|2|200"
    assert b"content-length: 2" in run(*curl, "--head", url(running))
    body = bytes(range(256)) * 4096
    assert run(*curl, "--data-binary", "@-", url(running), data=body) == b"ok"
    upstream.answers.append((body_answer(body),))
    assert run(*curl, url(running)) == body
    assert [message.start.split()[0] for message in upstream.requests] == ["GET", "HEAD", "POST", "GET"]
    assert upstream.requests[2].body == body
    line = running.wait_log(lambda line: line["method"] == "POST")
    assert line["version"] == "2" and line["request_bytes"] > len(body)


def test_nghttp_and_h2load(gateway):
    running = gateway(ALL)
    seen = run("nghttp", "-nv", url(running)).decode()
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100" in seen and ":status: 200" in seen
    told = run("h2load", "-n", "3000", "-c", "5", "-m", "20", url(running)).decode()
    assert "3000 succeeded, 0 failed, 0 errored" in told, told
    assert running.metric("sluice_http2_streams_total") == 3001
    assert running.metric("sluice_http2_connections_total") == 6
    assert running.metric("sluice_http2_calmed_total") == 0
    assert running.metric("sluice_http2_streams_open") == 0


def test_pythons_h2_uploads_on_many_streams(gateway, upstream):
    running = gateway(ALL)
    bodies = {number: bytes([number]) * (20_000 * number) for number in range(1, 8)}
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    left = {}
    with RawClient(running.address) as wire:
        for number, body in bodies.items():
            stream = client.get_next_available_stream_id()
            client.send_headers(stream, [(":method", "PUT"), (":scheme", "http"), (":path", f"/{number}"), (":authority", "a")])
            left[stream] = body
        done = 0
        while done < len(bodies):
            for stream, body in left.items():
                room = min(client.local_flow_control_window(stream), client.max_outbound_frame_size)
                if body and room:
                    left[stream] = body[room:]
                    client.send_data(stream, body[:room], end_stream=not left[stream])
            wire.socket.sendall(client.data_to_send())
            if any(left.values()) and client.outbound_flow_control_window and any(
                    body and client.local_flow_control_window(stream) for stream, body in left.items()):
                continue
            for event in client.receive_data(wire.receive()):
                done += isinstance(event, h2.events.StreamEnded)
    assert {int(message.start.split()[1][1:]): message.body for message in upstream.requests} == bodies


def test_the_preface_cut_everywhere(gateway):
    running = gateway(ALL)
    whole = http2.PREFACE + http2.settings()
    for at in range(1, len(whole)):
        with Client(running.address, preface=False) as client:
            client.send(whole[:at])
            if at % 6 == 1:
                time.sleep(0.003)
            client.send(whole[at:])
            assert client.ask().body == b"ok", at


def test_requests_cut_everywhere(gateway, upstream):
    running = gateway(ALL)
    with Client(running.address) as client:
        for size in (1, 2, 7, 11):
            data = http2.frame(http2.HEADERS, http2.END_HEADERS, client.next_stream,
                               client.block_of("POST", "/x", extra=[("cookie", "a=1"), ("cookie", "b=2")]))
            data += client.data(client.next_stream, b"hello") 
            stream = client.take_stream()
            for at in range(0, len(data), size):
                client.send(data[at:at + size])
            assert client.answer(stream).status == 200
    assert len({(message.start, message.body, message.first("cookie")) for message in upstream.requests}) == 1
    assert len(upstream.requests) == 4


def test_protocols(gateway):
    one = gateway("listeners: [{name: public, bind: $LISTEN, protocols: http1}]\n" + ALL)
    with RawClient(one.address) as client:
        client.send(http2.PREFACE + http2.settings())
        answer = client.read_response()
        assert status(answer) == 505 and b"request_version_unsupported" in answer.body
    two = gateway("listeners: [{name: public, bind: $LISTEN, protocols: [http2]}]\n" + ALL)
    with RawClient(two.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert status(client.read_response()) == 505 and client.is_closed()
    with Client(two.address) as client:
        assert client.ask().body == b"ok"


def test_what_the_upstream_sees(gateway, upstream):
    running = gateway(ALL)
    with Client(running.address) as client:
        extra = [("cookie", "a=1"), ("x-one", "1"), ("cookie", "b=2"), ("te", "trailers"), ("cookie", "c=3"), ("host", "A.example:80")]
        assert client.ask("POST", "/a/../b?c", "a.EXAMPLE:80", extra, body=b"hello").status == 200
        assert client.ask("OPTIONS", "*").status == 200
    first, second = upstream.requests
    fields = dict(first.fields)
    assert first.start == "POST /b?c HTTP/1.1" and first.body == b"hello"
    assert fields["cookie"] == "a=1; b=2; c=3" and fields["host"] == "a.example:80" and fields["x-one"] == "1"
    assert fields["te"] == "trailers" and fields["connection"] == "te" and "transfer-encoding" in fields  # no length was given
    assert second.start.startswith("OPTIONS * ")


def test_interim_and_continue(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n", OK))
    with Client(running.address) as client:
        answer = client.ask()
        assert [dict(head)[":status"] for head in answer.interim] == ["103"] and dict(answer.interim[0])["link"] == "</a.css>"
        stream = client.request("POST", extra=[("expect", "100-continue"), ("content-length", "2")], end=False)
        assert client.read_until(lambda: client.answers[stream].interim)
        assert dict(client.answers[stream].interim[0])[":status"] == "100"
        client.send(client.data(stream, b"hi"))
        assert client.answer(stream).status == 200 and upstream.requests[1].body == b"hi"


def test_bodiless_and_lengths(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.extend([(b"HTTP/1.1 204 No Content\r\n\r\n",), (b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n",),
                             (b"HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n",), (body_answer(b""),)])
    with Client(running.address) as client:
        for method, status, length in (("GET", 204, None), ("GET", 304, None), ("HEAD", 200, "77"), ("GET", 200, "0")):
            answer = client.ask(method)
            assert (answer.status, answer.get("content-length"), answer.body) == (status, length, b""), method


def test_a_shut_window_stops_its_upstream_and_nobody_else(gateway, upstream):
    """H07. The stream holds no more than its buffers; the others go on."""
    size = 32 << 20
    sent = []

    def big(connection):
        connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
        for _ in range(size >> 16):
            connection.sendall(bytes(1 << 16))
            sent.append(1 << 16)

    with big_upstream(big) as address:
        running = gateway(f"upstreams: {{u: {{endpoints: [$UPSTREAM]}}, big: {{endpoints: [{address}]}}}}\n"
                          "routes: [{name: big, match: {path: /big}, to: big}, {name: all, to: u}]")
        with Client(running.address, window=0, opens=False) as client:
            stuck = client.request(path="/big")
            assert client.read_until(lambda: client.answers[stuck].headers)
            assert wait_until(lambda: sum(sent) > 0)
            before = -1
            while before != sum(sent):  # until nothing moves any more
                before = sum(sent)
                time.sleep(0.1)
            assert before < 24 << 20  # what the kernel's buffers take, and ours
            client.send(http2.settings((http2.INITIAL_WINDOW_SIZE, 65535)))
            for _ in range(5):
                assert client.ask(path="/small").body == b"ok"
            client.send(http2.rst(stuck))
            assert client.is_alive()
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)


class big_upstream:
    """An upstream of one answer, made by a function of the socket."""

    def __init__(self, answer):
        self.answer, self.listener = answer, socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                connection.recv(65536)
                try:
                    self.answer(connection)
                except OSError:
                    pass
        except OSError:
            pass

    def __enter__(self):
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def __exit__(self, *_):
        self.listener.close()


def test_an_upload_nobody_takes_is_bounded_by_its_window(gateway, upstream):
    with big_upstream(lambda connection: time.sleep(3)) as address:
        running = gateway(f"upstreams: {{u: {{endpoints: [$UPSTREAM]}}, deaf: {{endpoints: [{address}]}}}}\n"
                          "routes: [{name: deaf, match: {path: /deaf}, to: deaf}, {name: all, to: u}]")
        with Client(running.address) as client:
            stuck = client.request("POST", "/deaf", end=False)
            given = 65536  # the window we are given at first
            taken = 0
            while True:  # as long as windows open
                while taken < given + client.window_updates[stuck] and taken < 64 << 20:
                    size = min(16384, given + client.window_updates[stuck] - taken)
                    client.send(http2.frame(http2.DATA, 0, stuck, bytes(size)))
                    taken += size
                if not client.read_until(lambda: given + client.window_updates[stuck] > taken, 0.3):
                    break
            assert taken < 16 << 20, "what the kernel takes for a deaf peer, and our buffers"
            for _ in range(3):
                assert client.ask("POST", "/u", body=b"x" * 50_000).body == b"ok"


def test_a_cut_answer_is_never_whole(gateway, upstream):
    """S27: RST_STREAM, not END_STREAM; the others on the connection live."""
    running = gateway(ALL)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc", CUT, CLOSE))
    with Client(running.address) as client:
        answer = client.ask()
        assert answer.reset == http2.INTERNAL_ERROR and not answer.is_whole
        assert client.ask().body == b"ok"


def test_gateway_answers_and_refusals(gateway):
    running = gateway("routes: [{name: none, match: {path: /x}, policies: [respond: {status: 418, body: teapot}]}]")
    with Client(running.address) as client:
        answer = client.ask(path="/x")
        assert (answer.status, answer.body) == (418, b"teapot")
        assert client.ask(path="/nowhere").status == 404
        assert client.ask(path="/a%2").status == 400
        assert client.ask(path="/x", body=b"abc", method="POST").status == 418
        assert client.is_alive()


def test_a_client_that_resets_stops_the_work(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((3, OK))
    with Client(running.address) as client:
        stream = client.request()
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 1)
        client.send(http2.rst(stream))
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)
        assert client.ask().body == b"ok"
        assert running.wait_log(lambda line: line.get("cause") == "client_closed")


def test_drain_in_two_steps(gateway, upstream):
    """H12: first GOAWAY says that it will come, and requests are still taken; what is in progress ends well."""
    running = gateway(ALL + "\ndrain_delay: 1s")
    upstream.answers.append((1.5, OK))
    with Client(running.address) as client:
        slow = client.request()
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 1)
        running.process.send_signal(signal.SIGTERM)
        assert client.read_until(lambda: client.goaways)
        assert client.goaways == [(2**31 - 1, http2.NO_ERROR)]
        late = client.request()
        assert client.answer(late).body == b"ok"
        assert client.answer(slow).body == b"ok"
        assert client.read_to_end()
        assert client.goaways == [(2**31 - 1, http2.NO_ERROR), (late, http2.NO_ERROR)] and not client.was_reset
        assert running.process.wait(10) == 0


def test_a_reload_leaves_connections_alone(gateway, upstream):
    running = gateway(ALL)
    with Client(running.address) as client:
        assert client.ask().body == b"ok"
        running.write_config(ALL + "\nglobal_policies: [{headers: {response: {set: {x-new: 'yes'}}}}]")
        running.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: running.metric("sluice_config_generation") == 2)
        assert client.ask().get("x-new") == "yes" and not client.goaways


def test_a_removed_listener_drains(gateway, upstream):
    other = f"127.0.0.1:{free_port()}"
    both = f"listeners: [{{name: public, bind: $LISTEN}}, {{name: other, bind: '{other}'}}]\n" + ALL
    running = gateway(both)
    with Client(("127.0.0.1", int(other.split(":")[1]))) as client, Client(running.address) as stays:
        assert client.ask().body == b"ok" and stays.ask().body == b"ok"
        running.write_config(ALL)
        running.process.send_signal(signal.SIGHUP)
        assert client.read_to_end()
        assert [code for _, code in client.goaways] == [http2.NO_ERROR] * 2
        assert stays.ask().body == b"ok" and not stays.goaways


def test_an_idle_connection_is_told_goodbye(gateway):
    running = gateway("listeners: [{name: public, bind: $LISTEN, keep_alive_timeout: 200ms}]\n" + ALL)
    with Client(running.address) as client:
        stream = client.request()
        assert client.answer(stream).body == b"ok"
        assert client.read_to_end(5) and client.goaways == [(stream, http2.NO_ERROR)]
