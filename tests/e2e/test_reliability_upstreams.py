"""R11 to R14: upstreams that hang, fail together, are taken out and flap, under load."""
import contextlib
import pathlib
import time

import pytest

from harness.l1 import Load, LoadUpstream, l1_rate
from harness.process import serving_pid, wait_for
from harness.promise import length


@pytest.fixture
def upstreams():
    """upstreams(count, ...) starts that many, named a, b, c ..."""
    with contextlib.ExitStack() as running:
        yield lambda count, **options: [running.enter_context(LoadUpstream("abcdefgh"[i], **options)) for i in range(count)]


def config(members, extra=""):
    endpoints = ", ".join(upstream.address for upstream in members)
    return f"""
        upstreams: {{u: {{endpoints: [{endpoints}], {extra}}}}}
        routes: [{{name: all, to: u}}]
        access_log: {{to: "off"}}
        limits: {{max_loop_lag: 0s}}
    """


def attempts(running, upstream):
    return running.metric("sluice_endpoint_requests_total", endpoint=upstream.address)


def leaks(row, running):
    """What must be back at zero once nobody asks any more."""
    calm = lambda: running.metric("sluice_endpoint_in_flight") == 0 and running.metric("sluice_pool_open") == running.metric("sluice_pool_idle")
    wait_for(calm, 5)
    row.figure("attempts left in flight", running.metric("sluice_endpoint_in_flight"), at_most=0)
    row.figure("upstream connections open and not idle", running.metric("sluice_pool_open") - running.metric("sluice_pool_idle"), at_most=0)


@pytest.mark.row("R11", "one of four endpoints hangs: few notice, one request at a time probes it")
def test_r11_hanging_endpoint(best_loop, loop, gateway, upstreams, row):
    skip_other(loop, best_loop)
    known_after, watched = length(4, 10), length(4, 20)
    members = upstreams(4)
    running = gateway(config(members, "first_byte_timeout: 500ms, health: {failures: 5, set_aside: 1s}"), workers=2)
    hanging = members[0]
    failures = lambda: running.metric("sluice_endpoint_failures_total", endpoint=hanging.address)
    with Load(running.address, rate=l1_rate(running.address)) as load:
        time.sleep(2)
        hanging.pause()
        time.sleep(known_after)
        before = failures()
        time.sleep(watched)
        probes = failures() - before
        hanging.resume()
        served_before = attempts(running, hanging)
        back = wait_for(lambda: attempts(running, hanging) > served_before + 100, 20)
        outcome = load.end()
    good, failed = outcome.after(2 + known_after)
    row.failures(outcome)
    row.figure(f"share failed from {known_after} s on", failed / (good + failed), at_most=0.01)
    # Each probe takes first_byte_timeout, and a longer pause follows than preceded: one at a time is at most this many.
    row.figure(f"probes in {watched} s", probes, at_most=watched / 1.5 + 1)
    row.figure("s until it served again", 999 if back is None else back, at_most=12)
    leaks(row, running)
    row.judge(outcome)


def skip_other(loop, best_loop):
    if loop != best_loop:
        pytest.skip("the loop makes no difference here: it runs on the one that `auto` takes")


@pytest.mark.row("R12", "four of five endpoints fail: the last one is not crushed by the load of all")
def test_r12_panic(best_loop, loop, gateway, upstreams, row):
    skip_other(loop, best_loop)
    members = upstreams(5)
    running = gateway(config(members, "health: {failures: 3, set_aside: 500ms}"), workers=2)
    dead, alive = members[:4], members[4]
    ports = [upstream.port for upstream in dead]
    panics = lambda: running.metric("sluice_upstream_panic", upstream="u")
    with Load(running.address, rate=min(800, l1_rate(running.address))) as load:
        time.sleep(1)
        half = running.metric("sluice_endpoint_set_aside")
        for upstream in dead[:2]:
            upstream.process.kill()
        wait_for(lambda: running.metric("sluice_endpoint_set_aside") == 2)
        calm = panics()  # three of five are in service: no panic
        for upstream in dead[2:]:
            upstream.process.kill()
        panic = wait_for(lambda: panics() == 1, 10)
        tried, all_tried = attempts(running, alive), running.metric("sluice_endpoint_requests_total")
        retried = running.metric("sluice_retries_total")
        time.sleep(2)
        # An exchange's first attempts are what is spread; the rest came after a refused connect.
        retried = running.metric("sluice_retries_total") - retried
        first = running.metric("sluice_endpoint_requests_total") - all_tried - retried
        at_alive = attempts(running, alive) - tried - retried
        with contextlib.ExitStack() as again:
            for name, port in zip("abcd", ports):
                again.enter_context(LoadUpstream(name, port=port))
            over = wait_for(lambda: panics() == 0, 10)
            time.sleep(2)
            outcome = load.end()
    row.failures(outcome, fault=40)  # what was in flight at those killed
    row.figure("set aside before", half, at_most=0)
    row.figure("panic with three of five in service", calm, at_most=0)
    row.figure("s until the panic was seen", 999 if panic is None else panic, at_most=5)
    row.figure("share of first attempts at the last one", at_alive / first, at_most=0.4)
    row.figure("s until it was over", 999 if over is None else over, at_most=5)
    for name in "abcd":
        row.figure(f"answers of {name}, back again", outcome.upstreams.get(name, 0), at_least=100)
    leaks(row, running)
    row.judge(outcome)


def connections_to(pid, port):
    """TCP connections of the machine to that port on a foreign end, established, from /proc."""
    ends_in = f":{port:04X}"
    lines = pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return sum(1 for fields in map(str.split, lines) if fields[2].endswith(ends_in) and fields[3] == "01")


@pytest.mark.row("R13", "an endpoint is taken out: what it has is finished, what is idle is closed")
def test_r13_upstream_removal(gateway, upstreams, row):
    stays, quick = upstreams(2)
    with LoadUpstream("slow", delay_ms=700) as slow:
        running = gateway(config([stays, quick, slow]), workers=2)
        pid = serving_pid(running)
        with Load(running.address, rate=min(1000, l1_rate(running.address))) as load:
            time.sleep(2)
            in_flight = running.metric("sluice_endpoint_in_flight", endpoint=slow.address)
            pooled = connections_to(pid, quick.port)
            running.write_config(config([stays]))
            assert wait_for(lambda: running.metric("sluice_config_generation") == 2)
            idle_closed = wait_for(lambda: connections_to(pid, quick.port) == 0, 10)
            all_closed = wait_for(lambda: connections_to(pid, slow.port) == 0, 10)
            time.sleep(1)
            outcome = load.end()
    row.failures(outcome, fault=0)
    row.figure("in flight at the slow one", in_flight, at_least=1)
    row.figure("connections to the quick one", pooled, at_least=1)
    row.figure("s until those to the quick one were closed", 999 if idle_closed is None else idle_closed, at_most=1)
    row.figure("s until those to the slow one were finished and closed", 999 if all_closed is None else all_closed, at_most=3)
    leaks(row, running)
    row.judge(outcome)


@pytest.mark.row("R14", "an endpoint flaps each 200 ms: no herd of connects, nothing lost but what it had in hand")
def test_r14_upstream_flap(gateway, upstreams, row):
    seconds = length(6, 60)
    steady = upstreams(2)
    with LoadUpstream("flapping", flap_ms=200) as flapping:
        running = gateway(config([*steady, flapping]), workers=2)
        with Load(running.address, rate=min(1000, l1_rate(running.address))) as load:
            time.sleep(seconds)
            outcome = load.end()
        leaks(row, running)
        seen, normal = flapping.end(), [upstream.end() for upstream in steady]
    row.failures(outcome, fault=outcome.asked // 100)
    row.figure("share failed", outcome.failed / outcome.asked, at_most=0.01)
    row.figure("most connects in a second to the flapping one", seen["most_accepted_in_a_second"],
               at_most=2 * max(one["most_accepted_in_a_second"] for one in normal))
    row.judge(outcome)
