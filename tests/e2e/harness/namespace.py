"""Network namespaces of the tests' own, for faults that must not touch the machine: few local ports, a network that swallows
packets. They need the right to make them (root, or a container that grants it); `refusal()` says what is missing."""
import contextlib
import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000


def refusal():
    """Why no namespace can be had here; None when one can."""
    if not shutil.which("ip"):
        return "network namespaces: `ip` (iproute2) is missing"
    done = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    return None if done.returncode == 0 else f"network namespaces are not permitted here: {done.stderr.strip()}"


class NetworkNamespace:
    """A namespace that lives as long as this does. Its loopback is up."""

    def __init__(self):
        # `cat` ends by itself when this process does, for its input is a pipe of ours.
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up && echo ready && exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()

    @property
    def command(self):
        """What to put before a command line so that it runs inside."""
        return ["nsenter", "-t", str(self.holder.pid), "-n", "--"]

    def run(self, *words):
        subprocess.run([*self.command, *words], check=True, capture_output=True, text=True)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread opens meanwhile belong to the namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/proc/{self.holder.pid}/ns/net") as there:
            enter(libc, there)
            try:
                yield
            finally:
                enter(libc, home)

    def join(self, other, here, there):
        """A cable between two namespaces: the addresses are of one /24."""
        self.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(other.holder.pid))
        for end, address in ((self, here), (other, there)):
            end.run("ip", "address", "add", f"{address}/24", "dev", "cable")
            end.run("ip", "link", "set", "cable", "up")


def enter(libc, file):
    if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
