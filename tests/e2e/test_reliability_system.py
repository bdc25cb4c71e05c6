"""R22 to R27, R32: what the system may refuse: disk, log reader, clock, descriptors, ports, memory, the network itself."""
import contextlib
import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest

from harness import load as plain_load, namespace
from harness.client import Closed, RawClient, get, status
from harness.l1 import Load, LoadUpstream, l1_rate, run_load
from harness.process import cpu_seconds, rss_kib, serving_pid, wait_for
from harness.promise import length
from harness.upstream import RecordingUpstream

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


def config(upstream, extra="", keys=""):
    return f"""
        upstreams: {{u: {{endpoints: ["{upstream.address}"], {keys}}}}}
        routes: [{{name: all, to: u}}]
        limits: {{max_loop_lag: 0s}}
        {extra}
    """


def cause(response):
    return json.loads(response.body)["cause"]


# ---- R22, R23: the log ----------------------------------------------------------------------------------------------------


def log_counts(running):
    return {name: running.metric(f"sluice_log_{name}") for name in ("lines_total", "lines_dropped_total", "write_errors_total", "failing")}


def account(row, running, outcome, make_room=lambda: None):
    """Every request is a line, written or counted as dropped, once the writer had its turns and the room for them."""
    asked = running.metric("sluice_requests_total")
    told = lambda: sum(log_counts(running)[name] for name in ("lines_total", "lines_dropped_total"))

    def is_told():
        make_room()
        return told() == asked

    wait_for(is_told, 10)
    row.figure("lines neither written nor counted as dropped", asked - told(), at_most=0)
    row.failures(outcome)


@pytest.mark.row("R22", "the log's disk is full: no request waits, lines are counted, writing resumes alone")
def test_r22_log_disk_full(best_loop, gateway, loop, tmp_path, row):
    if loop != best_loop:
        pytest.skip("the loop makes no difference here")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=1m tmpfs {disk} && exec \"$@\"", "sh"]
    done = subprocess.run([*mount, "true"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no mount of our own here: {done.stderr.strip()}")
    with LoadUpstream() as upstream:
        running = gateway(config(upstream, f"access_log: {{to: {disk}/access.log}}"), workers=2, before=mount)
        inside = pathlib.Path(f"/proc/{serving_pid(running)}/root{disk}/access.log")
        with Load(running.address, rate=min(1500, l1_rate(running.address)), agent_bytes=2000) as load:
            full = wait_for(lambda: log_counts(running)["lines_dropped_total"] > 0, 30)
            counts = log_counts(running)
            time.sleep(length(1, 20))
            written = log_counts(running)["lines_total"]
            os.truncate(inside, 0)
            resumed = wait_for(lambda: log_counts(running)["lines_total"] > written, 5)
            outcome = load.end()
        account(row, running, outcome, lambda: os.truncate(inside, 0))
    row.figure("s until lines were dropped", 999 if full is None else full, at_most=30)
    row.figure("sluice_log_failing meanwhile", counts["failing"], at_least=1)
    row.figure("s until it wrote again", 999 if resumed is None else resumed, at_most=1.5)
    row.figure("lines dropped", log_counts(running)["lines_dropped_total"], at_least=1)
    row.judge(outcome)


@pytest.mark.row("R23", "the log's reader is stuck: no request waits, lines are counted, writing resumes alone")
def test_r23_log_reader_stuck(best_loop, gateway, loop, tmp_path, row):
    if loop != best_loop:
        pytest.skip("the loop makes no difference here")
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with LoadUpstream() as upstream:
        running = gateway(config(upstream, f"access_log: {{to: {pipe}}}"), workers=2)
        with Load(running.address, rate=min(1500, l1_rate(running.address)), agent_bytes=2000) as load:
            stuck = wait_for(lambda: log_counts(running)["lines_dropped_total"] > 0, 30)
            time.sleep(length(1, 20))
            written, is_over = log_counts(running)["lines_total"], threading.Event()

            def drink():
                while not is_over.is_set():
                    with contextlib.suppress(BlockingIOError):
                        while os.read(reader, 1 << 16):
                            pass
                    time.sleep(0.001)

            thread = threading.Thread(target=drink)
            thread.start()
            resumed = wait_for(lambda: log_counts(running)["lines_total"] > written + 100, 5)
            outcome = load.end()
        account(row, running, outcome)
        is_over.set()
        thread.join()
    os.close(reader)
    row.figure("s until lines were dropped", 999 if stuck is None else stuck, at_most=30)
    row.figure("s until it wrote again", 999 if resumed is None else resumed, at_most=1)
    row.figure("lines dropped", log_counts(running)["lines_dropped_total"], at_least=1)
    row.judge(outcome)


# ---- R24: the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.row("R24", "the wall clock jumps and stands still: no timeout moves, nothing is lost")
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian's package faketime)")
def test_r24_clock_jumps(gateway, tmp_path, row):
    offset = tmp_path / "offset"

    def set_clock(to):
        fresh = offset.with_suffix(".new")
        fresh.write_text(to + "\n")
        fresh.rename(offset)

    set_clock("+0")
    fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1"}
    with LoadUpstream() as upstream, RecordingUpstream() as silent:
        text = f"""
            upstreams:
              u: {{endpoints: [{upstream.address}]}}
              silent: {{endpoints: [{silent.address}], first_byte_timeout: 1s, health: {{failures: 0}}}}
            routes: [{{name: all, to: u}}, {{name: silent, match: {{path: /silent}}, to: silent}}]
            limits: {{max_loop_lag: 0s}}
        """
        running = gateway(text, workers=2, environment=fake)
        pid, waits = serving_pid(running), []
        with Load(running.address, rate=min(500, l1_rate(running.address))) as load:
            for jump in ("+3600", "-3600", "+400d", "-400d", "2031-01-01 00:00:00", "+0"):
                silent.answers.append((30,))
                with RawClient(running.address, 30) as client:
                    client.send(b"GET /silent HTTP/1.1\r\nhost: a\r\n\r\n")
                    began = time.monotonic()
                    time.sleep(0.2)
                    set_clock(jump)
                    assert cause(client.read_response()) == "upstream_timeout_first_byte"
                    waits.append(time.monotonic() - began)
            outcome = load.end()
            time.sleep(1)
            idle = cpu_seconds(pid)
            time.sleep(1)
            idle = cpu_seconds(pid) - idle
    lines = running.log_lines()
    row.failures(outcome, fault=0)
    row.figure("connections closed while idle", outcome.counted["closed_idle"], at_most=0)
    row.figure("s, shortest wait for a timeout of 1 s across a jump", min(waits), at_least=0.99)
    row.figure("s, longest", max(waits), at_most=1.05, only_long=True)
    row.figure("years that the log's times name", len({line["time"][:4] for line in lines}), at_least=3)
    row.figure("least duration_us in the log", min(line["duration_us"] for line in lines), at_least=0)
    row.figure("greatest duration_us in the log", max(line["duration_us"] for line in lines), at_most=30_000_000)
    row.figure("CPU s in an idle second afterwards", idle, at_most=0.2, only_long=True)
    row.judge(outcome)


# ---- R25, R26: descriptors, ports -----------------------------------------------------------------------------------------


@pytest.mark.row("R25", "out of descriptors: it does not spin, the new are told or served, and it recovers at once")
def test_r25_descriptors(gateway, row):
    with LoadUpstream() as upstream:
        # The cap is higher than the descriptors bear: so it is these that run out.
        running = gateway(config(upstream).replace("max_loop_lag: 0s", "max_loop_lag: 0s, max_connections: 10000, max_connections_per_client: 10000"),
                          workers=2, before=["prlimit", "--nofile=256"])
        pid = serving_pid(running)
        held = []
        for number in range(400):  # each asks once, then holds its connection idle
            client = RawClient(running.address, 3)
            client.send(f"GET /t{number}/0 HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            held.append(client)
        time.sleep(1)
        waits, served = [], 0
        for number in range(5):
            began = time.monotonic()
            with contextlib.suppress(Closed, OSError):
                served += status(get(running.address, f"/t{number}/0")) == 200
            waits.append(time.monotonic() - began)
        shed = running.metric("sluice_connections_shed_total", limit="file_descriptors")
        cpu, began = cpu_seconds(pid), time.monotonic()
        time.sleep(2)
        cpu = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
        for client in held:
            client.socket.close()

        def is_served():
            with contextlib.suppress(Closed, OSError):
                return status(get(running.address, "/t/0")) == 200

        recovered = wait_for(is_served, 10)
        outcome = run_load(running.address, 2, kept=20, rate=200)
    row.figure("connections held against 256 descriptors", len(held))
    row.figure("s until a new client was answered, longest of 5", max(waits), at_most=1.5)
    row.figure("of them served", served, at_least=5)
    row.figure("idle connections closed to make room", shed, at_least=1)
    row.figure("CPU used meanwhile, of one core", cpu, at_most=0.2)
    row.figure("s until it served again", 999 if recovered is None else recovered, at_most=1)
    row.failures(outcome, fault=0)
    row.judge(outcome)


@pytest.mark.row("R26", "out of local ports: a cause of its own, no endpoint is blamed, the pool goes on")
def test_r26_local_ports(gateway, row):
    if refused := namespace.refusal():
        pytest.skip(refused)
    with namespace.NetworkNamespace() as net, net.inside():
        net.run("sh", "-c", "echo 40000 40199 > /proc/sys/net/ipv4/ip_local_port_range")
        with LoadUpstream(delay_ms=1500) as slow:
            running = gateway(config(slow), workers=2)
            outcomes = []
            with contextlib.ExitStack() as loads:
                both = [loads.enter_context(Load(running.address, 4, rate=150, kept=150, short_rate=0, **{"from": f"127.0.0.{n}"})) for n in (2, 3)]
                outcomes = [load.wait(60) for load in both]
            answers = running.metric("sluice_gateway_answers_total", cause="gateway_no_local_port")
            blamed = running.metric("sluice_endpoint_failures_total")
            open_then = running.metric("sluice_pool_connects_total")
            calm = run_load(running.address, 3, rate=40, kept=50, short_rate=0, **{"from": "127.0.0.4"})
            connects = running.metric("sluice_pool_connects_total") - open_then
    kinds = {kind for outcome in outcomes for kind in outcome.failures}
    row.figure("requests, with 200 ports", sum(outcome.asked for outcome in outcomes))
    row.figure("answered 503 gateway_no_local_port", sum(outcome.failures.get("503 gateway_no_local_port", 0) for outcome in outcomes), at_least=1)
    row.figure("the metric says so too", answers, at_least=1)
    row.figure("failures of other kinds", len(kinds - {"503 gateway_no_local_port"}), at_most=0)
    row.figure("failures that the endpoint is blamed for", blamed, at_most=0)
    row.figure("failed when the burst is over", calm.failed, at_most=0)
    row.figure("connections opened then: the pool serves", connects, at_most=0)
    row.judge(f"{kinds} {[str(outcome) for outcome in outcomes]} {calm}")


# ---- R27: memory ----------------------------------------------------------------------------------------------------------


class MemoryGroup:
    """A control group of 64 MiB (version 1 or 2). `refusal` says why there is none."""

    LIMIT = 64 << 20

    def __init__(self):
        self.folder, self.refusal, self.is_v1 = None, None, False
        one = pathlib.Path("/sys/fs/cgroup/memory")
        self.is_v1 = one.is_dir()
        try:
            self.folder = (one if self.is_v1 else pathlib.Path("/sys/fs/cgroup")) / f"sluice-test-{os.getpid()}"
            self.folder.mkdir()
            (self.folder / ("memory.limit_in_bytes" if self.is_v1 else "memory.max")).write_text(str(self.LIMIT))
        except OSError as fault:
            self.refusal = f"control groups for memory cannot be made here: {fault}"

    def killed(self):
        text = (self.folder / ("memory.oom_control" if self.is_v1 else "memory.events")).read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))

    def most_used(self):
        file = self.folder / ("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")
        return int(file.read_text()) if file.exists() else 0

    def remove(self):
        if self.folder and self.folder.is_dir():
            wait_for(lambda: not (self.folder / "cgroup.procs").read_text().strip(), 10)
            with contextlib.suppress(OSError):
                self.folder.rmdir()


@pytest.mark.row("R27", "64 MiB of memory: the load is served, nothing is killed")
def test_r27_memory_group(gateway, row):
    group = MemoryGroup()
    if group.refusal:
        group.remove()
        pytest.skip(group.refusal)
    with LoadUpstream() as upstream:
        join = ["sh", "-c", f"echo $$ > {group.folder}/cgroup.procs && exec \"$@\"", "sh"]
        running = gateway(config(upstream, 'access_log: {to: "off"}'), workers=2, before=join)
        pid = serving_pid(running)
        outcome = run_load(running.address, length(4, 60), rate=min(300, l1_rate(running.address)), large_every=2, large_bytes=200_000)
        rss = rss_kib(pid) / 1024
        assert serving_pid(running) == pid
        running.stop()
    row.failures(outcome, fault=0)
    row.figure("MiB resident", rss, at_most=64)
    row.figure("MiB used at most, kernel's share included", group.most_used() / (1 << 20))
    row.figure("processes killed for memory", group.killed(), at_most=0)
    group.remove()
    row.judge(outcome)


# Takes memory, a megabyte at a time, until the kernel ends it.
HOG = """
taken = []
while True:
    taken.append(bytearray(b"x" * (1 << 20)))
"""


@pytest.mark.row("R27", "out of memory the gateway process is killed: the next one serves, and only what was in flight fails")
def test_r27_killed_for_memory(gateway, row):
    group = MemoryGroup()
    if group.refusal:
        group.remove()
        pytest.skip(group.refusal)
    join = ["sh", "-c", f"echo $$ > {group.folder}/cgroup.procs && exec \"$@\"", "sh"]
    with RecordingUpstream() as upstream:
        running = gateway(config(upstream, 'access_log: {to: "off"}'), workers=2, before=join)
        victim = serving_pid(running)
        pathlib.Path(f"/proc/{victim}/oom_score_adj").write_text("1000")  # first in line, whoever else takes more
        with plain_load.Load(running.address, patience=30) as load:
            time.sleep(0.3)
            subprocess.run([*join, sys.executable, "-c", HOG], capture_output=True, timeout=60)
            next_pid = running.wait_gateway_pid(other_than=[victim])
            assert wait_for(running.is_ready, 20), running.stderr()
            time.sleep(0.3)
        supervisor_lives = running.process.poll() is None
        crashes = running.metric("sluice_gateway_restarts_total", reason="crashed")
        running.stop()
    row.figure("answers", load.answers, at_least=1)
    # Two connections are kept, and each of the other two has one request at a time.
    row.figure("requests in flight that failed", len(load.failed), at_most=4 * int(crashes))
    row.figure("s, longest wait for an answer", load.slowest, at_most=30)
    row.figure("gateway processes killed", int(crashes), at_least=1, at_most=2)
    row.figure("the supervisor lives", int(supervisor_lives), at_least=1)
    row.figure("another process serves", int(next_pid != victim), at_least=1)
    row.figure("core files", len(list(running.folder.glob("core*"))), at_most=0)
    group.remove()
    row.judge(load.failed[:5])


# ---- R32: a network that swallows everything ------------------------------------------------------------------------------


@pytest.mark.row("R32", "packets vanish: each side is answered or let go within its timeout")
def test_r32_black_hole(gateway, row):
    if refused := namespace.refusal():
        pytest.skip(refused)
    with namespace.NetworkNamespace() as here, namespace.NetworkNamespace() as there:
        here.join(there, "10.99.7.1", "10.99.7.2")
        with there.inside():
            upstream = RecordingUpstream(host="10.99.7.2")
        with here.inside():
            running = gateway("""
                listeners: [{name: public, bind: $LISTEN, client_idle_timeout: 1s}, {name: outside, bind: "10.99.7.1:8080", client_idle_timeout: 1s}]
                upstreams: {u: {endpoints: [$UPSTREAM], connect_timeout: 1s, first_byte_timeout: 1s, idle_timeout: 1s, health: {failures: 0}}}
                routes:
                  - {name: all, to: u}
                  - {name: many, match: {path: /many}, policies: [respond: {status: 200, body: "$MANY"}]}
            """.replace("$MANY", "x" * 20_000), upstream=upstream.address)
            waits = {}
            reaches = lambda: wait_for(lambda: status(get(running.address)) == 200, 20)  # the cable takes a moment
            assert reaches()

            def timed(what, ask):
                began = time.monotonic()
                ask()
                waits[what] = time.monotonic() - began

            # An answer that stops in the middle.
            upstream.answers.append((b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome", 60))
            with RawClient(running.address, 20) as client:
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                assert client.reader.until(b"some")
                there.run("ip", "link", "set", "cable", "down")
                timed("cut in mid answer", lambda: client.is_closed(20))
            there.run("ip", "link", "set", "cable", "up")
            assert reaches()

            # A pooled connection whose other end is gone.
            there.run("ip", "link", "set", "cable", "down")
            timed("504 on a pooled connection", lambda: expect(get(running.address), "upstream_timeout_first_byte"))
            timed("504 on a new one", lambda: expect(get(running.address), "upstream_connect_timeout"))
            there.run("ip", "link", "set", "cable", "up")

            # A client that takes nothing more, and never says goodbye.
            with there.inside():
                gone = [RawClient(("10.99.7.1", 8080), 20) for _ in range(10)]
                for client in gone:
                    client.send(b"GET /many HTTP/1.1\r\nhost: a\r\n\r\n" * 500)
            assert wait_for(lambda: running.metric("sluice_connections_open") >= 10)
            there.run("ip", "link", "set", "cable", "down")
            timed("clients let go", lambda: wait_for(lambda: running.metric("sluice_connections_open") == 0, 30))
            there.run("ip", "link", "set", "cable", "up")
            in_flight = running.metric("sluice_requests_in_flight")
            for client in gone:
                client.socket.close()
            upstream.stop()
    for what, wait in waits.items():
        row.figure(f"s, {what} (timeout 1 s)", wait, at_most=3)
        row.figure(f"s over, {what}", wait - 1, at_most=0.05, only_long=what != "clients let go")
    row.figure("requests left in flight", in_flight, at_most=0)
    row.judge()


def expect(response, wanted):
    assert cause(response) == wanted, response.raw
