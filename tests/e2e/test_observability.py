"""What an operator sees: the access log, metrics, health."""
import collections
import json
import re
import signal
import subprocess
import time

from harness.client import RawClient, Session, exchange, get, status
from harness.gateway import wait_until

ALL = "routes: [{name: all, to: u}]\n"
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (NaN|[+-]Inf|-?[0-9.eE+-]+)')


# ---- log ----------------------------------------------------------------------------------------------------------------


def test_each_exchange_is_one_line_that_says_all(gateway, upstream):
    running = gateway("routes: [{name: all, policies: [request_id: {}], to: u}]")
    exchange(running.address, b"POST /a/b?c=d&password=x HTTP/1.1\r\nhost: Example.com:80\r\ncontent-length: 5\r\nuser-agent: me\r\n"
                              b"referer: http://r/\r\nx-request-id: my-id-1\r\n\r\nhello")
    line = running.wait_log(lambda line: True)
    wanted = {"id": "my-id-1", "listener": "public", "route": "all", "upstream": "u", "endpoint": upstream.address,
              "client": "127.0.0.1", "method": "POST", "host": "example.com", "path": "/a/b", "query": "c=d&password=***",
              "version": "1.1", "status": 200, "user_agent": "me", "referer": "http://r/", "generation": 1}
    assert {key: line.get(key) for key in wanted} == wanted
    assert "cause" not in line or not line["cause"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z", line["time"])
    assert 0 < line["upstream_first_byte_us"] <= line["duration_us"] < 5_000_000
    assert line["request_bytes"] > 100 and line["response_bytes"] > 20
    assert upstream.requests[0].first("x-request-id") == "my-id-1"


def raw_lines(path):
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return data.split(b"\n")[:-1]


def test_hostile_bytes_make_one_valid_line_each(gateway, tmp_path):
    log = tmp_path / "access.log"
    running = gateway(ALL + f"access_log: {{to: {log}}}")
    hostile = [bytes([byte]) for byte in range(256)] + [b'"}\n{"status":1', b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                                                       b"\\u0000", b"\x1b[2J", b"\xe2\x80\xa8", b'"' * 5000, b"\\" * 7000, b"\xff" * 7900]
    for piece in hostile:
        for request in (b"GET /a?" + piece + b" HTTP/1.1\r\nhost: a\r\n\r\n",
                        b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: " + piece + b"\r\n\r\n",
                        b"G" + piece + b" / HTTP/1.1\r\nhost: a\r\n\r\n"):
            with RawClient(running.address) as client:
                client.send(request)
                client.finish()
                client.reader.until(b"\r\n\r\n")
    began = running.metric("sluice_requests_begun_total")
    assert began > 3 * len(hostile) * 0.98
    assert wait_until(lambda: len(raw_lines(log)) >= began)
    lines = raw_lines(log)
    assert len(lines) == began
    for line in lines:
        assert len(line) <= 8192 and not re.search(rb"[\x00-\x1f\x7f]", line)
        parsed = json.loads(line.decode("utf-8"))  # strict: valid UTF-8, valid JSON
        assert parsed["status"] in (200, 400, 414, 431, 501, 505), parsed


def test_the_log_file_moves_at_sighup(gateway, tmp_path):
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    running = gateway(ALL + f"access_log: {{to: {log}}}")
    get(running.address, "/before")
    assert wait_until(lambda: log.exists() and b"/before" in log.read_bytes())
    log.rename(moved)
    get(running.address, "/between")
    assert wait_until(lambda: b"/between" in moved.read_bytes())
    running.process.send_signal(signal.SIGHUP)
    assert wait_until(log.exists)
    get(running.address, "/after")
    assert wait_until(lambda: b"/after" in log.read_bytes())
    assert b"/after" not in moved.read_bytes() and len(raw_lines(log)) == 1 and len(raw_lines(moved)) == 2
    assert not running.log_lines(), "the log goes to stdout too"


def test_a_full_disk_costs_lines_but_no_requests(gateway):
    running = gateway(ALL + "access_log: {to: /dev/full}", workers=1)
    with Session(running.address) as session:
        for _ in range(300):
            assert status(session.get(fields="user-agent: " + "x" * 4000 + "\r\n")) == 200
    assert wait_until(lambda: running.metric("sluice_log_failing") == 1)
    assert running.metric("sluice_log_write_errors_total") > 0 and running.metric("sluice_log_lines_total") == 0


def test_log_off_and_moved_by_a_reload(gateway, tmp_path):
    running = gateway(ALL + "access_log: {to: off}")
    get(running.address, "/off")
    log = tmp_path / "access.log"
    running.write_config(ALL + f"access_log: {{to: {log}}}")
    assert wait_until(lambda: running.metric("sluice_config_generation") == 2)
    get(running.address, "/on")
    assert wait_until(lambda: log.exists() and b"/on" in log.read_bytes())
    assert len(raw_lines(log)) == 1 and not running.log_lines()


def test_who_reads_the_log_slowly_stops_nobody(loop, upstream, tmp_path):
    """stdout is a pipe that nobody reads: lines are dropped and counted."""
    from harness.gateway import Gateway, binary
    running = Gateway("routes: [{name: all, policies: [respond: {status: 204}]}]", tmp_path, upstream=upstream.address)
    running.process = subprocess.Popen([binary(), "run", running.config_path, "--loop", loop, "--workers", "1"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(running.folder / "stderr", "w"))
    try:
        assert wait_until(running.is_ready)
        with RawClient(running.address) as client:
            for _ in range(40):
                client.send((b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: " + b"x" * 1000 + b"\r\n\r\n") * 100)
                for _ in range(100):
                    assert status(client.read_response()) == 204
        assert running.metric("sluice_log_lines_dropped_total") > 0
        assert running.metric("sluice_requests_total") == 4000
    finally:
        running.process.stdout.close()
        running.stop()


# ---- metrics ------------------------------------------------------------------------------------------------------------


def samples(text):
    """{(name, labels): value}; asserts the exposition format on the way."""
    found, types, current = {}, {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in types, f"{current} stands twice"
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram")
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            base = re.sub("_(bucket|sum|count)$", "", name) if types.get(current) == "histogram" else name
            assert base == current, f"{name} stands under {current}"
            assert types[base] != "counter" or name.endswith("_total"), name
            key = (name, labels or "")
            assert key not in found, f"{key} stands twice"
            found[key] = float(value)
    return found, types


def test_metrics_are_prometheus_text_and_add_up(gateway, upstream):
    running = gateway("""
        routes:
          - {name: all, match: {path: "/u/*"}, to: u}
          - {name: 'odd "\\name', match: {path: /odd}, policies: [respond: {status: 302}]}
    """, workers=2)
    upstream.answers.extend([(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",)] * 3)
    for path in ["/u/a"] * 10 + ["/odd"] * 4 + ["/none"] * 5:
        get(running.address, path)
    with RawClient(running.address) as client:
        client.send(b"nonsense\r\n\r\n")
        client.read_response()
    state, headers, text = running.admin_request("/metrics")
    assert state == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    found, types = samples(text)
    by_class = collections.Counter()
    for (name, labels), value in found.items():
        if name == "sluice_requests_total":
            by_class[re.search('status="(...)"', labels).group(1)] += value
    assert +by_class == {"2xx": 7, "3xx": 4, "4xx": 6, "5xx": 3}
    assert running.metric("sluice_requests_begun_total") == 20 and running.metric("sluice_requests_in_flight") == 0
    assert running.metric("sluice_connections_total") == 20
    assert running.metric("sluice_gateway_answers_total", cause="no_route") == 5
    assert running.metric("sluice_gateway_answers_total", cause="request_malformed") == 1
    assert running.metric("sluice_endpoint_requests_total") == 10
    assert wait_until(lambda: running.metric("sluice_log_lines_total") == 20)
    for (name, labels), value in found.items():
        if name == "sluice_request_duration_seconds_count":
            buckets = [(float(re.search('le="([^"]+)"', key[1]).group(1).replace("+Inf", "inf")), count) for key, count in found.items()
                       if key[0] == "sluice_request_duration_seconds_bucket" and key[1].startswith(labels)]
            assert [count for _, count in sorted(buckets)] == sorted(count for _, count in buckets)
            assert sorted(buckets)[-1] == (float("inf"), value)
    # Every counter only grows.
    get(running.address, "/u/a")
    again, _ = samples(running.admin_request("/metrics")[2])
    for key, value in found.items():
        if types.get(key[0]) == "counter":
            assert again[key] >= value, key


def test_bytes_are_counted(gateway, upstream):
    running = gateway(ALL)
    upstream.answers.append((b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100000,))
    exchange(running.address, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000\r\n\r\n" + b"x" * 50000)
    for name in ("sluice_client_bytes_total", "sluice_upstream_bytes_total"):
        to_upstream, to_client = ("in", "out") if "client" in name else ("out", "in")
        assert 50000 < running.metric(name, direction=to_upstream) < 51000
        assert 100000 < running.metric(name, direction=to_client) < 101000


def test_random_paths_and_hosts_make_no_series(gateway):
    running = gateway(ALL)
    get(running.address)
    before = len(running.admin_request("/metrics")[2].splitlines())
    with Session(running.address) as session:
        for number in range(200):
            session.get(f"/{number}", f"h{number}")
    assert len(running.admin_request("/metrics")[2].splitlines()) == before


def test_a_scrape_amid_traffic_and_reloads(gateway):
    running = gateway(ALL, workers=2)
    with Session(running.address) as session:
        for number in range(30):
            session.get()
            running.write_config(f"routes: [{{name: r{number}, to: u}}]")
            samples(running.admin_request("/metrics")[2])


# ---- admin --------------------------------------------------------------------------------------------------------------


def test_health_and_what_admin_refuses(gateway):
    running = gateway(ALL)
    asked = {path: running.admin_request(path)[0] for path in ("/healthz", "/readyz", "/metrics", "/", "/config", "/healthz/x")}
    assert asked == {"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/config": 404, "/healthz/x": 404}
    assert running.admin_request("/healthz", "POST")[0] == 405
    for path in ("/healthz", "/readyz", "/metrics"):  # not on the public side
        assert get(running.address, path).body == b"ok"
    for bad in (b"GET /healthz HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n"):
        assert status(exchange(running.admin, bad)) == 400
    assert running.admin_request("/healthz")[0] == 200


def test_the_gateway_runs_out_of_descriptors_and_recovers(loop, upstream, tmp_path):
    from harness.gateway import Gateway, binary
    running = Gateway(ALL, tmp_path, upstream=upstream.address)
    running.process = subprocess.Popen(["prlimit", "--nofile=60", binary(), "run", running.config_path, "--loop", loop, "--workers", "1"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(running.folder / "stderr", "w"))
    try:
        assert wait_until(running.is_ready)
        clients = [RawClient(running.address, 2) for _ in range(100)]
        for client in clients[:30]:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.2)
        assert running.process.poll() is None, running.stderr()
        for client in clients:
            client.socket.close()
        assert wait_until(lambda: status(get(running.address)) == 200)
        cpu = lambda: sum(map(int, open(f"/proc/{running.gateway_pid()}/stat").read().split()[13:15]))
        before = cpu()
        time.sleep(0.3)
        assert cpu() - before < 10, "it spins"
    finally:
        running.stop()
