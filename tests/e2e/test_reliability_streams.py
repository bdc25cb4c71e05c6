"""R33: WebSockets stay open over reloads that do not concern them."""
import contextlib
import resource
import signal

import pytest

from harness.process import rss_kib, serving_pid, wait_for
from harness.promise import length
from harness.websocket import Client, CrowdUpstream


def config(number):
    return f"""
        routes:
          - {{name: chat, match: {{path: /chat}}, to: u}}
          - {{name: other, match: {{path: "/{number}"}}, to: u}}
        limits: {{max_loop_lag: 0s}}
    """


def reload(running, number):
    running.write_config(config(number))
    running.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: running.metric("sluice_config_generation") == number + 1), running.stderr()


@pytest.mark.row("R33", "reloads close no WebSocket that they do not concern")
def test_r33_reloads_over_open_websockets(gateway, row):
    count, reloads = length(300, 5000), length(20, 200)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with CrowdUpstream() as chat, contextlib.ExitStack() as clients:
            running = gateway(config(0), upstream=chat.address, workers=2)
            open_ones = [clients.enter_context(Client(running.address)) for _ in range(count)]
            for client in open_ones:
                client.echo("hello")
            reload(running, 1)  # what the first reload takes for good is taken before memory is looked at
            before = rss_kib(serving_pid(running))
            for number in range(2, reloads + 2):
                reload(running, number)
            freed = wait_for(lambda: running.metric("sluice_config_plans_live") == 1, 30)
            after = rss_kib(serving_pid(running))
            row.figure("WebSockets", count)
            row.figure("reloads", reloads)
            row.figure("closed", count - int(running.metric("sluice_websockets_open")), at_most=0)
            for client in open_ones:
                client.echo("still there")
            row.figure("s until old plans were gone", 999 if freed is None else freed, at_most=30)
            # A MiB: what a thread's allocator keeps is given back in steps of that size.
            row.figure("memory after / before", after / before, at_most=max(1.05, 1 + 1024 / before))
            row.figure("MiB after", after / 1024)
            row.judge()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
