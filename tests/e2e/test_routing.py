"""Which route and which endpoint a request goes to, seen from both ends."""
import collections
import json
import threading

import pytest

from harness.client import RawClient, Session, exchange, get, status

ROUTES = """
upstreams: {u: {endpoints: [$UPSTREAM]}}
listeners:
  - {name: public, bind: $LISTEN}
routes:
  - {name: prefix, match: {path: /api/*}, to: u}
  - {name: longer, match: {path: /api/v2/*}, to: u}
  - {name: exact, match: {path: /api/v2/users}, to: u}
  - {name: template, match: {path: "/api/v2/{id}"}, to: u}
  - {name: regex, match: {path: {regex: "/api/v2/[0-9]+"}}, to: u}
  - {name: posted, match: {path: /api/v2/users, method: POST}, to: u}
  - {name: beta, match: {path: /api/v2/users, header: {x-beta: "1"}}, to: u}
  - {name: beta_team, match: {path: /api/v2/users, header: {x-beta: "1", x-team: {prefix: ed}}}, to: u}
  - {name: paged, match: {path: /api/v2/users, query: {page: {regex: "[0-9]+"}}}, to: u}
  - {name: host, match: {host: api.example.com, path: /*}, to: u}
  - {name: wild, match: {host: "*.example.com", path: /*}, to: u}
  - {name: absent, match: {path: /cookie, header: {cookie: {present: false}}}, to: u}
  - {name: present, match: {path: /cookie, header: {cookie: {present: true}}}, to: u}
"""
CHOICES = [  # method, path, host, fields, route
    ("GET", "/api", "a", "", "prefix"),
    ("GET", "/api/", "a", "", "prefix"),
    ("GET", "/api/v1/users", "a", "", "prefix"),
    ("GET", "/api/v2", "a", "", "longer"),
    ("GET", "/api/v2/a/b", "a", "", "longer"),
    ("GET", "/api/v2/users", "a", "", "exact"),
    ("GET", "/api/v2/users/", "a", "", "longer"),
    ("GET", "/api/v2/others", "a", "", "template"),
    ("POST", "/api/v2/users", "a", "content-length: 0\r\n", "posted"),
    ("GET", "/api/v2/users", "a", "x-beta: 1\r\n", "beta"),
    ("GET", "/api/v2/users", "a", "X-Beta: 2\r\nx-beta: 1\r\n", "beta"),
    ("GET", "/api/v2/users", "a", "x-beta: 12\r\n", "exact"),
    ("GET", "/api/v2/users", "a", "x-beta: 1\r\nx-team: edge\r\n", "beta_team"),
    ("GET", "/api/v2/users?page=3", "a", "", "paged"),
    ("GET", "/api/v2/users?page=3x", "a", "", "exact"),
    ("GET", "/api/v2/users?page=x&page=4", "a", "", "paged"),
    ("GET", "/other", "api.example.com", "", "host"),
    ("GET", "/other", "API.example.com:99", "", "host"),
    ("GET", "/other", "b.c.example.com", "", "wild"),
    ("GET", "/api/v2/users", "api.example.com", "", "host"),
    ("GET", "/cookie", "a", "", "absent"),
    ("GET", "/cookie", "a", "cookie: a=b\r\n", "present"),
    ("GET", "/nowhere", "a", "", None),
    ("GET", "/apis", "a", "", None),
    ("GET", "/other", "example.com", "", None),
]


def test_each_request_takes_the_route_it_should(gateway):
    running = gateway(ROUTES)
    with RawClient(running.address) as client:
        for number, (method, path, host, fields, route) in enumerate(CHOICES):
            client.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: n{number}\r\n{fields}\r\n".encode())
            response = client.read_response()
            line = running.wait_log(lambda line: line.get("user_agent") == f"n{number}")
            assert line.get("route") == route, f"{method} {path} at {host} with {fields!r} took {line.get('route')}, want {route}"
            assert status(response) == (200 if route else 404)


def test_routes_of_one_listener_are_unknown_to_another(gateway, upstream):
    from harness.gateway import free_port
    port = free_port()
    running = gateway(f"""
        listeners: [{{name: public, bind: $LISTEN}}, {{name: inside, bind: 127.0.0.1:{port}}}]
        routes:
          - {{name: both, match: {{path: /both}}, to: u}}
          - {{name: inside, match: {{listener: inside, path: /inside}}, to: u}}
    """)
    asked = [(address, path) for address in (running.address, ("127.0.0.1", port)) for path in ("/both", "/inside")]
    assert [status(get(*one)) for one in asked] == [200, 404, 200, 200]


def bodies(running, count, path="/"):
    with Session(running.address) as session:
        return collections.Counter(session.get(path).body.decode() for _ in range(count))


@pytest.mark.parametrize("workers", [1, 2])
def test_round_robin_is_exact_by_weight(gateway, start_upstream, workers):
    a, b, c = (start_upstream(name) for name in "abc")
    running = gateway(f"""
        upstreams: {{g: {{balance: round_robin, endpoints: [{{address: {a.address}, weight: 3}}, {b.address}, {c.address}]}}}}
        routes: [{{name: all, to: g}}]
    """, workers=workers)
    total = collections.Counter()
    for _ in range(10):
        total += bodies(running, 5)  # a connection each: on either worker
    assert total == {"a": 30, "b": 10, "c": 10}


def test_smooth_means_no_runs(gateway, start_upstream):
    a, b = start_upstream("a"), start_upstream("b")
    running = gateway(f"""
        upstreams: {{g: {{balance: round_robin, endpoints: [{{address: {a.address}, weight: 3}}, {b.address}]}}}}
        routes: [{{name: all, to: g}}]
    """)
    with Session(running.address) as session:
        order = "".join(session.get().body.decode() for _ in range(8))
    assert order in {("aaba" * 4)[i:i + 8] for i in range(4)}


def test_a_split_between_upstreams_keeps_its_shares(gateway, start_upstream):
    a, b = start_upstream("a"), start_upstream("b")
    running = gateway(f"""
        upstreams: {{a: {{endpoints: [{a.address}]}}, b: {{endpoints: [{b.address}]}}}}
        routes: [{{name: all, to: {{a: 90, b: 10}}}}]
    """)
    shares = bodies(running, 1000)
    assert 855 <= shares["a"] <= 945 and shares["a"] + shares["b"] == 1000  # 4.7 standard deviations to either side


def test_least_request_spares_the_slow_one(gateway, start_upstream):
    quick, slow = start_upstream("quick", 0.002), start_upstream("slow", 0.1)
    running = gateway(f"""
        upstreams: {{g: {{endpoints: [{quick.address}, {slow.address}]}}}}
        routes: [{{name: all, to: g}}]
    """, workers=2)
    shares, lock = collections.Counter(), threading.Lock()

    def client():
        mine = bodies(running, 30)
        with lock:
            shares.update(mine)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(shares.values()) == 240 and shares["slow"] < 60, shares  # blind turns would give it 120


def test_no_route_is_a_problem_with_its_cause_and_id(gateway):
    running = gateway("routes: [{name: a, match: {path: /a}, policies: [request_id: {}], to: u}]")
    response = get(running.address, "/b")
    problem = json.loads(response.body)
    assert response.first("content-type") == "application/problem+json"
    assert problem["status"] == 404 and problem["cause"] == "no_route" and problem["title"]
    assert running.wait_log(lambda line: line.get("id") == problem["id"])["cause"] == "no_route"
    head = exchange(running.address, b"HEAD /b HTTP/1.1\r\nhost: a\r\n\r\n", "HEAD")
    assert head.first("content-length") == str(len(response.body)) and status(head) == 404
