#!/usr/bin/env python3
"""What Sluice means to reach, against what was measured: targets.py results.jsonl

A ratio is ours over the other's CPU per request, of runs near in time and alike in the machine's speed (each run carries
a loopback round trip measured beside it; shared machines change speed between runs), and given as the median with the
range of the quieter half of these pairs. The better loop counts; both are shown."""
import collections, json, statistics, sys

OURS = ("sluice-uring", "sluice-epoll")
SAME_SPEED = 1.12  # two runs whose loopback round trips differ by more than this are not compared
# what, scenario, workload, workers, {other: at most}
RATIOS = [
    ("128 B, closed loop", "plain", "h1-128", 1, {"nginx": 0.80, "haproxy": 0.80, "floor": 1.10}),
    ("128 B at 10,000 requests/s", "plain", "h1-128-rate", 1, {"nginx": 0.90}),
    ("64 KB response", "plain", "h1-64k", 1, {"nginx": 0.90}),
    ("1 MB response", "plain", "h1-1m", 1, {"nginx": 0.70, "haproxy": 0.75}),
    ("10 KB POST", "plain", "post-10k", 1, {"nginx": 0.70, "haproxy": 0.75}),
    ("TLS, 128 B, keep-alive", "plain", "tls-h1-128", 1, {"nginx": 0.70, "haproxy": 0.70}),
    ("TLS, 1 MB response", "plain", "tls-h1-1m", 1, {"nginx": 0.75}),
    ("TLS handshake, full, ECDSA P-256", "plain", "tls-handshake", 1, {"nginx": 0.75, "haproxy": 0.75, "nghttpx": 0.75}),
    ("HTTP/2 over TLS, 10 connections of 32 streams, 128 B", "plain", "h2-128", 1, {"haproxy": 0.75, "nginx": 0.40}),
    ("gRPC, unary echo of 100 B, 10 connections of 32 streams", "h2up", "grpc-100", 1, {"nginx": 0.60, "haproxy": 1.00}),
    ("128 B, two workers, not pinned", "plain", "h1-128", 2, {"nginx": 0.75, "haproxy": 0.75}),
]
# what, (scenario, workload), (those compared with), at most
OWN = [("policies and access log, to ours without", ("work", "h1-128"), ("plain", "h1-128"), 1.10),
       ("HTTP/2 to upstreams, to ours with HTTP/1", ("h2up", "h2-h2-128"), ("plain", "h2-128"), 0.75)] + [
    (f"10,000 {kind} routes, to ours with 100", (f"routes-{kind}-10000", "routes"), (f"routes-{kind}-100", "routes"), 1.15)
    for kind in ("exact", "prefix", "template", "regex")]

rows = [json.loads(line) for name in sys.argv[1:] for line in open(name) if line.strip()]
runs = collections.defaultdict(list)  # (scenario, workload, workers, proxy) -> runs in the order they were made
for at, row in enumerate(rows):
    if row.get("ok") and "cpu_us" in row: runs[row["scen"], row["wl"], row["workers"], row["proxy"]].append(row | {"at": at})


def of(*key):
    return runs.get(key, [])


def pairs(ours, others):
    """each run of ours with the other's nearest in time among those at the same speed of the machine"""
    for own in ours:
        alike = [other for other in others if max(own["cal"], other["cal"]) <= SAME_SPEED * min(own["cal"], other["cal"])]
        if alike: yield own, min(alike, key=lambda other: abs(own["at"] - other["at"]))


def ratios(ours, others, field="cpu_us"):
    """of the quieter half of the pairs"""
    quiet = sorted(pairs(ours, others), key=lambda pair: pair[0]["foreign"] + pair[1]["foreign"])
    return [own[field] / other[field] for own, other in quiet[:max(2, (len(quiet) + 1) // 2)]]


def quieter(runs_of_one):
    ordered = sorted(runs_of_one, key=lambda run: run["foreign"])
    return ordered[:max(2, (len(ordered) + 1) // 2)]


def text(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})" if values else "-"


def line(what, by_loop, limit):
    medians = [statistics.median(values) for values in by_loop if values]
    verdict = "not measured" if not medians else "yes" if min(medians) <= limit else "no"
    print(f"| {what} | {' | '.join(text(values) for values in by_loop)} | {limit:.2f} | {verdict} |")


print("\n### targets: ours / the other\n\n| workload | io_uring | epoll | at most | reached |\n|---|---|---|---|---|")
for what, scen, wl, workers, limits in RATIOS:
    for other, limit in limits.items():
        other_of = lambda ours: other + ours.removeprefix("sluice") if other == "floor" else other
        line(f"{what}, to {other}", [ratios(of(scen, wl, workers, o), of(scen, wl, workers, other_of(o))) for o in OURS], limit)
for what, own, base, limit in OWN:
    line(what, [ratios(of(*own, 1, o), of(*base, 1, o)) for o in OURS], limit)

peers = [k[3] for k in runs if k[:3] == ("plain", "h1-128-rate", 1) and not k[3].startswith(("sluice", "relay", "floor"))]
if peers and all(of("plain", "h1-128-rate", 1, o) for o in OURS):
    p99 = {name: statistics.median(r["p99"] for r in quieter(of("plain", "h1-128-rate", 1, name))) for name in [*peers, *OURS]}
    best = min(peers, key=p99.get)
    line(f"p99 at 10,000 requests/s, to the best peer ({best}, {p99[best]:.0f} us)", [[p99[o] / p99[best]] for o in OURS], 1.0)

print("\n| what | io_uring | epoll | at most | reached |\n|---|---|---|---|---|")
mem = {r["proxy"]: r for r in rows if r.get("wl") == "mem"}
if all(o in mem for o in OURS):
    for what, values, limit in (("idle connection, KiB", [mem[o]["per_conn_kb"] for o in OURS], 0.6),
                                ("before them, MiB", [mem[o]["pss0_kb"] / 1024 for o in OURS], 15)):
        print(f"| {what} | {values[0]:.2f} | {values[1]:.2f} | {limit} | {'yes' if min(values) <= limit else 'no'} |")
check = [r for r in rows if r.get("wl") == "check"]
if check:
    for what, field, limit in (("check of 50,000 routes, CPU s", "check_s", 1), ("the same, MiB", "rss_mib", 100)):
        value = statistics.median(r[field] for r in check)
        print(f"| {what} | {value} | | {limit} | {'yes' if value <= limit else 'no'} |")
p99s = collections.defaultdict(list)
for r in rows:
    if r.get("wl") in ("reload", "noreload") and r["scen"] == "routes-prefix-50000": p99s[r["proxy"], r["wl"]].append(r["p99"])
moved = [statistics.median(p99s[o, "reload"]) / statistics.median(p99s[o, "noreload"]) if p99s[o, "reload"] else None for o in OURS]
if any(moved):
    cells = " | ".join(f"{m:.2f}" if m else "-" for m in moved)
    print(f"| reload of 50,000 routes under load: p99 with / without | {cells} | 1.10 | {'yes' if min(filter(None, moved)) <= 1.10 else 'no'} |")
