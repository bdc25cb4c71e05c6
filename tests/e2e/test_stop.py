"""How the gateway ends: drain, its time limit, a second signal, a kill; and starts that fail with a reason."""
import signal
import socket
import subprocess
import time

import pytest

from harness.client import Closed, RawClient, get, status
from harness.gateway import Gateway, binary, complete_config, free_port

ALL = "routes: [{name: all, to: u}]\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def ended(running, seconds=5):
    code = running.process.wait(seconds)
    running.process = None
    return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_finishes_what_is_there_and_takes_nothing_new(gateway, upstream, number):
    running = gateway(ALL, workers=2)
    upstream.answers.append((0.4, OK))
    with RawClient(running.address) as busy, RawClient(running.address) as idle, RawClient(running.address) as kept:
        kept.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        busy_at = time.monotonic()
        assert upstream.wait_requests(1)
        idle.send(b"GET /")  # a request has begun: it may be finished
        running.process.send_signal(number)
        time.sleep(0.1)
        assert running.admin_request("/readyz")[0] == 503 and running.admin_request("/healthz")[0] == 200
        with pytest.raises(OSError):
            RawClient(running.address, 0.5).socket.close()
        assert busy.is_closed(2), "an idle connection stays open while draining"
        idle.send(b" HTTP/1.1\r\nhost: a\r\n\r\n")
        answered = idle.read_response()
        assert answered.body == b"ok" and answered.first("connection") == "close" and idle.is_closed()
        response = kept.read_response()
        assert response.body == b"ok" and kept.is_closed() and time.monotonic() - busy_at >= 0.4
    assert ended(running) == 0


def test_an_idle_gateway_stops_at_once(gateway, upstream):
    running = gateway(ALL, workers=2)
    with RawClient(running.address) as client:
        client.send(REQUEST)
        assert client.read_response().body == b"ok"
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert client.is_closed()
        client.socket.close()  # until then the gateway would linger, at most 2 s
        assert ended(running) == 0 and time.monotonic() - began < 1


def test_until_drain_delay_is_over_connections_are_served(gateway):
    running = gateway(ALL + "drain_delay: 30s", workers=2)
    with RawClient(running.address) as kept:
        kept.send(REQUEST)
        assert not kept.read_response().all("connection")
        running.process.send_signal(signal.SIGTERM)
        while running.admin_request("/readyz")[0] != 503:
            time.sleep(0.01)
        time.sleep(0.3)
        assert kept.is_quiet(), "an idle connection is closed before its time"
        kept.send(REQUEST)
        assert kept.read_response().first("connection") == "close" and kept.is_closed()
        assert get(running.address).first("connection") == "close"
        assert "drain_delay" in running.stderr()
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)  # the second one waits for nothing
        assert ended(running, 20) in (0, 4) and time.monotonic() - began < 10


def test_sigint_waits_for_no_balancer(gateway):
    running = gateway(ALL + "drain_delay: 30s")
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    assert ended(running, 20) == 0 and time.monotonic() - began < 10


def test_drain_timeout_cuts_and_says_so(gateway, upstream):
    running = gateway(ALL + "drain_timeout: 200ms")
    upstream.answers.append((5.0, OK))
    with RawClient(running.address) as client:
        client.send(REQUEST)
        assert upstream.wait_requests(1)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(Closed):
            client.read_response()
        assert ended(running) == 4 and 0.15 < time.monotonic() - began < 2
    assert "drain" in running.stderr()
    assert running.wait_log(lambda line: line["path"] == "/"), "what was cut is not in the log"


def test_a_second_signal_cuts_at_once(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((5.0, OK))
    with RawClient(running.address) as client:
        client.send(REQUEST)
        assert upstream.wait_requests(1)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(Closed):
            client.read_response()
        assert ended(running) in (0, 4) and time.monotonic() - began < 2


def test_the_last_lines_of_the_log_are_written(gateway):
    running = gateway("routes: [{name: all, policies: [respond: {status: 204}]}]")
    with RawClient(running.address) as client:
        client.send(REQUEST * 500)
        for _ in range(500):
            client.read_response()
        running.process.send_signal(signal.SIGTERM)
    assert ended(running) == 0
    assert len(running.log_lines()) == 500


def test_killed_it_starts_again_at_once_on_its_port(loop, upstream, tmp_path):
    running = Gateway(ALL, tmp_path, loop=loop, upstream=upstream.address, workers=2)
    running.start()
    with RawClient(running.address) as client:
        client.send(REQUEST)
        client.read_response()
        running.process.kill()
        running.process.wait()
        began = time.monotonic()
        running.start()
        assert time.monotonic() - began < 2 and status(get(running.address)) == 200
    running.stop()


def start(running, loop):
    return subprocess.run([binary(), "run", running.config_path, "--loop", loop, "--workers", "1"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)


def test_two_on_one_port_are_refused(gateway, loop, upstream, tmp_path):
    running = gateway(ALL)
    other = Gateway(ALL, tmp_path / "other", upstream=upstream.address)
    place = f"127.0.0.1:{running.address[1]}"
    other.config_path.write_text(complete_config(ALL, place, f"127.0.0.1:{free_port()}", upstream.address))
    done = start(other, loop)
    assert done.returncode == 3 and place in done.stderr and "in use" in done.stderr
    other.config_path.write_text(complete_config(ALL, f"127.0.0.1:{free_port()}", f"127.0.0.1:{running.admin[1]}", upstream.address))
    done = start(other, loop)
    assert done.returncode == 3 and f"127.0.0.1:{running.admin[1]}" in done.stderr and "admin" in done.stderr
    assert status(get(running.address)) == 200


def test_a_bad_config_starts_nothing(loop, tmp_path):
    running = Gateway("routes: [{name: all, too: u}]", tmp_path, upstream="127.0.0.1:1")
    done = start(running, loop)
    assert done.returncode not in (0, 3) and "gateway.yaml:1:" in done.stderr and "did you mean" in done.stderr
    with pytest.raises(OSError):
        socket.create_connection(running.address, 0.5)
