#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets that come from other tests into tests/corpus/: the messages of the text cases
(tests/cases, src/policies/*/cases) and the configs of tests/diagnostics and of the cases.

    corpus_from_cases.py     files named case_*; what stands there under other names was found by fuzzing and is kept

A seed begins with the knobs that its target reads (see the target's LLVMFuzzerTestOneInput), then the text.
"""
import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness.cases import CaseFile, pieces  # noqa: E402

CORPUS = ROOT / "tests/corpus"
MOST_BYTES = 1500  # longer ones slow the fuzzer and teach it little


def messages(keywords):
    """The bytes of every such step of every case, each once."""
    seen = {}
    for path in sorted([*ROOT.glob("tests/cases/**/*.case"), *ROOT.glob("src/policies/*/cases/*.case")]):
        for case in CaseFile(path).cases:
            for step in case.steps:
                if step.keyword in keywords:
                    data = b"".join(piece for piece in pieces(step.text) if isinstance(piece, bytes))
                    if 0 < len(data) <= MOST_BYTES:
                        seen.setdefault(data, path.stem)
    return seen


def spread(seeds, most):
    """At most `most` of them: the same every time, and from all files."""
    ranked = sorted(seeds.items(), key=lambda item: hashlib.sha256(item[0]).hexdigest())
    by_file = {}
    for data, stem in ranked:
        by_file.setdefault(stem, []).append(data)
    chosen = []
    while len(chosen) < most and any(by_file.values()):
        for stem in sorted(by_file):
            if by_file[stem] and len(chosen) < most:
                chosen.append((stem, by_file[stem].pop(0)))
    return chosen


def write(target, seeds, knobs=b"", most=50):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("case_*"):
        old.unlink()
    numbers = {}
    for stem, data in spread(seeds, most):
        numbers[stem] = numbers.get(stem, 0) + 1
        (folder / f"case_{stem}_{numbers[stem]}").write_bytes(knobs + data)
    print(f"{target}: {sum(numbers.values())}")


def chunked_bodies(requests):
    found = {}
    for data, stem in requests.items():
        head, end, body = data.partition(b"\r\n\r\n")
        if end and body and b"chunked" in head.lower():
            found.setdefault(body, stem)
    return found


def targets(requests):
    """Request targets and hosts, one a seed."""
    found = {}
    for data, stem in requests.items():
        words = data.split(b"\r\n")[0].split(b" ")
        if len(words) == 3:
            found.setdefault(words[1].partition(b"?")[0], stem)
        for host in re.findall(rb"(?i)\nhost:[ \t]*([^\r\n]*)\r", data):
            found.setdefault(host, stem)
    return found


def configs():
    found = {}
    for path in sorted(ROOT.glob("tests/diagnostics/*.yaml")):
        found.setdefault(path.read_bytes(), path.stem)
    for path in sorted([*ROOT.glob("tests/cases/**/*.case"), *ROOT.glob("src/policies/*/cases/*.case")]):
        text = CaseFile(path).config.replace("$UPSTREAM", "127.0.0.1:7001").replace("$LISTEN", "127.0.0.1:8080")
        whole = f"listeners: [{{name: public, bind: 127.0.0.1:8080}}]\nupstreams: {{u: {{endpoints: [127.0.0.1:7001]}}}}\n{text}\n"
        found.setdefault((text + "\n" if "listeners:" in text else whole).encode(), path.stem)
    found.setdefault((ROOT / "demo/gateway.yaml").read_bytes(), "demo")
    return {data: stem for data, stem in found.items() if len(data) <= 4 * MOST_BYTES}


def main():
    requests, responses = messages(("client", "client new")), messages(("upstream",))
    write("http_h1_request", requests, b"\x06\x00\x0b\x00\x25")
    write("http_h1_response", responses, b"\x06\x00\x0b\x00\x25\x01")
    write("http_h1_chunked", chunked_bodies(requests) | chunked_bodies(responses), b"\x02\x00\x03\x00\x05")
    both = {b"\x00\x03" + data: stem for data, stem in requests.items()}
    both |= {b"\x01\x04" + data: stem + "_answer" for data, stem in responses.items()}
    write("http_h1_writer", both, most=80)
    write("http_canonical", targets(requests))
    write("http_scan", {line + b"\r\n": stem for data, stem in requests.items() for line in data.split(b"\r\n")[1:4]}, b"\x03x")
    write("gateway_decide", requests, b"\x00")
    write("config", configs(), most=30)
    write("config_parse", configs(), most=30)
    write("gateway_config", configs())


if __name__ == "__main__":
    main()
