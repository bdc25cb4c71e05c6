"""Runs every text case against the real binary, on both loops. Grammar: tests/cases/README.md."""
import re

import pytest

from harness.cases import Run, CaseFile, pieces, plain
from harness.client import Closed, RawClient
from harness.gateway import ROOT
from harness.wire import Malformed

PATHS = sorted([*ROOT.glob("tests/cases/**/*.case"), *ROOT.glob("src/policies/*/cases/*.case")])
CHANGING = ("x-request-id", "date", "forwarded")  # fields that differ from exchange to exchange
EVERY_OFFSET_BYTES = 400  # of longer messages only so many offsets are cut at, evenly spread


def names(paths):
    return [str(path.relative_to(ROOT)).removeprefix("tests/cases/").removeprefix("src/policies/") for path in paths]


def report(file, failures):
    return "\n\n".join(f"{file.name}:{case.line}: {case.title}\n{fault}" for case, fault in failures)


@pytest.mark.parametrize("path", PATHS, ids=names(PATHS))
def test_case(path, gateway, upstream):
    file, claimed, failures = CaseFile(path), set(), []
    running = gateway(file.config)
    for case in file.cases:
        try:
            Run(running, upstream, claimed).run(case)
        except AssertionError as fault:
            failures.append((case, fault))
    if failures:
        pytest.fail(report(file, failures), pytrace=False)


def can_be_split(case):
    """Accepted, and the client speaks once: then how its bytes are cut must not matter."""
    speaks = case.texts("client", "client new")
    scripted = [piece for text in case.texts("upstream") + speaks for piece in pieces(text)]
    whole = case.texts("upstream") and not case.texts("upstream cut")
    return case.splits and len(speaks) == 1 and whole and all(isinstance(p, bytes) for p in scripted)


def split_cases(file):
    """One case for each text of the client: cases that differ only in the upstream's answer are not cut anew."""
    return {case.texts("client", "client new")[0]: case for case in reversed(file.cases) if can_be_split(case)}.values()


def split_paths():
    return [path for path in PATHS if "http1" in path.parts and split_cases(CaseFile(path))]


def cut_sets(length):
    step = max(1, length // EVERY_OFFSET_BYTES)
    yield ()
    for offset in range(1, length, step):
        yield (offset,)
    yield range(1, length) if length <= 2000 else range(1, length, length // 1000)


def gist(message):
    """What must not depend on where bytes were cut: all but the sizes of the chunks, which nobody may rely on."""
    fields = [field for field in message.fields if field[0] not in CHANGING]
    return message.start, fields, re.sub(rb'"id":"\w+"', b"", message.body)


def outcome(case, running, upstream, cuts):
    """What the upstream and the client saw of a case whose client bytes were cut like that."""
    upstream.clear()
    upstream.answers.extend(pieces(text) for text in case.texts("upstream"))
    with RawClient(running.address) as client:
        client.send(plain(case.texts("client", "client new")[0]), cuts)
        answers = [client.read_response("HEAD" if step.keyword == "expect HEAD" else "GET")
                   for step in case.steps if step.keyword in ("expect", "expect HEAD")]
    assert upstream.wait_requests(len(case.texts("upstream"))), "the upstream saw fewer requests"
    return [gist(message) for message in upstream.requests + answers] + upstream.faults


def first_difference(case, running, upstream):
    """The first cut that changes what is seen, as text; None when none does."""
    whole = cuts = None
    try:
        for cuts in cut_sets(len(plain(case.texts("client", "client new")[0]))):
            seen = outcome(case, running, upstream, cuts)
            whole = whole or seen
            if seen != whole:
                return f"cut at {list(cuts)[:3]}:\n  {seen}\nwhole:\n  {whole}"
    except (AssertionError, Closed, OSError, Malformed) as fault:
        return f"cut at {list(cuts)[:3]}: {type(fault).__name__} {fault}"
    return None


@pytest.mark.parametrize("path", split_paths(), ids=names(split_paths()))
def test_cut_at_every_offset(path, gateway, upstream):
    file, failures = CaseFile(path), []
    running = gateway(file.config)
    for case in split_cases(file):
        fault = first_difference(case, running, upstream)
        if fault:
            failures.append((case, fault))
    if failures:
        pytest.fail(report(file, failures), pytrace=False)
