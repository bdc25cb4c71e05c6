"""What a config's tests, and so `explain`, say of a request is what happens to it on the wire (security invariant I12):
thousands of random requests are sent, what came of each is written down as a test of the same config, and `sluice check`
must find all of them true. SLUICE_SEED repeats a run."""
import json
import os
import random
import subprocess
import time

from harness.client import Closed, RawClient
from harness.gateway import binary

REQUESTS = 3000
SEGMENTS = ["a", "b", "c", "ab", "%61", "..", ".", "a%2Fb", "a;x"]
HOSTS = ["x.org", "a.x.org", "B.a.x.org", "other"]
METHODS = ["GET", "PUT", "OPTIONS", "PURGE"]
CONDITIONS = ["a", {"prefix": "a"}, {"regex": "[ab]+"}, {"present": True}, {"present": False}]


def make_route(dice, number):
    path, match = "".join("/" + dice.choice("abc") for _ in range(dice.randrange(3))), {}
    if dice.random() < 0.3:
        path += "/{id}"
    if dice.random() < 0.5 or not path:
        path += "/*"
    match["path"] = {"regex": "/a/[bc].*"} if dice.random() < 0.1 else path
    if dice.random() < 0.3:
        match["host"] = dice.choice(["x.org", "*.x.org", "*.a.x.org"])
    if dice.random() < 0.2:
        match["method"] = dice.sample(METHODS, 2)
    for kind, name in (("header", "x"), ("query", "p")):
        if dice.random() < 0.2:
            match[kind] = {name: dice.choice(CONDITIONS)}
    route = {"name": f"r{number}", "match": match, "policies": ["seen"]}
    if "{id}" in str(match["path"]) and dice.random() < 0.5:
        route["policies"].append({"rewrite": {"path": "/v2/{id}"}})
    kind = dice.random()
    if kind < 0.15:
        route["policies"].append({"respond": {"status": 203, "body": "here"}})
    elif kind < 0.25:
        route["policies"].append({"redirect": {"to": "https://{host}{path}"}})
    else:
        route["to"] = "u"
    if dice.random() < 0.2:
        route["encoded_slash"] = "keep"
    return route


def make_request(dice):
    path = "".join("/" + dice.choice(SEGMENTS) for _ in range(dice.randrange(1, 5))) + dice.choice(["", "", "/"])
    if dice.random() < 0.4:
        path += "?" + "&".join(dice.choice(["p", "q"]) + dice.choice(["", "=a", "=ab", "=z"]) for _ in range(dice.randrange(1, 3)))
    headers = {"x": dice.choice(["a", "ab", "z"])} if dice.random() < 0.4 else {}
    return {"method": dice.choice(METHODS), "url": f"http://{dice.choice(HOSTS)}{path}", "headers": headers}


def send(client, request):
    """The response's status."""
    host, slash, path = request["url"].removeprefix("http://").partition("/")
    lines = "".join(f"{name}: {value}\r\n" for name, value in request["headers"].items())
    client.send(f"{request['method']} {slash}{path} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n".encode())
    return int(client.read_response(request["method"]).start.split(" ")[1])


def expectation(line, seen, status):
    """What a config's test can say of one exchange: its log line, and the request that the upstream saw, if one did."""
    if line.get("cause") and "route" not in line and line["cause"] != "no_route":  # refused before there was a route
        return {"status": status, "cause": line["cause"]}
    expect = {"route": line.get("route", "none")}
    if seen is not None:
        return expect | {"upstream": line["upstream"], "path": seen.start.split(" ")[1],
                         "headers": {name: (seen.all(name) or [""])[0] for name in ("x-seen", "x-forwarded-host")}}
    expect["status"] = status
    return expect | ({"cause": line["cause"]} if line.get("cause") else {})


def test_what_check_asserts_is_what_the_wire_does(gateway, upstream, tmp_path):
    seed = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 32)))
    dice = random.Random(seed)
    config = {"policies": {"seen": [{"headers": {"request": {"set": {"x-seen": "{method} {host} {path} {query}"}}}}]},
              "routes": [make_route(dice, number) for number in range(40)]}
    running = gateway("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))  # JSON is YAML
    tests, client = [], None
    for number in range(REQUESTS):
        request = make_request(dice)
        before = len(upstream.requests)
        try:
            client = client or RawClient(running.address)
            status = send(client, request)
        except Closed:  # the gateway closed behind the answer before
            client.socket.close()
            client = RawClient(running.address)
            status = send(client, request)
        seen = upstream.requests[-1] if len(upstream.requests) > before else None
        tests.append([request, seen, status])
    client.socket.close()
    deadline = time.monotonic() + 10
    while len(lines := running.log_lines()) < REQUESTS and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(lines) == REQUESTS, f"seed {seed}: {len(lines)} lines"
    checked = [{"request": request, "expect": expectation(line, seen, status)} for (request, seen, status), line in zip(tests, lines)]
    assert len({json.dumps(test["expect"].get("route")) for test in checked}) > 15, f"seed {seed}: too few routes were taken"

    path = tmp_path / "checked.yaml"
    path.write_text(running.config_path.read_text(encoding="utf-8") + f"tests: {json.dumps(checked)}\n", encoding="utf-8")
    done = subprocess.run([binary(), "check", path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}{done.stdout[-2000:]}"
    assert f"{REQUESTS} tests passed" in done.stdout, done.stdout
