#!/usr/bin/env python3
"""What good clients feel while thousands of hostile ones are there: latency at a fixed rate, in turns with and without them,
and the gateway's memory. Uses lg and upstream of this folder, and the crowds of the end-to-end tests.

    python3 bench/hostile.py --bin build/bench [--rounds 3] [--secs 5] [--rate 1000] [--crowd 5000] [--loop epoll]

Prints one line for each kind of crowd: the median over the rounds of p99 in peace, of p99 under attack, their ratio, what
became of the good requests, and the most memory. Pins the gateway to core 0, everything else to core 1."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness.crowd import Crowd, descriptors  # noqa: E402
from harness.gateway import Gateway, free_port  # noqa: E402

CONFIG = """
access_log: {{to: "off"}}
listeners: [{{name: public, bind: $LISTEN, request_header_timeout: 3s}}]
limits: {{max_connections: {crowd}}}
upstreams: {{u: {{endpoints: [$UPSTREAM]}}}}
routes: [{{name: all, to: u}}]
"""
# Of a crowd: its kind, the part of --crowd that takes part, and its options. Readers hold megabytes of the kernel each.
CROWDS = [("slowloris", 1.0, {"tick": 0.5}), ("idle", 1.0, {"tick": 0.5}),
          ("readers", 0.02, {"tick": 0.1, "take": 100, "path": f"/b/{16 << 20}", "receive_buffer": 4096})]


def resident_mib(process):
    with open(f"/proc/{process}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def load(options, gateway, seconds):
    out = subprocess.run([options.bin / "lg", "--port", str(gateway.address[1]), "--conns", "16", "--secs", str(seconds),
                          "--rate", str(options.rate), "--path", "/b/128"], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def measure(options, gateway, kind, part, how):
    peace, war, most, answered, failed = [], [], 0.0, 0, 0
    for _ in range(options.rounds):
        peace.append(load(options, gateway, options.secs)["p99"])
        with Crowd(gateway.address, kind, max(int(options.crowd * part), 1), **how) as crowd:
            # The crowd shares a core with the load and the upstream: whatever time these want is theirs, so that what is
            # measured is the gateway; and the upstream first has to have filled what readers let lie.
            os.sched_setscheduler(crowd.process.pid, os.SCHED_IDLE, os.sched_param(0))
            time.sleep(2)
            seen = load(options, gateway, options.secs)
            most = max(most, resident_mib(gateway.process.pid))
        war.append(seen["p99"])
        answered += seen["ok"]
        failed += seen["errs"] + seen["non2xx"]
        time.sleep(1)
    before, under = statistics.median(peace), statistics.median(war)
    print(f"{kind:10} {int(options.crowd * part):6} clients: p99 {before:8.0f} us in peace, {under:8.0f} us beside them: "
          f"{under / before:5.2f} times; of {options.rate * options.secs * options.rounds} good requests {answered} answered in "
          f"time, {failed} failed; {most:.0f} MiB at most", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=int, default=5)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--crowd", type=int, default=5000)
    parser.add_argument("--loop", default="epoll")
    options = parser.parse_args()
    if descriptors() < 2 * options.crowd + 512:
        sys.exit(f"`ulimit -n` is {descriptors()}: {2 * options.crowd + 512} are needed, or a smaller --crowd")
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    port = free_port()
    upstream = subprocess.Popen([options.bin / "upstream", "--port", str(port), "--threads", "1"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            # Room for half of an idle crowd and the good ones: the rest has to make room for each other.
            for kind, part, how in CROWDS:
                config = CONFIG.format(crowd=options.crowd // 2 if kind == "idle" else options.crowd * 3 // 2 + 100)
                with Gateway(config, pathlib.Path(folder) / kind, loop=options.loop, arguments=["--no-supervisor"],
                             upstream=f"127.0.0.1:{port}") as gateway:
                    for thread in os.listdir(f"/proc/{gateway.process.pid}/task"):
                        os.sched_setaffinity(int(thread), {cores[0]})
                    load(options, gateway, 1)
                    measure(options, gateway, kind, part, how)
    finally:
        upstream.terminate()
        upstream.wait()


main()
