"""A crowd of hostile clients in a process of its own, so that it shares neither descriptors nor the interpreter's lock with
the test. Started by Crowd; what it saw comes back as JSON when its standard input is closed.

    slowloris  each sends a head byte by byte, and connects anew when it is cut
    idle       each connects and says nothing, and connects anew when it is cut
    readers    each asks for PATH and takes `take` bytes of the answer every tick (0: none)"""
import json
import resource
import select
import socket
import subprocess
import sys
import time

PIECE = b"x-a: b\r\n"


class Crowd:
    """Use as a context manager; `seen` is there afterwards: connects, answers (by status), closes, refusals (could not
    connect), most (open at once)."""

    def __init__(self, address, kind, count, tick=0.5, take=0, path="/", receive_buffer=0):
        self.options = {"address": address, "kind": kind, "count": count, "tick": tick, "take": take, "path": path,
                        "receive_buffer": receive_buffer}
        self.seen = None

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, __file__, json.dumps(self.options)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "all have connected\n"
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.seen is None:
            self.seen = json.loads(self.process.communicate(timeout=60)[0])
        return self.seen


def descriptors():
    """How many files a process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Member:
    def __init__(self, crowd):
        self.crowd, self.sent = crowd, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if crowd.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, crowd.receive_buffer)
        self.socket.setblocking(False)
        self.socket.connect_ex(crowd.address)
        crowd.members[self.socket.fileno()] = self
        crowd.poll.register(self.socket, select.EPOLLIN | select.EPOLLRDHUP if crowd.watches else select.EPOLLRDHUP)
        crowd.seen["connects"] += 1

    def act(self):
        kind = self.crowd.kind
        if kind == "slowloris":
            head = b"GET / HTTP/1.1\r\nhost: a\r\n"
            at = self.sent
            self.send(head[at:at + 1] if at < len(head) else PIECE[(at - len(head)) % len(PIECE):][:1])
        elif kind == "readers":
            if self.sent == 0:
                self.send(f"GET {self.crowd.path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            elif self.crowd.take:
                self.receive(self.crowd.take)

    def send(self, data):
        try:
            self.sent += self.socket.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.leave()

    def receive(self, count):
        try:
            data = self.socket.recv(count)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.leave()
        if data.startswith(b"HTTP/1.1 "):
            status = data[9:12].decode()
            self.crowd.seen["answers"][status] = self.crowd.seen["answers"].get(status, 0) + 1

    def leave(self):
        if self.crowd.members.pop(self.socket.fileno(), None) is None:
            return
        self.crowd.poll.unregister(self.socket)
        self.socket.close()
        self.crowd.seen["closes"] += 1


class Running:
    def __init__(self, options):
        self.address, self.kind, self.count = tuple(options["address"]), options["kind"], options["count"]
        self.tick, self.take, self.path = options["tick"], options["take"], options["path"]
        self.receive_buffer = options["receive_buffer"]
        self.watches = self.kind != "readers"  # a reader takes at its own pace
        self.members, self.poll = {}, select.epoll()
        self.seen = {"connects": 0, "closes": 0, "most": 0, "answers": {}}

    def run(self):
        self.poll.register(sys.stdin, select.EPOLLIN)
        has_told = False
        while True:
            began = time.monotonic()
            for _ in range(min(500, self.count - len(self.members))):  # a few at a time: queues are short
                Member(self)
            self.seen["most"] = max(self.seen["most"], len(self.members))
            is_full = len(self.members) == self.count
            for member in list(self.members.values()):
                member.act()
            if self.seen["connects"] >= self.count and not has_told:
                has_told = True
                print("all have connected", flush=True)
            if not self.watch(began + (self.tick if is_full else 0.02)):
                return print(json.dumps(self.seen), flush=True)

    def watch(self, until):
        """Takes what comes until then. False when standard input has closed."""
        while True:
            for descriptor, events in self.poll.poll(max(until - time.monotonic(), 0), 1000):
                if descriptor == sys.stdin.fileno():
                    return False
                member = self.members.get(descriptor)
                if member and (self.watches or events & (select.EPOLLHUP | select.EPOLLERR)):
                    member.receive(1 << 16)
            if time.monotonic() >= until:
                return True


if __name__ == "__main__":
    Running(json.loads(sys.argv[1])).run()
