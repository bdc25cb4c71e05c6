"""Bodies of any size in bounded memory. SLUICE_BODY_GIB (default 4) sets the size of the two big ones."""
import os
import re
import socket
import threading
import time

import pytest

from harness.client import RawClient

MIB = 1 << 20
BIG_BYTES = int(float(os.environ.get("SLUICE_BODY_GIB", "4")) * 1024) * MIB
MOST_RSS = 64 * MIB
SANITIZED = "SLUICE_SANITIZED" in os.environ  # their memory is not what is measured
ALL = "routes: [{name: all, to: u}]"


def rss(running):
    """(now, most so far) of the gateway, in bytes."""
    text = open(f"/proc/{running.gateway_pid()}/status").read()
    return tuple(int(re.search(name + r":\s*(\d+) kB", text).group(1)) * 1024 for name in ("VmRSS", "VmHWM"))


def check_memory(running):
    assert SANITIZED or rss(running)[1] < MOST_RSS, f"{rss(running)[1] / MIB:.0f} MiB"


class BulkUpstream:
    """Serves one connection: reads a request with a body of known length, then writes `answer_bytes` (with pauses)."""

    def __init__(self, answer_bytes=2, read_pause=0.0):
        self.answer_bytes, self.read_pause = answer_bytes, read_pause
        self.received = self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            connection, _ = self.listener.accept()
            with connection:
                self.serve_one(connection)
        except OSError:
            pass

    def serve_one(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int((re.search(rb"content-length: (\d+)", head) or [0, 0])[1])
        self.received, block = len(rest), memoryview(bytearray(MIB))
        while self.received < length:
            time.sleep(self.read_pause)
            count = connection.recv_into(block)
            if count == 0:
                return
            self.received += count
        connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {self.answer_bytes}\r\n\r\n".encode())
        send(connection, self.answer_bytes, self)

    def stop(self):
        self.listener.close()


def send(connection, count, tally=None):
    block = memoryview(bytearray(MIB))
    while count > 0:
        sent = connection.send(block[:min(count, MIB)])
        count -= sent
        if tally is not None:
            tally.sent += sent


@pytest.fixture
def bulk():
    made = []

    def make(**options):
        made.append(BulkUpstream(**options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_a_big_upload(gateway, bulk):
    to = bulk()
    running = gateway(ALL, upstream=to.address)
    with RawClient(running.address, 60) as client:
        client.send(f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BIG_BYTES}\r\n\r\n".encode())
        send(client.socket, BIG_BYTES)
        assert client.read_response().start == "HTTP/1.1 200 OK"
    assert to.received == BIG_BYTES
    check_memory(running)
    assert running.wait_log(lambda line: line["status"] == 200)["request_bytes"] > BIG_BYTES


def test_a_big_download(gateway, bulk):
    running = gateway(ALL, upstream=bulk(answer_bytes=BIG_BYTES).address)
    with RawClient(running.address, 60) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client.reader.until(b"\r\n\r\n")
        received, block = len(client.reader.pending), memoryview(bytearray(MIB))
        while received < BIG_BYTES:
            count = client.socket.recv_into(block)
            assert count, f"ended after {received} bytes"
            received += count
    assert received == BIG_BYTES
    check_memory(running)


def settled(value):
    """Waits until value() stands still; returns it."""
    last, still = value(), 0
    for _ in range(100):
        time.sleep(0.05)
        now = value()
        still = still + 1 if now == last else 0
        last = now
        if still == 6:
            break
    return last


def test_who_does_not_read_stops_the_upstream(gateway, bulk):
    source = bulk(answer_bytes=128 * MIB)
    running = gateway(ALL, upstream=source.address)
    with RawClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        held = settled(lambda: source.sent)
        assert held < 32 * MIB, "what is not read is taken from the upstream all the same"
        check_memory(running)
        assert client.read_response().body == bytes(128 * MIB)
    check_memory(running)


def test_an_upstream_that_does_not_read_stops_the_client(gateway, bulk):
    sink = bulk(read_pause=0.5)
    running = gateway(ALL, upstream=sink.address)
    with RawClient(running.address) as client:
        client.send(f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {256 * MIB}\r\n\r\n".encode())
        client.socket.setblocking(False)
        sent, block = 0, bytes(MIB)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and sent < 256 * MIB:
            try:
                sent += client.socket.send(block)
            except BlockingIOError:
                time.sleep(0.01)
        assert sent < 32 * MIB
        check_memory(running)


def test_a_hundred_slow_readers_cost_little(gateway, upstream):
    """One chunk in flight for each exchange, in each direction."""
    running = gateway(ALL)
    size = MIB
    upstream.default = (f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + bytes(size),)
    clients = [RawClient(running.address, 30) for _ in range(100)]
    for client in clients:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    time.sleep(1)
    check_memory(running)
    for client in clients[:3]:
        assert len(client.read_response().body) == size
    for client in clients:
        client.socket.close()
