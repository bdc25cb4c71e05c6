"""The gateway as a child process: started on free loopback ports, watched for sanitizer reports, stopped by SIGTERM."""
import ctypes
import errno
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
FINDING = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|ThreadSanitizer|runtime error:")
STOP_SECONDS = 20


def binary():
    return pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "out/sluice")).resolve()


def wait_until(holds, seconds=30):
    """Whether `holds()` came true in time. One that does costs no more than it takes, so the patience is for machines that are
    busy with other things."""
    deadline = time.monotonic() + seconds
    while not (has_come_true := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return has_come_true


def free_port():
    """A loopback port below the range the kernel takes for outgoing connections, so that nobody takes it by chance."""
    while True:
        port = random.randint(20000, 31999)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def uring_refusal():
    """Why io_uring cannot be used here; None when it can."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(120)  # struct io_uring_params
    descriptor = libc.syscall(425, 4, params)  # io_uring_setup, the same number on every architecture
    if descriptor < 0:
        return f"io_uring is not available: {errno.errorcode.get(ctypes.get_errno(), '?')}"
    os.close(descriptor)
    return None


def complete_config(text, listen, admin, upstream=None):
    """`text` with $LISTEN, $ADMIN, $UPSTREAM replaced, and with listeners, admin, drain_delay and upstreams when it has none.

    Without `upstreams:` there is one upstream, u, with the endpoint `upstream`."""
    text = textwrap.dedent(text).strip("\n") + "\n"
    if not re.search(r"^listeners:", text, re.M):
        text += "listeners: [{name: public, bind: $LISTEN}]\n"
    if not re.search(r"^admin:", text, re.M):
        text += "admin: {bind: $ADMIN}\n"
    if not re.search(r"^drain_delay:", text, re.M):
        text += "drain_delay: 0s\n"  # no balancer watches: a test need not wait for it
    if upstream and not re.search(r"^upstreams:", text, re.M):
        text += "upstreams: {u: {endpoints: [$UPSTREAM]}}\n"
    for name, value in (("$LISTEN", listen), ("$ADMIN", admin), ("$UPSTREAM", upstream)):
        if value:
            text = text.replace(name, value)
    return text


def children_of(pid):
    try:
        return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    except OSError:
        return []


def start_time(pid):
    """In ticks since the machine's start; 0 when the process is gone."""
    try:
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19])
    except OSError:
        return 0


class Gateway:
    """`config` as for complete_config. `address` is where $LISTEN is, (host, port). `before` stands in front of the command
    line: `prlimit`, `nsenter` and what else runs a program. Use as a context manager."""

    def __init__(self, config, folder, loop="epoll", workers=1, upstream=None, arguments=(), environment=None, before=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.address = ("127.0.0.1", free_port())
        self.admin = ("127.0.0.1", free_port())
        while self.admin == self.address:
            self.admin = ("127.0.0.1", free_port())
        self.upstream = upstream
        self.config_path = self.folder / "gateway.yaml"
        self.arguments = ["--loop", loop, "--workers", str(workers), *arguments]
        self.environment = environment or {}
        self.before = before
        self.process = None
        self.write_config(config)

    def write_config(self, config):
        """Replaces the config file in one step, as editors and deployment tools do. Returns the text written."""
        place = lambda pair: f"{pair[0]}:{pair[1]}"
        text = complete_config(config, place(self.address), place(self.admin), self.upstream)
        fresh = self.config_path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(self.config_path)
        return text

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.stop(check=kind is None)

    def start(self):
        with open(self.folder / "stdout", "ab") as out, open(self.folder / "stderr", "ab") as err:
            self.process = subprocess.Popen(
                [*self.before, binary(), "run", self.config_path, *self.arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **self.environment}, cwd=self.folder)
        deadline = time.monotonic() + 20
        while not self.is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended at start with {self.process.returncode}:\n{self.stderr()}")
            if time.monotonic() > deadline:
                self.stop(check=False)
                raise AssertionError(f"the gateway was not ready in 20 s:\n{self.stderr()}")
            time.sleep(0.005)

    def gateway_pid(self, other_than=()):
        """The process that serves: the supervisor's youngest child, or, without a supervisor, the process itself. None when
        there is none at the moment, or it is one of `other_than`."""
        children = children_of(self.process.pid)
        pid = max(children, key=start_time, default=None) if "--no-supervisor" not in self.arguments else self.process.pid
        return None if pid in other_than else pid

    def wait_gateway_pid(self, other_than=(), seconds=20):
        """The same, waiting for one."""
        deadline = time.monotonic() + seconds
        while (pid := self.gateway_pid(other_than)) is None:
            assert time.monotonic() < deadline, f"no gateway process in {seconds} s:\n{self.stderr()}"
            time.sleep(0.002)
        return pid

    def is_ready(self):
        try:
            return self.admin_request("/readyz")[0] == 200
        except OSError:
            return False

    def stop(self, check=True):
        """SIGTERM, then asserts a clean end: exit code 0 in time, no sanitizer report."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = f"none: it did not stop within {STOP_SECONDS} s of SIGTERM"
        if check:
            assert not FINDING.search(self.stderr()), self.stderr()
            assert code == 0, f"exit code {code}\n{self.stderr()}"

    def stdout(self):
        return (self.folder / "stdout").read_text(encoding="utf-8", errors="replace")

    def stderr(self):
        return (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")

    def log_lines(self):
        """The access log so far: one dict per complete line."""
        complete = self.stdout().rpartition("\n")[0]
        return [json.loads(line) for line in complete.split("\n") if line.startswith("{")]

    def wait_log(self, accept, seconds=30):
        """The first access-log line that `accept` takes, waiting for it; None when none comes."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.log_lines():
                if accept(line):
                    return line
            if time.monotonic() > deadline:
                return None
            time.sleep(0.01)

    def admin_request(self, path, method="GET", seconds=5):
        """(status, headers, body text) of one request to the admin listener."""
        connection = http.client.HTTPConnection(*self.admin, timeout=seconds)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        except http.client.HTTPException as fault:
            raise OSError(str(fault)) from fault
        finally:
            connection.close()

    def metric(self, name, /, **labels):
        """The sum of the samples of that name that carry these labels, from /metrics."""
        total = 0.0
        for line in self.admin_request("/metrics")[2].splitlines():
            match = re.match(r"([a-zA-Z_:0-9]+)(?:\{(.*)\})? (\S+)$", line)
            if not match or match.group(1) != name:
                continue
            has = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            if labels.items() <= has.items():
                total += float(match.group(3))
        return total
