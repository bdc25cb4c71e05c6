"""The supervisor: restarts, upgrades, stuck processes, configs that crash. Rows R02, R03, R06, R07 and R29 of the promises."""
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from harness.client import Closed, RawClient, get, status
from harness.gateway import Gateway, binary, children_of, free_port, wait_until
from harness.load import REQUEST, Load

BINARY = binary()
# A sanitizer takes SIGSEGV for a finding of its own.
CRASH = signal.SIGKILL if "SLUICE_SANITIZED" in os.environ else signal.SIGSEGV
ALL = "routes: [{name: all, to: u}]\n"
ANSWER = "routes: [{name: all, policies: [respond: {status: %d}]}]\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def is_gone(pid):
    """Gone, or a zombie that its parent has not collected yet."""
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def report(text):
    """Figures for who runs this with -s."""
    print(f"\n{text}", file=sys.stderr)


@pytest.fixture
def own_binary(tmp_path):
    """A copy of the binary that a test may replace on disk."""
    copy = tmp_path / "bin" / "sluice"
    copy.parent.mkdir()
    shutil.copy2(BINARY, copy)
    return copy


def replace(own_binary, content=None):
    """By rename, as packages do. Without content: the real binary as a new file."""
    fresh = own_binary.with_suffix(".new")
    if content is None:
        shutil.copy2(BINARY, fresh)
    else:
        fresh.write_bytes(content)
        fresh.chmod(0o755)
    fresh.rename(own_binary)


@pytest.fixture
def supervised(loop, upstream, tmp_path, own_binary, monkeypatch):
    """As `gateway`, from a copy of the binary."""
    monkeypatch.setenv("SLUICE_BIN", str(own_binary))
    started = []

    def start(config, **options):
        running = Gateway(config, tmp_path / f"gateway-{len(started)}", loop=loop, upstream=upstream.address, **options)
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.stop()


# ---- restart


def test_a_killed_gateway_process_serves_again_and_only_what_was_in_flight_fails(supervised, upstream):
    """R06: five deaths at once, and five that are held back because there are too many."""
    running = supervised(ALL, workers=2)
    deaths, outages = [], []
    with Load(running.address) as load:
        for number in range(10):
            time.sleep(0.3)
            victim = running.wait_gateway_pid()
            assert wait_until(running.is_ready, 20)
            deaths.append(time.monotonic())
            os.kill(victim, CRASH)
            running.wait_gateway_pid(other_than=[victim])
            assert wait_until(running.is_ready, 20)
            outages.append(time.monotonic() - deaths[-1])
        time.sleep(0.3)
    # In flight at that moment: sent before it, on one of four connections.
    stray = [failure for failure in load.failed if not any(at - 1 < failure[0] <= at + 0.05 for at in deaths)]
    assert not stray, stray[:3]
    assert len(load.failed) <= 10 * 4, load.failed[:3]
    report(f"R06: {load.answers} answers, {len(load.failed)} failed in flight; ready again after "
           + ", ".join(f"{1000 * outage:.0f}" for outage in outages) + f" ms; slowest answer {1000 * load.slowest:.0f} ms")
    assert max(outages[:5]) < 2
    assert "the next start waits" in running.stderr()
    assert wait_until(lambda: running.metric("sluice_gateway_restarts_total", reason="crashed") == 10)


def test_connections_made_while_no_process_runs_are_served_by_the_next(supervised):
    running = supervised(ANSWER % 204, workers=2)
    victim = running.gateway_pid()
    os.kill(running.process.pid, signal.SIGSTOP)  # nobody starts another one yet
    try:
        os.kill(victim, signal.SIGKILL)
        assert wait_until(lambda: is_gone(victim))
        clients = [RawClient(running.address) for _ in range(50)]
        for client in clients:
            client.send(REQUEST)
    finally:
        os.kill(running.process.pid, signal.SIGCONT)
    assert [status(client.read_response()) for client in clients] == [204] * 50
    for client in clients:
        client.socket.close()


def test_a_port_that_the_kernel_chose_stays_over_a_restart(supervised):
    running = supervised("listeners: [{name: public, bind: '127.0.0.1:0'}]\n" + ANSWER % 204)
    place = running.stderr().split("listener public on http://")[1].split()[0]
    address = ("127.0.0.1", int(place.rpartition(":")[2]))
    victim = running.gateway_pid()
    os.kill(victim, signal.SIGKILL)
    assert status(get(address)) == 204 and running.gateway_pid() != victim


def test_it_restarts_with_the_config_in_force_when_the_file_is_bad(supervised):
    running = supervised(ANSWER % 204)
    running.write_config("routes: [nonsense")
    assert wait_until(lambda: running.metric("sluice_config_last_reload_success") == 0)
    victim = running.gateway_pid()
    os.kill(victim, signal.SIGKILL)
    assert status(get(running.address)) == 204
    assert wait_until(lambda: running.metric("sluice_config_is_last_good") == 1)
    assert "LAST GOOD CONFIG" in running.stderr() and "last good config" in running.admin_request("/readyz")[2]
    running.write_config(ANSWER % 200)
    assert wait_until(lambda: status(get(running.address)) == 200)
    assert running.metric("sluice_config_is_last_good") == 0 and running.admin_request("/readyz")[2] == "ready\n"


def test_a_removed_listener_is_closed_in_the_supervisor_too(supervised):
    other = free_port()
    both = f"listeners: [{{name: public, bind: $LISTEN}}, {{name: other, bind: 127.0.0.1:{other}}}]\n"
    running = supervised(both + ANSWER % 204)
    assert status(get(("127.0.0.1", other))) == 204
    running.write_config(ANSWER % 204)
    assert wait_until(lambda: "generation 2 is live on all workers" in running.stderr())
    with pytest.raises(OSError):
        get(("127.0.0.1", other))
    running.write_config(both.replace("other,", "again,") + ANSWER % 204)
    assert wait_until(lambda: "generation 3 is live on all workers" in running.stderr())
    assert status(get(("127.0.0.1", other))) == 204


def test_a_killed_supervisor_leaves_no_orphan(loop, upstream, tmp_path):
    running = Gateway(ALL, tmp_path, loop=loop, upstream=upstream.address, workers=2)
    running.start()
    upstream.answers.append((0.5, OK))
    child = running.gateway_pid()
    with RawClient(running.address) as busy:
        busy.send(REQUEST)
        assert upstream.wait_requests(1)
        running.process.kill()
        running.process.wait()
        assert busy.read_response().body == b"ok", "what was in progress is finished"
    assert wait_until(lambda: is_gone(child))
    with pytest.raises(OSError):
        get(running.address)
    running.process = None


ALONE = ["--no-supervisor"]


def test_without_a_supervisor_a_signal_drains(gateway, upstream):
    running = gateway("drain_delay: 1s\n" + ALL, arguments=ALONE, workers=2)
    upstream.answers.append((1.5, OK))
    with RawClient(running.address, 20) as busy:
        busy.send(REQUEST)
        assert upstream.wait_requests(1, 20)
        running.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: running.admin_request("/readyz")[0] == 503, 20)
        assert wait_until(lambda: "draining for at most" in running.stderr(), 20)
        assert busy.read_response().body == b"ok", "what was in progress is finished"
    assert running.process.wait(20) == 0, running.stderr()
    with pytest.raises(OSError):
        get(running.address)
    running.process = None


def test_without_a_supervisor_a_second_signal_cuts(gateway, upstream):
    running = gateway(ALL, arguments=ALONE)
    upstream.answers.append((60.0, OK))
    with RawClient(running.address, 20) as busy:
        busy.send(REQUEST)
        assert upstream.wait_requests(1, 20)
        running.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: "draining for at most" in running.stderr(), 20)
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(Closed):
            busy.read_response()
    assert running.process.wait(20) == 4 and "second signal" in running.stderr()
    running.process = None


def test_without_a_supervisor_sighup_reloads(gateway):
    running = gateway(ANSWER % 204, arguments=ALONE)
    running.write_config(ANSWER % 205)
    running.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: status(get(running.address)) == 205, 20)
    assert running.gateway_pid() == running.process.pid and running.process.poll() is None


def test_without_a_supervisor_there_is_one_process(gateway):
    running = gateway(ANSWER % 204, arguments=["--no-supervisor"])
    assert not children_of(running.process.pid)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        running.process.send_signal(number)
    assert wait_until(lambda: "is for the supervisor" in running.stderr())
    assert status(get(running.address)) == 204


def test_it_is_fit_to_be_process_1(loop, upstream, tmp_path):
    """In a namespace of its own, where it inherits orphans and no signal kills it by default."""
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("no process namespaces here")
    running = Gateway(ANSWER % 204, tmp_path, loop=loop, upstream=upstream.address)
    # `sh` leaves an orphan behind and becomes the gateway: both are children of process 1, which is `sh` itself.
    orphan = f'(sleep 0.2 &) ; exec {binary()} run {running.config_path} --loop {loop} --workers 1'
    with open(tmp_path / "stderr", "wb") as err:
        running.process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", orphan], stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=err, cwd=tmp_path)
    assert wait_until(running.is_ready, 20), running.stderr()
    first = children_of(running.process.pid)[0]
    assert wait_until(lambda: len(children_of(first)) == 1), "the orphan is not collected"
    os.kill(children_of(first)[0], signal.SIGKILL)
    assert status(get(running.address)) == 204
    os.kill(first, signal.SIGTERM)
    assert running.process.wait(10) == 0, running.stderr()
    running.process = None


# ---- stuck


def test_a_stopped_gateway_process_is_replaced(supervised):
    """R29"""
    running = supervised(ANSWER % 204, workers=2)
    time.sleep(1)  # it has beaten
    victim = running.gateway_pid()
    os.kill(victim, signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(0.1)  # all its threads stand
    assert status(get_patiently(running.address)) == 204
    took = time.monotonic() - began
    report(f"R29: served again {took:.2f} s after SIGSTOP")
    assert running.gateway_pid() != victim and took < 10
    assert "is stopped and has given no sign of life" in running.stderr()
    assert wait_until(lambda: running.metric("sluice_gateway_restarts_total", reason="stuck") == 1)


def get_patiently(address):
    with RawClient(address, 20) as client:
        client.send(REQUEST)
        return client.read_response()


# ---- upgrade


def upgraded(running, times):
    return wait_until(lambda: running.stderr().count("upgrade done") == times, 20)


def test_twenty_upgrades_lose_no_request(supervised, own_binary, upstream):
    """R02"""
    running = supervised(ALL, workers=2)
    upstream.answers.append((3.0, OK))
    with RawClient(running.address) as slow:
        slow.send(REQUEST)
        assert upstream.wait_requests(1)
        with Load(running.address) as load:
            for number in range(1, 21):
                replace(own_binary)
                running.process.send_signal(signal.SIGUSR2)
                assert upgraded(running, number), running.stderr()[-2000:]
        assert slow.read_response().body == b"ok", "what was in progress at an upgrade is finished"
    report(f"R02: 20 upgrades, {load.answers} answers, {len(load.failed)} failed; slowest {1000 * load.slowest:.0f} ms")
    assert not load.failed, load.failed[:5]
    assert wait_until(lambda: running.metric("sluice_upgrades_total", result="done") == 20)
    assert wait_until(lambda: len(children_of(running.process.pid)) == 1, 20), "old processes end"
    assert running.process.poll() is None


def upgrade(*words):
    return subprocess.run([BINARY, "upgrade", *map(str, words)], capture_output=True, text=True, timeout=20)


def test_the_command_upgrades_and_signals_nobody_else(supervised, tmp_path):
    pid_file = tmp_path / "pid"
    running = supervised(ANSWER % 204, arguments=["--pid-file", str(pid_file)])
    gateway_pid = running.gateway_pid()
    assert int(pid_file.read_text()) == running.process.pid
    for words, told in (([], "name one process"), ([gateway_pid], f"its supervisor is process {running.process.pid}"), ([os.getpid()], "no supervisor"),
                        ([1 << 30], "there is no process"), (["--pid-file", tmp_path / "none"], "holds no process id")):
        done = upgrade(*words)
        assert done.returncode == 2 and told in done.stderr, done
    assert running.gateway_pid() == gateway_pid
    for number, words in enumerate([[running.process.pid], ["--pid-file", pid_file]], 1):
        done = upgrade(*words)
        assert done.returncode == 0 and f"process {running.process.pid}: sluice" in done.stdout, done
        assert running.stderr().count("upgrade done") == number, "it did not wait"
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(10) == 0 and not pid_file.exists()
    running.process = None


def test_the_command_tells_why_an_upgrade_failed(supervised, own_binary):
    running = supervised(ANSWER % 204)
    pid = running.gateway_pid()
    replace(own_binary, b"#!/bin/sh\nsleep 0.3\nexit 7\n")
    done = upgrade(running.process.pid)
    assert done.returncode == 6 and "ended with exit code 7 before it was ready" in done.stderr, done
    replace(own_binary)
    running.write_config("routes: [{name: all, too: u}]")
    done = upgrade(running.process.pid)
    assert done.returncode == 6 and "exit code 1" in done.stderr, done
    assert running.gateway_pid() == pid and status(get(running.address)) == 204
    running.write_config(ANSWER % 204)
    assert upgrade(running.process.pid).returncode == 0 and running.gateway_pid() != pid


def test_idle_connections_outlive_an_upgrade(supervised):
    """They end with the answer to their next request, or by themselves: none is closed under a client that is about to ask."""
    running = supervised(ANSWER % 204)
    with RawClient(running.address) as idle, RawClient(running.address) as silent:
        idle.send(REQUEST)
        assert not idle.read_response().all("connection")
        assert upgrade(running.process.pid).returncode == 0
        assert idle.is_quiet(1.5) and silent.is_quiet(0), "closed under its client"
        for client in (idle, silent):
            client.send(REQUEST)
            answer = client.read_response()
            assert status(answer) == 204 and answer.first("connection") == "close" and client.is_closed()
    assert wait_until(lambda: len(children_of(running.process.pid)) == 1, 20), "the old process ends with its last connection"


def test_idle_connections_hold_an_old_process_for_half_its_drain_time(supervised):
    running = supervised("drain_timeout: 6s\n" + ANSWER % 204)
    with RawClient(running.address) as idle:
        assert upgrade(running.process.pid).returncode == 0
        assert idle.is_closed(30)
    # With a client that closes too there is nothing to linger for.
    assert wait_until(lambda: len(children_of(running.process.pid)) == 1, 30)
    assert "cut at the drain timeout" not in running.stderr()


def test_an_upgrade_to_fewer_workers_loses_no_connection(supervised, own_binary, loop):
    """R04. What the kernel has queued at a socket of a worker that is no more is served by those that are left."""
    running = supervised(ALL, workers=4)
    replace(own_binary, f"#!/bin/sh\nexec {BINARY} run \"$2\" --loop {loop} --workers 2\n".encode())
    with Load(running.address, fresh=6) as load:
        time.sleep(0.2)
        assert upgrade(running.process.pid).returncode == 0
        assert wait_until(lambda: len(children_of(running.process.pid)) == 1, 60), "the four workers are gone"
        asked = load.answers
        assert wait_until(lambda: load.answers > asked + 100, 30), "and connections are made to all their sockets"
    assert "with 2 workers" in running.stderr() and not load.failed, load.failed[:5]


@pytest.mark.parametrize("broken, reason", [
    (b"#!/bin/sh\nexit 7\n", "exit code 7"),
    (b"#!/bin/sh\nkill -SEGV $$\n", "SIGSEGV"),
    (b"no program", "exit code 3"),
    (None, "exit code 3"),
], ids=["exits", "crashes", "no program", "not there"])
def test_a_broken_binary_leaves_the_old_one_serving(supervised, own_binary, broken, reason):
    """R03"""
    running = supervised(ALL, workers=2)
    pid = running.gateway_pid()
    with Load(running.address) as load:
        own_binary.unlink() if broken is None else replace(own_binary, broken)
        running.process.send_signal(signal.SIGUSR2)
        assert wait_until(lambda: "upgrade failed" in running.stderr())
        time.sleep(0.2)
    assert not load.failed and running.gateway_pid() == pid
    assert reason in running.stderr()
    assert wait_until(lambda: running.metric("sluice_upgrades_total", result="failed") == 1)
    replace(own_binary)
    running.process.send_signal(signal.SIGUSR2)
    assert upgraded(running, 1) and status(get(running.address)) == 200


def test_a_broken_config_leaves_the_old_one_serving(supervised):
    """R03"""
    running = supervised(ALL, workers=2)
    pid = running.gateway_pid()
    with Load(running.address) as load:
        running.write_config("routes: [{name: all, too: u}]")
        assert wait_until(lambda: running.metric("sluice_config_last_reload_success") == 0)
        running.process.send_signal(signal.SIGUSR2)
        assert wait_until(lambda: "upgrade failed" in running.stderr())
    assert not load.failed and running.gateway_pid() == pid
    assert "exit code 1" in running.stderr() and "gateway.yaml:1:" in running.stderr()


# ---- configs that crash


def test_a_config_that_crashes_the_gateway_gives_way_to_the_last_good_one(supervised):
    """R07. What crashes here is us: whichever process runs the poison is killed."""
    running = supervised(ANSWER % 200, arguments=["--proven-after", "3"])
    assert wait_until(lambda: running.metric("sluice_config_is_proven") == 1)
    running.write_config(ANSWER % 299)
    crashes = 0
    deadline = time.monotonic() + 30
    while crashes < 3 and time.monotonic() < deadline:
        pid = running.wait_gateway_pid()
        if status(get(running.address)) == 299 and running.gateway_pid() == pid:
            os.kill(pid, CRASH)
            crashes += 1
            running.wait_gateway_pid(other_than=[pid])
    assert crashes == 3
    assert status(get(running.address)) == 200, "the last good config"
    assert "crashed the gateway 3 times" in running.stderr()
    assert running.metric("sluice_config_is_last_good") == 1
    assert "crashed the gateway 3 times" in running.admin_request("/readyz")[2]
    running.process.send_signal(signal.SIGHUP)  # the file still says the same
    time.sleep(0.3)
    assert status(get(running.address)) == 200
    running.write_config(ANSWER % 201)
    assert wait_until(lambda: status(get(running.address)) == 201)
    assert running.metric("sluice_config_is_last_good") == 0
