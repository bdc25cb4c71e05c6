"""Fixtures of the end-to-end tests. SLUICE_BIN names the binary under test (default out/sluice)."""
import contextlib
import itertools
import json
import os
import subprocess

import pytest
from _pytest.runner import runtestprotocol

from harness import promise
from harness.gateway import ROOT, Gateway, binary, uring_refusal
from harness.upstream import RecordingUpstream

URING_REFUSAL = uring_refusal()


def pytest_configure(config):
    config.addinivalue_line("markers", "row(name, promise): a row of docs/reliability.md")
    config.addinivalue_line("markers", "alone: measures, or needs the whole machine: not beside other tests")
    if not hasattr(config, "workerinput"):  # of pytest-xdist: the process that others work for
        promise.RECORDS.unlink(missing_ok=True)
        subprocess.run([ROOT / "demo/make_certificate.sh", ROOT / "build/demo"], check=True, timeout=60)  # for demo/gateway.yaml
    if not binary().exists():
        raise pytest.UsageError(f"{binary()} is missing: run ./dev build")


# What these look at is the same in every build: the sample system, the documents, the sources.
SAME_IN_EVERY_BUILD = {"test_demo.py", "test_docs.py", "test_layers.py", "test_policy_manuals.py"}


# Gigabytes, thousands of connections, memory that is weighed.
ALONE = {"test_bodies.py", "test_crowds.py"}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name in ALONE or item.get_closest_marker("row"):
            item.add_marker("alone")
    if "SLUICE_SANITIZED" not in os.environ:
        return
    for item in items:
        if item.path.name in SAME_IN_EVERY_BUILD:
            item.add_marker(pytest.mark.skip(reason="the same in every build: tested without sanitizers"))


# What the summary tells of a test travels in its report, from whichever process ran it: (what it is, the text).
SECOND_TRY, FIGURE = "tried twice", "measured"
told = {SECOND_TRY: [], FIGURE: []}


def pytest_runtest_logreport(report):
    if report.when == "teardown":
        for what, text in report.user_properties:
            if what in told:
                told[what].append((report.nodeid, text))


def pytest_runtest_protocol(item, nextitem):
    """These tests share their machine and real time with others: one that fails is tried once more, and the summary names
    it whether the second try passed or not. What fails twice has failed."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports) and not promise.IS_LONG:
        story = next(str(report.longrepr) for report in reports if report.failed)
        item.user_properties.append((SECOND_TRY, story[-3000:]))
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    if told[FIGURE]:
        terminalreporter.section("measured")
        for _, text in told[FIGURE]:
            terminalreporter.write_line(text)
    if promise.RECORDS.exists():
        terminalreporter.section("reliability rows")
        for line in promise.table([json.loads(line) for line in promise.RECORDS.read_text(encoding="utf-8").splitlines()]):
            terminalreporter.write_line(line)
    for name, story in told[SECOND_TRY]:
        terminalreporter.section(f"tried twice: {name}")
        terminalreporter.write_line(story)


@pytest.fixture(params=["epoll", "uring"])
def loop(request):
    """The loop backend under test. Whoever asks for it, or for `gateway`, runs once on each."""
    if request.param == "uring" and URING_REFUSAL:
        pytest.skip(URING_REFUSAL)
    return request.param


@pytest.fixture
def figure(request, loop):
    """figure(text): shown in the summary. What depends on the machine is told, and not asserted."""
    return lambda text: request.node.user_properties.append((FIGURE, f"{loop}: {text}"))


@pytest.fixture
def best_loop():
    """For tests to which the backend makes no difference: the one that `--loop auto` takes."""
    return "epoll" if URING_REFUSAL else "uring"


@pytest.fixture
def row(request):
    """The figures of a reliability row (harness/promise.py), under the test's marker. The test ends with row.judge()."""
    name, told = request.node.get_closest_marker("row").args
    loops = [name for name in ("loop", "best_loop") if name in request.fixturenames]
    return promise.Row(name, told, request.getfixturevalue(loops[0]) if loops else "any")


@pytest.fixture
def upstream():
    with RecordingUpstream() as recording:
        yield recording


@pytest.fixture
def start_upstream():
    """start_upstream(name, *before, port=0) -> an upstream that answers 200 with its name, after what stands in `before`."""
    with contextlib.ExitStack() as running:

        def start(name, *before, port=0):
            answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode()
            return running.enter_context(RecordingUpstream((*before, answer), port))

        yield start


@pytest.fixture
def gateway(loop, upstream, tmp_path):
    """gateway(config_text, workers=1, ...) starts one, ready when it returns; the config's $UPSTREAM is `upstream`.
    At the end of the test each is stopped by SIGTERM and must end cleanly."""
    numbers = itertools.count()
    with contextlib.ExitStack() as running:

        def start(config, **options):
            options = {"loop": loop, "upstream": upstream.address, **options}
            return running.enter_context(Gateway(config, tmp_path / f"gateway-{next(numbers)}", **options))

        yield start
