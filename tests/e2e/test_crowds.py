"""Thousands of hostile clients beside a few good ones (rows D01 to D03, R09): the good ones are served, all of them, and
memory is bounded and comes back. How quick they are served is told in the summary, and measured by bench/hostile.py."""
import contextlib
import os
import socket
import threading
import time

import pytest

from harness.client import Session, get, status
from harness.crowd import Crowd, descriptors
from harness.gateway import wait_until

CROWD = 5000
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
MIB = 1 << 20

needs_descriptors = pytest.mark.skipif(
    descriptors() < CROWD * 2 + 512, reason=f"`ulimit -n` is {descriptors()}: the crowd wants {CROWD * 2 + 512}")
measures_memory = pytest.mark.skipif(
    "SLUICE_SANITIZED" in os.environ, reason="a sanitizer's memory is its own: measured in the release build")


class GoodClients:
    """Two keep-alive clients that ask a hundred times a second together, until the context ends. `took` in seconds."""

    def __init__(self, address):
        self.address, self.took, self.faults, self.is_over = address, [], [], False

    def __enter__(self):
        self.threads = [threading.Thread(target=self.ask) for _ in range(2)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def ask(self):
        with Session(self.address) as session:
            while not self.is_over:
                began = time.monotonic()
                try:
                    response = session.get()
                    if status(response) != 200:
                        self.faults.append(response.raw[:200])
                except Exception as fault:  # noqa: BLE001 - whatever it was, the request has failed
                    self.faults.append(repr(fault))
                    session.close()
                self.took.append(time.monotonic() - began)
                time.sleep(0.02)

    def p99(self):
        return sorted(self.took)[len(self.took) * 99 // 100]


def resident(running):
    """Bytes of the gateway's processes that are in memory: it may be more than one."""
    total, left = 0, [running.process.pid]
    while left:
        process = left.pop()
        with open(f"/proc/{process}/statm", encoding="ascii") as statm:
            total += int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as children:
            left += [int(child) for child in children.read().split()]
    return total


def calm(running):
    with GoodClients(running.address) as good:
        time.sleep(2)
    assert not good.faults
    return good


@needs_descriptors
@measures_memory
def test_d01_five_thousand_that_trickle_their_heads(gateway, upstream, figure):
    running = gateway("""
        access_log: {to: "off"}
        listeners: [{name: public, bind: $LISTEN, request_header_timeout: 3s}]
        routes: [{name: all, to: u}]
    """)
    before = calm(running)
    sizes = []
    for _ in range(3):
        with Crowd(running.address, "slowloris", CROWD) as crowd, GoodClients(running.address) as good:
            time.sleep(4)
            most = resident(running)
        assert not good.faults
        assert crowd.seen["most"] > CROWD * 0.9 and crowd.seen["answers"].get("408", 0) > CROWD / 2, crowd.seen
        assert wait_until(lambda: running.metric("sluice_connections_open") <= 2)
        sizes.append(resident(running))
    figure(f"slowloris, {CROWD}: p99 of good clients {good.p99() * 1000:.1f} ms, {good.p99() / before.p99():.1f} times that "
           f"in peace; {most / MIB:.0f} MiB, afterwards {sizes[-1] / MIB:.0f} MiB")
    assert most < 160 * MIB
    assert sizes[2] < max(sizes[:2]) * 1.1, "what the first waves did not need, the next does not leave behind"
    assert running.metric("sluice_gateway_answers_total", cause="request_header_timeout") > CROWD


@needs_descriptors
def test_d03_a_flood_of_idle_connections(gateway, upstream, figure):
    """Five thousand connect, where a thousand may: idle ones make room for each other and for who has something to say."""
    running = gateway("""
        access_log: {to: "off"}
        limits: {max_connections: 1000}
        routes: [{name: all, to: u}]
    """, workers=2)
    before = calm(running)
    with Crowd(running.address, "idle", CROWD, tick=0.1) as crowd, GoodClients(running.address) as good:
        time.sleep(4)
        assert running.metric("sluice_connections_open") <= 1000
        assert running.metric("sluice_connections_shed_total", limit="max_connections") > 1000
        assert status(get(running.address)) in (200, 503)
    figure(f"flood of idle connections: {crowd.seen['connects']} connects, p99 of good clients {good.p99() * 1000:.1f} ms, "
           f"{good.p99() / before.p99():.1f} times that in peace, {len(good.faults)} of {len(good.took)} disturbed")
    # A good client's connection is idle between its requests, and may be the longest idle: then it connects anew.
    assert len(good.faults) < len(good.took) / 2
    assert calm(running)


SLOW = """
limits: {max_memory: $MEMORY}
listeners: [{name: public, bind: $LISTEN, limits: {rate_grace: 60s}}]
routes:
  - {name: small, match: {path: /small}, policies: [respond: {status: 200, body: ok}]}
  - {name: all, to: u}
"""
BIG = 16 * MIB  # fits no buffer
BIG_ANSWER = (f"HTTP/1.1 200 OK\r\ncontent-length: {BIG}\r\n\r\n".encode() + bytes(BIG),)


def is_served(running):
    return status(get(running.address, "/small")) == 200


def test_r09_requests_are_refused_when_memory_is_short(gateway, upstream):
    """Readers that take nothing come one by one, until the budget has less than 15 % left."""
    running = gateway(SLOW.replace("$MEMORY", "8MiB"))
    upstream.default = BIG_ANSWER
    with contextlib.ExitStack() as open_now:
        for _ in range(100):
            reader = open_now.enter_context(contextlib.closing(socket.socket()))
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(running.address)
            reader.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            time.sleep(0.05)
            answer = get(running.address, "/small")
            if status(answer) == 503:
                break
        assert status(answer) == 503 and answer.first("retry-after") == "1" and b'"gateway_overloaded"' in answer.body
        assert 0.8 * 8 * MIB < running.metric("sluice_memory_bytes") < 8 * MIB
        assert running.metric("sluice_requests_shed_total", limit="max_memory") == 1 == running.metric("sluice_overloaded")
    assert wait_until(lambda: is_served(running)) and running.metric("sluice_overloaded") == 0
    assert running.wait_log(lambda line: line.get("cause") == "gateway_overloaded")["detail"] == "memory"


@measures_memory
def test_r09_slow_readers_meet_the_bound_of_memory(gateway, upstream, figure):
    """Forty readers that take nothing come at once: more than the budget holds, so some are cut, and memory stays bounded."""
    readers, budget = 40, 4 * MIB
    running = gateway(SLOW.replace("$MEMORY", "4MiB"))
    upstream.default = BIG_ANSWER
    assert is_served(running)
    before = resident(running)
    with Crowd(running.address, "readers", readers, tick=0.05, receive_buffer=4096):
        assert wait_until(lambda: running.metric("sluice_accept_pauses_total") >= 1)
        most = max(resident(running) for _ in range(100) if not time.sleep(0.02))
        held = running.metric("sluice_memory_bytes")
    cut = running.metric("sluice_gateway_answers_total", cause="gateway_memory_exhausted")
    assert wait_until(lambda: running.metric("sluice_accept_paused") == 0)
    assert wait_until(lambda: is_served(running) and running.metric("sluice_memory_bytes") < MIB)
    after = resident(running)
    figure(f"{readers} readers that take nothing of {BIG // MIB} MiB, budget {budget // MIB} MiB: {cut:.0f} cut; "
           f"{before / MIB:.0f} MiB before, {most / MIB:.0f} MiB at most, {after / MIB:.0f} MiB after")
    assert held < budget * 1.1
    # What a worker may keep of free blocks comes on top, and the block that is being read into.
    assert most - before < budget * 1.1 + 16 * MIB
    assert after <= most * 1.1


def test_r09_when_memory_is_short_idle_connections_go_and_accepting_stops(gateway, upstream):
    """At 95 % and at 98 %, for as long as it lasts: who connects meanwhile waits, and is answered."""
    running = gateway(SLOW.replace("$MEMORY", "1MiB, exchange_buffer: 512KiB"))
    upstream.default = BIG_ANSWER
    with Session(running.address) as idle:
        assert status(idle.get("/small")) == 200
        with Crowd(running.address, "readers", 8, tick=0.05, receive_buffer=4096):
            assert wait_until(lambda: running.metric("sluice_accept_pauses_total") >= 1)
            assert idle.client.is_closed()
            waiting = socket.create_connection(running.address, 10)
            waiting.sendall(b"GET /small HTTP/1.1\r\nhost: a\r\n\r\n")
    assert running.metric("sluice_connections_shed_total", limit="max_memory") >= 1
    with waiting:
        waiting.settimeout(20)
        assert waiting.recv(100).startswith(b"HTTP/1.1 ")
    assert wait_until(lambda: running.metric("sluice_accept_paused") == 0)
    assert wait_until(lambda: is_served(running))
