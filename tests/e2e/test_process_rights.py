"""What the gateway process may do: whom it becomes, what it may open; and how it is watched."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from harness.client import RawClient, get, status
from harness.gateway import Gateway, binary, start_time, wait_until
from harness.load import REQUEST
from harness.tracer import NotAllowed, held_in_receive, threads

ANSWER = "routes: [{name: all, policies: [respond: {status: 204}]}]\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def facts(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)


def privileged_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no privileged port is free")


@pytest.fixture
def open_folder():
    """One that every user may look into: pytest's own are root's alone."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_it_gives_root_up_and_still_gets_privileged_ports(loop, open_folder):
    config = f"user: nobody\ngroup: 65533\n{ANSWER}"
    running = Gateway(config, open_folder, loop=loop, workers=2, arguments=["--state-dir", str(open_folder / "state"), "--proven-after", "1"])
    running.start()
    pid = running.gateway_pid()
    for thread in threads(pid):
        of_thread = facts(f"{pid}/task/{thread}")
        assert of_thread["Uid"].split() == [str(65534)] * 4 and of_thread["Gid"].split() == ["65533"] * 4
        assert not of_thread["Groups"].strip() and int(of_thread["CapEff"], 16) == 0
        assert of_thread["NoNewPrivs"].strip() == "1"
    assert facts(running.process.pid)["Uid"].split()[0] == "0", "the supervisor binds, and so stays"
    port = privileged_port()
    running.write_config(f"listeners: [{{name: public, bind: $LISTEN}}, {{name: low, bind: 127.0.0.1:{port}}}]\n" + config)
    assert wait_until(lambda: running.metric("sluice_config_generation") == 2), running.stderr()
    assert status(get(("127.0.0.1", port))) == 204
    os.kill(pid, signal.SIGKILL)
    assert status(get(("127.0.0.1", port))) == 204 and status(get(running.address)) == 204
    assert wait_until(lambda: facts(running.wait_gateway_pid())["Uid"].split()[0] == "65534")
    assert wait_until(lambda: list((open_folder / "state").glob("*.yaml"))), "the state directory is the user's"
    running.stop()


@needs_root
def test_root_without_a_user_is_warned_of(gateway):
    running = gateway(ANSWER)
    assert "runs as root" in running.stderr()
    running.write_config("user: nobody\n" + ANSWER)
    assert wait_until(lambda: "the next start does" in running.stderr())


@needs_root
@pytest.mark.parametrize("keys, told", [("user: nobody-of-that-name\n", "there is no user"), ("user: nobody\ngroup: none-of-that-name\n", "there is no group")])
def test_an_unknown_user_starts_nothing(tmp_path, keys, told):
    running = Gateway(keys + ANSWER, tmp_path, upstream="127.0.0.1:1")
    done = subprocess.run([binary(), "run", running.config_path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and told in done.stderr


def test_descriptors_are_counted_against_the_cap_on_connections(loop, tmp_path):
    running = Gateway("limits: {max_connections: 5000}\n" + ANSWER, tmp_path, loop=loop)
    with open(tmp_path / "stderr", "wb") as err:
        running.process = subprocess.Popen(["prlimit", "--nofile=300:1000", binary(), "run", running.config_path, "--loop", loop, "--workers", "1"],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
    assert wait_until(running.is_ready, 20), running.stderr()
    assert running.metric("sluice_file_descriptors_limit") == 1000, "the hard limit is taken"
    assert re.search(r"limits.max_connections: 5000 connections may need 10128 file descriptors, and the process may open 1000: .*lower max_connections to 436",
                     running.stderr())
    running.stop()


# ---- the watchdog


def thread_named(pid, name):
    (thread,) = [one for one in threads(pid) if open(f"/proc/{pid}/task/{one}/comm").read().strip() == name]
    return thread


def test_a_worker_that_stands_still_is_named_and_its_process_replaced(upstream, tmp_path):
    """R28. What other workers have in progress goes on in the old process until it has drained."""
    running = Gateway("drain_timeout: 1s\n" + ANSWER, tmp_path, loop="epoll", workers=1)
    running.start()
    is_over = threading.Event()

    def ask():
        while not is_over.is_set():
            try:
                with RawClient(running.address, 20) as client:
                    while not is_over.is_set():
                        client.send(REQUEST)
                        client.read_response()
            except Exception:  # the one that is held
                pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    time.sleep(0.5)
    victim = running.gateway_pid()
    try:
        with held_in_receive(thread_named(victim, "worker-0")):
            assert wait_until(lambda: "worker 0 has not turned its loop for" in running.stderr()), running.stderr()
            assert wait_until(lambda: "asks to be replaced: worker 0 has not turned its loop for 2 s" in running.stderr()), running.stderr()
            assert wait_until(lambda: running.gateway_pid() != victim)
            assert status(get(running.address)) == 204
            assert wait_until(lambda: "a worker does not answer: the process ends without it" in running.stderr(), 20)
    except NotAllowed as reason:
        pytest.skip(f"ptrace is not allowed here: {reason}")
    finally:
        is_over.set()
        asking.join(20)
    assert wait_until(lambda: start_time(victim) == 0 or "former gateway process" in running.stderr(), 20)
    assert running.metric("sluice_gateway_restarts_total", reason="stuck") == 1
    running.stop()
