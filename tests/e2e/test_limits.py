"""What all clients together may make the gateway hold: at each limit and one past it (docs/security.md, rows D01 to D12)."""
import contextlib
import json
import socket
import threading
import time

import pytest

from harness.client import RawClient, exchange, get, status
from harness.gateway import wait_until
from harness.upstream import blackhole

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
ALL = "routes: [{name: all, to: u}]\n"
MIB = 1 << 20


def cause(response):
    return json.loads(response.body)["cause"]


@contextlib.contextmanager
def busy(running, count, path="/"):
    """`count` connections, each with a request in progress for as long as the upstream takes: all must be answered well."""
    with contextlib.ExitStack() as open_now:
        clients = [open_now.enter_context(RawClient(running.address, 30)) for _ in range(count)]
        for client in clients:
            client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        yield clients
        for client in clients:
            assert status(client.read_response()) == 200


def is_refused(response, why):
    return (status(response) == 503 and cause(response) == why and response.first("retry-after") == "1"
            and response.first("connection") == "close")


# ---- connections


@pytest.mark.parametrize("workers", [1, 2])
def test_d03_connections_at_the_limit_and_one_past_it(gateway, upstream, workers):
    running = gateway("limits: {max_connections: 8}\n" + ALL, workers=workers)
    upstream.default = (2.0, OK)
    with busy(running, 8):
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 8)
        with RawClient(running.address) as ninth:
            response = ninth.read_response()  # before it has asked
            assert is_refused(response, "connections_exceeded") and ninth.is_closed()
        assert running.metric("sluice_connections_refused_total", limit="max_connections") == 1
        assert running.metric("sluice_gateway_answers_total", cause="connections_exceeded") == 1
        assert running.metric("sluice_connections_open") == 8 == running.metric("sluice_connections_limit")
    upstream.default = (OK,)
    assert wait_until(lambda: running.metric("sluice_connections_open") == 0)
    assert status(get(running.address)) == 200


def test_d03_the_longest_idle_make_room(gateway, upstream):
    running = gateway("limits: {max_connections: 8}\n" + ALL)
    with contextlib.ExitStack() as open_now:
        clients = []
        for _ in range(8):
            clients.append(open_now.enter_context(RawClient(running.address)))
            clients[-1].send(GET)
            assert status(clients[-1].read_response()) == 200
        clients[0].send(GET)  # the first is not the longest idle any more
        assert status(clients[0].read_response()) == 200
        assert status(get(running.address)) == 200
        assert clients[1].is_closed() and clients[0].is_quiet() and clients[2].is_quiet()
    assert running.metric("sluice_connections_shed_total", limit="max_connections") >= 1
    assert running.metric("sluice_connections_refused_total") == 0


def connect_from(running, ip):
    return socket.create_connection(running.address, 5, source_address=(ip, 0))


@pytest.mark.parametrize("workers", [1, 2])
def test_d03_one_client_at_its_limit_and_one_past_it(gateway, upstream, workers):
    running = gateway("limits: {max_connections_per_client: 5, uncapped_clients: [127.0.0.9]}\n" + ALL, workers=workers)
    with contextlib.ExitStack() as open_now:
        for _ in range(5):
            open_now.enter_context(connect_from(running, "127.0.0.2"))
        for _ in range(20):
            open_now.enter_context(connect_from(running, "127.0.0.9"))
        assert wait_until(lambda: running.metric("sluice_connections_open") == 25)
        with connect_from(running, "127.0.0.2") as sixth:
            answer = sixth.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503 ") and b'"client_connections_exceeded"' in answer
        with connect_from(running, "127.0.0.3") as other:
            other.sendall(GET)
            assert other.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert running.metric("sluice_connections_refused_total", limit="max_connections_per_client") == 1
    assert wait_until(lambda: running.metric("sluice_connections_open") == 0)
    with connect_from(running, "127.0.0.2") as again:
        again.sendall(GET)
        assert again.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_d03_a_reload_changes_the_caps_and_cuts_nobody(gateway, upstream):
    text = "limits: {max_connections_per_client: 2, uncapped_clients: []}\n" + ALL
    running = gateway(text)
    with RawClient(running.address) as first, RawClient(running.address) as second:
        for client in (first, second):
            client.send(GET)
            assert status(client.read_response()) == 200
        with RawClient(running.address) as third:
            assert is_refused(third.read_response(), "client_connections_exceeded")
        generation = running.metric("sluice_config_generation")
        running.write_config(text.replace("client: 2", "client: 3"))
        assert wait_until(lambda: running.metric("sluice_config_generation") > generation)
        time.sleep(0.2)
        assert status(get(running.address)) == 200 and first.is_quiet()
        for client in (first, second):
            client.send(GET)
            assert status(client.read_response()) == 200


def test_what_the_descriptors_allow_is_the_default(gateway):
    running = gateway(ALL)
    with open(f"/proc/{running.process.pid}/limits", encoding="ascii") as limits:
        files = next(int(line.split()[3]) for line in limits if line.startswith("Max open files"))
    assert running.metric("sluice_connections_limit") == (files - 128) // 2


# ---- requests in progress


CRITICAL = """
limits: {max_requests: 10}
routes:
  - {name: checkout, match: {path: /checkout}, priority: critical, to: u}
  - {name: all, match: {path: "/*"}, policies: [headers: {response: {set: {x-policy: ran}}}], to: u}
"""


def test_r08_requests_at_the_limit_and_one_past_it(gateway, upstream):
    running = gateway(CRITICAL)
    upstream.default = (2.0, OK)
    with busy(running, 9):
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 9)
        with RawClient(running.address) as client:
            began = time.monotonic()
            client.send(GET)
            shed = client.read_response()
            took = time.monotonic() - began
            assert status(shed) == 503 and cause(shed) == "gateway_overloaded" and shed.first("retry-after") == "1"
            assert shed.first("x-policy") is None, "no policy has run"
            assert took < 1, "at once, not when there is room"
            with busy(running, 1, "/checkout"):  # the tenth
                assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 10)
                client.send(b"GET /checkout HTTP/1.1\r\nhost: a\r\n\r\n")  # the same connection goes on
                assert cause(client.read_response()) == "gateway_overloaded"
    assert running.metric("sluice_requests_shed_total", limit="max_requests") == 2
    line = running.wait_log(lambda line: line.get("cause") == "gateway_overloaded")
    assert line["detail"] == "requests in progress" and line["side"] == "gateway"
    upstream.default = (OK,)
    assert status(get(running.address)) == 200


def open_loop(address, per_second, seconds, path="/"):
    """Requests at fixed times, whatever became of those before, each on a connection of its own. [(status, seconds)]"""
    seen, threads, began = [], [], time.monotonic()

    def ask():
        at = time.monotonic()
        try:
            response = exchange(address, f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            seen.append((status(response), time.monotonic() - at, response.first("retry-after")))
        except Exception as fault:  # noqa: BLE001 - whatever it was, the request has failed
            seen.append((repr(fault), time.monotonic() - at, None))

    for number in range(int(per_second * seconds)):
        time.sleep(max(0, began + number / per_second - time.monotonic()))
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
    for thread in threads:
        thread.join(30)
    return seen


def test_r08_three_times_what_it_can(gateway, upstream, figure):
    """Capacity: 40 requests at once of 200 ms each, 200 a second; 36 of them for routes that are not critical."""
    running = gateway(CRITICAL.replace("max_requests: 10", "max_requests: 40"))
    upstream.default = (0.2, OK)
    calm = open_loop(running.address, 20, 1)
    assert {one[0] for one in calm} == {200}
    critical = []
    aside = threading.Thread(target=lambda: critical.extend(open_loop(running.address, 10, 3, "/checkout")))
    aside.start()
    seen = open_loop(running.address, 600, 3)
    aside.join()
    assert {one[0] for one in seen} == {200, 503}, "answered, all of them"
    assert all(retry == "1" for code, _, retry in seen if code == 503)
    served = [one for one in seen if one[0] == 200]
    shed = sorted(took for code, took, _ in seen if code == 503)
    goodput = len(served) / 3
    figure(f"3x overload: {goodput:.0f} of 180/s served, shed in {shed[len(shed) // 2] * 1000:.1f} ms (median), critical "
           f"{sum(one[0] == 200 for one in critical)} of {len(critical)}")
    assert goodput > 40 and len(shed) > 300
    assert sum(one[0] == 200 for one in critical) >= 0.9 * len(critical)
    assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)
    assert {one[0] for one in open_loop(running.address, 20, 1)} == {200}, "and it recovers"


# ---- retries


def test_d12_retries_are_a_share_of_what_is_in_progress(gateway, upstream):
    """Every other attempt goes to an address that does not answer; the rest are held for a second, the retries too."""
    with blackhole() as hole:
        running = gateway(f"""
            upstreams: {{u: {{endpoints: ["{hole}", $UPSTREAM], balance: round_robin, connect_timeout: 100ms, health: {{failures: 0}}}}}}
            routes: [{{name: all, to: u}}]
        """)
        upstream.default = (1.0, OK)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(status(get(running.address)))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = running.metric("sluice_retries_refused_total")
        assert answers.count(504) == refused > 0
        # At least 3 at once; at most a fifth of 40 at once.
        assert 3 <= running.metric("sluice_retries_total") <= 8
        assert running.wait_log(lambda line: line.get("retry") == "not retried: `retry_budget` used up")
        upstream.default = (OK,)
        assert {status(get(running.address)) for _ in range(10)} == {200}, "one at a time they are all retried"


# ---- slow clients


def test_d02_who_reads_too_slowly_is_cut_and_who_keeps_the_rate_is_not(gateway, upstream):
    limits = "limits: {min_download_rate: 100KB, rate_grace: 500ms}"
    running = gateway(f"listeners: [{{name: public, bind: $LISTEN, {limits}, client_idle_timeout: 2s}}]\n" + ALL)
    upstream.default = (f"HTTP/1.1 200 OK\r\ncontent-length: {16 * MIB}\r\n\r\n".encode() + bytes(16 * MIB),)
    with contextlib.closing(socket.socket()) as slow, contextlib.closing(socket.socket()) as steady:
        for client in (slow, steady):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
            client.connect(running.address)
            client.sendall(GET)
        line, taken, deadline = None, 0, time.monotonic() + 20
        while line is None and time.monotonic() < deadline:
            slow.recv(1000)  # 20 KB a second
            for _ in range(3):
                taken += len(steady.recv(1 << 14))  # below 1 MB a second: it is not done when the slow one is cut
            line = running.wait_log(lambda line: "cause" in line, 0.05)
        assert line and line["cause"] == "client_too_slow" and line["side"] == "client"
        steady.settimeout(10)
        while taken < 16 * MIB and (data := steady.recv(1 << 18)):  # its head counts too: the last bytes may stay
            taken += len(data)
    assert running.wait_log(lambda line: "cause" not in line), "the other one had the whole answer"


def test_d02_a_body_below_the_rate_is_refused(gateway, upstream):
    limits = "limits: {min_upload_rate: 10KB, rate_grace: 300ms}"
    running = gateway(f"listeners: [{{name: public, bind: $LISTEN, {limits}}}]\n" + ALL)
    with RawClient(running.address) as slow, RawClient(running.address) as steady:
        for client in (slow, steady):
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(100):
            steady.send(bytes(1000))
            if slow.is_quiet(0.02):
                slow.send(b"x")
        assert status(steady.read_response()) == 200
        response = slow.read_response()
        assert status(response) == 408 and cause(response) == "request_body_timeout" and slow.is_closed()
