"""HTTP/1.1 on the wire as clients use it: curl and raw sockets; what a connection survives and what it does not."""
import os
import subprocess
import threading
import time

import pytest

from harness.client import Closed, RawClient, Session, exchange, status
from harness.gateway import wait_until
from harness.upstream import CUT, EARLY

ALL = "routes: [{name: all, to: u}]"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def curl(*arguments, data=None):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], input=data, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def url(running, path="/"):
    return f"http://127.0.0.1:{running.address[1]}{path}"


def test_a_connection_serves_many_and_finds_the_pool(gateway, upstream):
    running = gateway(ALL)
    with Session(running.address) as session:
        assert [session.get().body for _ in range(100)] == [b"ok"] * 100
    assert upstream.connections == 1 and running.metric("sluice_pool_reuses_total") == 99
    assert running.metric("sluice_connections_total") == 1


def test_a_hundred_pipelined(gateway, upstream):
    running = gateway(ALL)
    sizes = [number * 37 % 300 for number in range(100)]
    upstream.answers.extend((f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + b"x" * size,) for size in sizes)
    with RawClient(running.address) as client:
        client.send(b"".join(f"GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n".encode() for number in range(100)))
        assert [len(client.read_response().body) for _ in range(100)] == sizes
        assert client.is_quiet()
    assert [message.start.split()[1] for message in upstream.requests] == [f"/{number}" for number in range(100)]


def test_ten_thousand_pipelined_by_one_who_reads_late(gateway):
    """The queue of what waits is bounded: it is the client's sending that stops."""
    running = gateway("routes: [{name: all, policies: [respond: {status: 200, body: ok}]}]")
    request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    with RawClient(running.address) as client:
        sender = threading.Thread(target=client.socket.sendall, args=(request * 10_000,))
        sender.start()
        time.sleep(0.2)
        for _ in range(10_000):
            assert client.read_response().body == b"ok"
        sender.join(5)


def test_half_closed_is_not_gone(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((0.1, OK))
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client.finish()
        assert client.read_response().body == b"ok" and client.is_closed()


def test_half_closed_behind_several(gateway, upstream):
    running = gateway(ALL)
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 5)
        client.finish()
        assert [client.read_response().body for _ in range(5)] == [b"ok"] * 5
        assert client.is_closed()


def test_curl_http10_head_and_chunked_upload(gateway, upstream):
    running = gateway(ALL)
    assert curl("--http1.0", url(running)) == b"ok"
    assert b"content-length: 2" in curl("--head", url(running))
    data = bytes(range(256)) * 1000
    assert curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@-", url(running), data=data) == b"ok"
    assert upstream.requests[-1].body == data and upstream.requests[-1].first("transfer-encoding") == "chunked"


def test_curl_waits_for_100_continue(gateway, upstream):
    running = gateway(ALL)
    data = b"x" * 2_000_000  # curl asks for leave above 1 MB
    began = time.monotonic()
    told = curl("-v", "--stderr", "-", "--expect100-timeout", "10", "--data-binary", "@-", url(running), data=data)
    assert b"HTTP/1.1 100 Continue" in told and time.monotonic() - began < 5
    assert upstream.requests[0].body == data and not upstream.requests[0].all("expect")


def test_curl_reuses_its_connection(gateway, upstream):
    running = gateway(ALL)
    assert curl(url(running), url(running, "/b"), url(running, "/c")) == b"okokok"
    assert running.metric("sluice_connections_total") == 1


@pytest.mark.parametrize("framing", ["content-length: 20000000", "transfer-encoding: chunked"])
def test_an_early_answer_reaches_a_client_that_is_still_sending(gateway, upstream, framing):
    running = gateway(ALL)
    upstream.answers.append((EARLY, b"HTTP/1.1 413 No\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig"))
    with RawClient(running.address) as client:
        client.send(f"POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n".encode())
        block = b"10000\r\n" + b"x" * 65536 + b"\r\n" if "chunked" in framing else b"x" * 65536
        sender = threading.Thread(target=client.send, args=(block * 100,))
        sender.start()
        response = client.read_response()
        assert status(response) == 413 and response.body == b"big"
        sender.join(10)
        assert client.is_closed()
    assert status(exchange(running.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")) == 200  # not on that connection


def test_a_client_gone_in_mid_upload_takes_the_upstream_request_along(gateway, upstream):
    running = gateway(ALL)
    with RawClient(running.address) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhello")
        assert wait_until(lambda: upstream.sockets)
        time.sleep(0.05)
        client.reset()
    assert wait_until(lambda: not upstream.sockets), "the upstream's connection stays open"
    assert not upstream.requests
    line = running.wait_log(lambda line: line["cause"] == "client_closed")
    assert line["status"] == 499 and line["side"] == "client"


def test_a_client_gone_while_the_upstream_thinks(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((0.3, OK))
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert wait_until(lambda: upstream.requests)
        client.reset()
    assert running.wait_log(lambda line: line.get("cause") == "client_closed", 2)
    assert running.metric("sluice_requests_in_flight") == 0


def test_a_client_gone_in_mid_download_stops_the_upstream(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 4000))
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client.reader.until(b"\r\n\r\n")
        client.reset()
    assert wait_until(lambda: not upstream.sockets)
    assert running.wait_log(lambda line: line.get("cause") == "client_closed")["status"] == 200
    assert status(exchange(running.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")) == 200


def test_an_upstream_that_is_cut_cuts_the_client(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", CUT, "close"))
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises(Closed) as told:
            client.read_response()
    assert b"0\r\n\r\n" not in told.value.args[0]
    with subprocess.Popen(["curl", "-sS", url(running, "/again")], stdout=subprocess.PIPE) as process:
        assert process.communicate(timeout=10)[0] == b"ok"


def test_many_connections_come_and_go(gateway):
    running = gateway(ALL, workers=2)
    for _ in range(5):
        clients = [RawClient(running.address) for _ in range(100)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert [client.read_response().body for client in clients] == [b"ok"] * 100
        for client in clients:
            client.socket.close()
    assert wait_until(lambda: running.metric("sluice_connections_open") == 0)
    assert running.metric("sluice_connections_total") == 500


def test_no_file_descriptor_stays_behind(gateway):
    running = gateway(ALL)
    count = lambda: len(os.listdir(f"/proc/{running.gateway_pid()}/fd")) - running.metric("sluice_pool_open")
    with Session(running.address) as session:
        session.get()
    assert wait_until(lambda: running.metric("sluice_connections_open") == 0)
    before = count()
    for number in range(200):
        with RawClient(running.address) as client:
            client.send([b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /", b"nonsense\r\n\r\n"][number % 3])
            if number % 2:
                client.reset()
    counts = []
    for _ in range(20):
        time.sleep(0.3)  # scraping fast, the scrapes' own connections would be what is counted
        counts.append(count())
        if counts[-1] <= before + 5:
            return
    pytest.fail(f"{before} descriptors before, then {counts}")
