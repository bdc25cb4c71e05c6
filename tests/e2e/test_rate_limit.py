"""rate_limit over workers, connections and reloads."""
import threading
import time

from harness.client import RawClient, get, status
from harness.gateway import wait_until

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def config(policy, more=""):
    return f"""
upstreams: {{u: {{endpoints: [$UPSTREAM]}}}}
routes:
  - {{name: all, policies: [{policy}], to: u}}
{more}
"""


def test_all_workers_count_as_one(gateway):
    running = gateway(config("{rate_limit: {rates: 100/h}}"), workers=4)
    seen, lock = [], threading.Lock()

    def ask():
        for _ in range(5):
            with RawClient(running.address) as client:  # a worker of the kernel's choice
                for _ in range(3):
                    client.send(REQUEST)
                    answer = status(client.read_response())
                    with lock:
                        seen.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 240 and seen.count(200) == 100 and seen.count(429) == 140
    assert running.metric("sluice_gateway_answers_total", cause="rate_limited") == 140


def test_what_is_used_up_stays_so_over_reloads_until_the_policy_changes(gateway):
    running = gateway(config("{rate_limit: {rates: 2/h}}"))
    assert [status(get(running.address)) for _ in range(3)] == [200, 200, 429]
    running.write_config(config("{rate_limit: {rates: 2/h}}", more="  - {name: new, match: {path: /new}, to: u}"))
    assert wait_until(lambda: running.metric("sluice_config_generation") == 2), running.stderr()
    assert status(get(running.address)) == 429
    running.write_config(config("{rate_limit: {rates: 3/h}}", more="""
tests:
  - request: {url: "http://a.example/"}
    expect: {route: all}
  - request: {url: "http://a.example/"}
    expect: {route: all}
"""))
    assert wait_until(lambda: running.metric("sluice_config_generation") == 3), running.stderr()
    assert [status(get(running.address)) for _ in range(4)] == [200, 200, 200, 429], "tests of a config use nothing up"


def test_it_comes_back_with_time(gateway):
    running = gateway(config("{rate_limit: {rates: 1/s, burst: 1}}"))
    assert status(get(running.address)) == 200
    answer = get(running.address)
    assert status(answer) == 429 and answer.first("retry-after") == "1"
    time.sleep(1)
    assert status(get(running.address)) == 200
