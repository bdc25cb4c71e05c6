"""Everything at once: clients that misbehave, upstreams that misbehave, reloads; and yet no answer reaches the wrong client,
nothing is left over and the gateway lives. The seed is printed when it fails; SLUICE_SEED repeats it."""
import os
import random
import re
import socket
import threading
import time

from harness.client import Closed, RawClient
from harness.upstream import receive
from harness.wire import Malformed, Reader, body_framing, parse_head

SECONDS = float(os.environ.get("SLUICE_CHAOS_SECONDS", "4"))
CLIENTS = 10


class ChaoticUpstream:
    """Answers each request with the id in its path, in the header and in the body, in some framing, or goes wrong somewhere."""

    def __init__(self, seed):
        self.seed, self.faults, self.is_over = seed, [], False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self.serve, args=(connection, random.Random(f"{self.seed}u{number}")), daemon=True).start()

    def serve(self, connection, dice):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(lambda: receive(connection))
        try:
            while self.serve_one(connection, reader, dice):
                pass
        except OSError:
            pass
        except Malformed as fault:
            self.faults.append(str(fault))
        connection.close()

    def serve_one(self, connection, reader, dice):
        head = reader.until(b"\r\n\r\n")
        if head is None:
            return False
        start, fields = parse_head(head[:-4])
        name = re.match(r"\w+ /([\w-]+)", start).group(1).encode()
        early = dice.random() < 0.05
        if not early:
            kind, length = body_framing(fields)
            body = reader.chunked() if kind == "chunked" else reader.exactly(length)
            if body is None:
                return False
            data = body[1] if kind == "chunked" else body
            if data.strip(name) and data:
                self.faults.append(f"the body of {start} is {data[:60]!r}")
        return self.answer(connection, name, start.startswith("HEAD "), dice) and not early

    def answer(self, connection, name, is_head, dice):
        body = name + b"." * dice.choice([0, 1, 100, 5000, 200_000])
        head = b"HTTP/1.1 200 OK\r\nx-id: " + name + b"\r\n"
        way = dice.random()
        if dice.random() < 0.1:
            head = b"HTTP/1.1 103 Early Hints\r\nlink: " + name + b"\r\n\r\n" + head
        if way < 0.4 or is_head:
            data = head + b"content-length: %d\r\n\r\n" % len(body) + (b"" if is_head else body)
        elif way < 0.8:
            cut = dice.randrange(1, len(body) + 1)
            data = head + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (cut, body[:cut])
            data += (b"%x\r\n%s\r\n" % (len(body) - cut, body[cut:]) if cut < len(body) else b"") + b"0\r\nx-trailer: 1\r\n\r\n"
        else:
            connection.sendall(head + b"\r\n" + body)
            return False
        trouble = dice.random()
        if trouble < 0.05:  # more than was announced
            connection.sendall(data + b"HTTP/1.1 200 OK\r\nx-id: evil\r\ncontent-length: 4\r\n\r\nevil")
            return True
        if trouble < 0.10:  # less
            connection.sendall(data[:dice.randrange(len(data))])
            if dice.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        if trouble < 0.13:
            connection.sendall(dice.choice([b"HTTP/1.1 999 No\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]))
            return False
        if trouble < 0.2:
            time.sleep(dice.random() * 0.02)
        for begin in range(0, len(data), 60_000):
            connection.sendall(data[begin:begin + 60_000])
        return trouble < 0.95  # else it closes without having said so


class ChaoticClient(threading.Thread):
    def __init__(self, number, seed, address, until):
        super().__init__(daemon=True)
        self.number, self.dice, self.address, self.until = number, random.Random(f"{seed}c{number}"), address, until
        self.wrong, self.whole, self.count = [], 0, 0

    def run(self):
        while time.monotonic() < self.until:
            try:
                with RawClient(self.address, 10) as client:
                    while time.monotonic() < self.until and self.some_requests(client):
                        pass
            except (Closed, ConnectionError):
                pass
            except (OSError, Malformed, ValueError, AttributeError) as fault:
                self.wrong.append(f"{type(fault).__name__}: {fault}")

    def some_requests(self, client):
        dice, asked, data = self.dice, [], b""
        for _ in range(dice.choice([1, 1, 1, 2, 5])):
            self.count += 1
            name = f"{self.number}-{self.count}".encode()
            method = dice.choice(["GET", "GET", "HEAD", "POST", "PUT"])
            asked.append((name.decode(), method))
            head = method.encode() + b" /" + name + b" HTTP/1.1\r\nhost: a\r\n"
            body = name * dice.choice([0, 1, 10, 20_000]) if method in ("POST", "PUT") else b""
            if body and dice.random() < 0.5:
                data += head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            elif body:
                data += head + b"content-length: %d\r\n\r\n" % len(body) + body
            else:
                data += head + b"\r\n"
        fate = dice.random()
        cuts = sorted(dice.randrange(len(data)) for _ in range(dice.choice([0, 0, 0, 1, 3])))
        if fate < 0.06:
            client.send(data[:dice.randrange(len(data))])
            client.reset() if fate < 0.03 else client.finish()
            return False
        client.send(data, cuts)
        if fate < 0.1:
            client.reset()
            return False
        if fate < 0.14:
            client.finish()
        for name, method in asked:
            response = client.read_response(method)
            while response.start.startswith("HTTP/1.1 1"):
                self.check(response, name, method, False)
                response = client.read_response(method)
            self.check(response, name, method, True)
            if response.first("connection") == "close":
                return False
        return fate >= 0.14

    def check(self, response, name, method, is_final):
        self.whole += 1
        state = response.start.split(" ")[1]
        if state == "502" and is_final:
            return
        if response.all("x-id" if is_final else "link") != [name] or (is_final and method != "HEAD" and not re.fullmatch(rf"{name}\.*", response.body.decode())):
            self.wrong.append(f"{method} /{name} was answered {response.start} {response.fields} {response.body[:60]!r}")


def test_chaos(gateway):
    seed = os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32)))
    first, second = ChaoticUpstream(seed + "a"), ChaoticUpstream(seed + "b")
    config = f"""
        upstreams: {{u: {{endpoints: [{first.address}, {second.address}], health: {{failures: 0}}}}}}
        routes: [{{name: all, policies: [headers: {{response: {{set: {{x-generation: "$N"}}}}}}], to: u}}]
    """
    running = gateway(config.replace("$N", "0"), workers=2)
    clients = [ChaoticClient(number, seed, running.address, time.monotonic() + SECONDS) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    number = 0
    while any(client.is_alive() for client in clients):
        number += 1
        running.write_config(config.replace("$N", str(number)))
        time.sleep(0.05)
    told = f"seed {seed}"
    wrong = [fault for client in clients for fault in client.wrong]
    assert not wrong, f"{told}: {len(wrong)}, {wrong[:3]}"
    assert not first.faults + second.faults, f"{told}: {(first.faults + second.faults)[:3]}"
    assert sum(client.whole for client in clients) > 500, told
    deadline = time.monotonic() + 5
    gauges = ("sluice_requests_in_flight", "sluice_connections_open", "sluice_endpoint_in_flight")
    while any(running.metric(name) for name in gauges) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {name: running.metric(name) for name in gauges} == dict.fromkeys(gauges, 0), told
    begun = running.metric("sluice_requests_begun_total")
    assert running.metric("sluice_requests_total") == begun, told
    deadline = time.monotonic() + 5
    while running.metric("sluice_log_lines_total") < begun and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(running.log_lines()) == begun, told
    assert running.metric("sluice_pool_open") == running.metric("sluice_pool_idle"), told
    for upstream in (first, second):
        upstream.listener.close()
