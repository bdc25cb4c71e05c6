"""Clients that ask all the time, and remember each request that failed."""
import contextlib
import threading
import time

from .client import Closed, RawClient, status

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


class Load:
    """`fresh` threads open a connection for each request, `kept` ones keep theirs as long as the gateway does. A failure is
    a tuple (when, what, kind). `slowest` is the longest that a request took, in seconds; `answers` counts good ones."""

    def __init__(self, address, fresh=2, kept=2, pause=0.002, patience=10):
        self.address, self.pause, self.patience = address, pause, patience
        self.failed, self.answers, self.slowest = [], 0, 0.0
        self.is_running = True
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(one,), daemon=True) for one in [self.ask_fresh] * fresh + [self.ask_kept] * kept]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_running = False
        for thread in self.threads:
            thread.join(30)

    def run(self, ask):
        client = None
        while self.is_running:
            began = time.monotonic()
            try:
                client = ask(client)
                took = time.monotonic() - began
                with self.lock:
                    self.answers += 1
                    self.slowest = max(self.slowest, took)
            except (OSError, Closed) as fault:
                self.failed.append((began, f"{type(fault).__name__} {fault}", ask.__name__))
                if client:
                    client.socket.close()
                client = None
            time.sleep(self.pause)
        if client:
            client.socket.close()

    def ask_fresh(self, _):
        with RawClient(self.address, self.patience) as client:
            client.send(LAST)
            self.check(client.read_response())

    def ask_kept(self, client):
        client = client or RawClient(self.address, self.patience)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(client.socket.close)
            client.send(REQUEST)
            response = client.read_response()
            self.check(response)
            on_failure.pop_all()
        if response.first("connection") == "close":
            client.socket.close()
            return None
        return client

    def check(self, response):
        if status(response) not in (200, 204):
            raise OSError(f"status {status(response)}")
