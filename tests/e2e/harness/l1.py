"""The load "L1" (tests/load) against a gateway, and the upstreams behind it, as child processes.

L1 is 200 kept connections and 50 connections a second that serve one request each, open loop, at a rate well below what
the gateway can do, each answer verified. What the gateway does not speak yet (TLS, HTTP/2, WebSocket) is left out."""
import collections
import json
import os
import pathlib
import signal
import subprocess

from .gateway import ROOT

PROGRAM = pathlib.Path(os.environ.get("SLUICE_LOAD", ROOT / "build/release/sluice-load"))
KEPT, SHORT_RATE = 200, 50
SHARE = 0.3           # of the measured capacity
MOST_RATE = float(os.environ.get("SLUICE_LOAD_MOST_RATE", "2000"))  # so that short runs leave the machine to others


class Process:
    """A child that prints one JSON object when it is told to end. `before` stands in front of its command line."""

    def __init__(self, kind, before=(), **options):
        words = [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), str(value))]
        self.process = subprocess.Popen([*before, PROGRAM, kind, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def pause(self):
        """As a hanging process: the kernel goes on accepting for it, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def is_running(self):
        return self.process.poll() is None

    def end(self, seconds=60):
        """Tells it to end; what it counted."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.result(seconds)

    def result(self, seconds):
        """Waits for it to end by itself; what it counted."""
        text, _ = self.process.communicate(timeout=seconds)
        return json.loads(text.strip().splitlines()[-1])


class LoadUpstream(Process):
    def __init__(self, name="u", before=(), **options):
        super().__init__("upstream", before, name=name, **options)
        self.name = name
        self.port = int(self.process.stdout.readline())
        self.address = f"{options.get('address', '127.0.0.1')}:{self.port}"


class Outcome:
    """What came of a load. Failures by who caused them: `us`, the `fault` that the test made, or `unknown`.

    The client sees only its own side, so a response that was cut or did not come in time is unknown: a row that makes such a
    fault says so in `faults`, a row that does not counts it as ours."""

    # What nothing but the gateway can be to blame for.
    OURS = ("connect_refused", "connect_failed", "connect_timed_out", "wrong_answer", "reset_unanswered", "closed_unanswered", "never_sent")

    def __init__(self, counted):
        self.counted = counted
        self.asked, self.good, self.raced = counted["asked"], counted["good"], counted["raced"]
        self.failures, self.first = counted["failures"], counted["first"]
        self.timeline, self.upstreams = counted["timeline"], counted["upstreams"]
        self.p99_ms = counted["p99_us"] / 1000

    def blame(self):
        to = collections.Counter(us=0, fault=0, unknown=0)
        for kind, count in self.failures.items():
            status, _, cause = kind.partition(" ")
            if kind in self.OURS or cause.startswith(("gateway_", "request_", "response_", "no_route", "connections_", "client_")):
                to["us"] += count
            elif status.isdigit():
                to["fault"] += count  # the upstream's own answer, or one that names what the upstream did
            else:
                to["unknown"] += count
        return to

    @property
    def failed(self):
        return sum(self.failures.values())

    def after(self, seconds):
        """(good, failed) from that second on."""
        rest = self.timeline[int(seconds):]
        return sum(one["good"] for one in rest), sum(one["failed"] for one in rest)

    def __str__(self):
        return f"{self.asked} asked, {self.good} good, {self.raced} raced, failures {self.failures}, the first {self.first[:3]}"


class Load(Process):
    def __init__(self, address, seconds=3600, rate=500, kept=KEPT, short_rate=SHORT_RATE, before=(), **options):
        super().__init__("client", before, to=f"{address[0]}:{address[1]}", seconds=seconds, rate=rate, kept=kept,
                         short_rate=short_rate, **options)

    def end(self, seconds=60):
        return Outcome(super().end(seconds))

    def wait(self, seconds):
        return Outcome(self.result(seconds))


def run_load(address, seconds, **options):
    with Load(address, seconds, **options) as load:
        return load.wait(seconds + 60)


def l1_rate(address):
    """Requests a second for L1 here: a share of what a closed loop of 64 connections gets through."""
    capacity = run_load(address, 1, rate=0, kept=64, short_rate=0)
    return max(100, min(MOST_RATE, SHARE * capacity.good))
