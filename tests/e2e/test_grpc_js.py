"""gRPC with grpc-js on both sides: it shares no code with python3-grpcio, and keeps HTTP/2 by node's own. All kinds of calls,
in the clear and by TLS. The package is installed once, by its lock file, under build/; without node, npm or a way to the
registry these tests are skipped, and say so."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness.certificates import Authority
from harness.gateway import wait_until

SCRIPTS = pathlib.Path(__file__).parent / "grpc_js"
INSTALLED = pathlib.Path(__file__).parents[2] / "build/npm/grpc_js"
INSTALL_SECONDS = 120


@pytest.fixture(scope="module")
def modules():
    """The folder of the installed package."""
    if missing := [name for name in ("node", "npm") if not shutil.which(name)]:
        pytest.skip(f"no {missing[0]} here")
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with open(INSTALLED / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (SCRIPTS / "package-lock.json").read_text(encoding="utf-8")
        mark = INSTALLED / "installed.json"
        if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
            install()
            mark.write_text(wanted, encoding="utf-8")
    return INSTALLED / "node_modules"


def install():
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SCRIPTS / name, INSTALLED)
    try:
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=INSTALLED, text=True,
                              timeout=INSTALL_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not installed grpc-js within {INSTALL_SECONDS} s")
    if done.returncode:
        pytest.skip(f"npm cannot install grpc-js here: {done.stdout.strip().splitlines()[-1:]}")


def environment(modules):
    return {**os.environ, "NODE_PATH": str(modules)}


@contextlib.contextmanager
def server(modules, folder, *arguments):
    """The service; `address` and what it has said so far."""
    output = folder / "server.txt"
    with open(output, "wb") as out:
        process = subprocess.Popen(["node", SCRIPTS / "server.js", *map(str, arguments)], stdout=out, stderr=out,
                                   env=environment(modules))
    try:
        def said():
            return output.read_text(encoding="utf-8").splitlines()

        assert wait_until(lambda: said() and said()[0].isdigit(), 20), said()
        yield f"127.0.0.1:{said()[0]}", said
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("secured", [False, True], ids=["clear", "tls"])
def test_all_kinds_of_calls(gateway, modules, tmp_path, secured):
    authority = Authority(tmp_path / "certificates")
    cert, key = authority.make("a.example", "chat.internal", file="both")
    with server(modules, tmp_path, *([cert, key] if secured else [])) as (address, said):
        # By TLS the handshake chooses HTTP/2; in the clear nothing could.
        upstream = f"tls: {{ca: {authority.path}, server_name: chat.internal}}" if secured else "protocol: http2"
        listener = f", tls: {{certificates: [{{cert: {cert}, key: {key}}}]}}" if secured else ""
        running = gateway(f"""
            listeners: [{{name: public, bind: $LISTEN{listener}}}]
            upstreams: {{chat: {{endpoints: ["{address}"], {upstream}}}}}
            routes: [{{name: chat, match: {{path: "/chat.Chat/*"}}, to: chat}}]
        """)
        client = ["node", SCRIPTS / "client.js", "127.0.0.1:%d" % running.address[1], *([authority.path] if secured else [])]
        done = subprocess.run(client, env=environment(modules), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "say": ["hello", "v", [0, 255]],
            "large": True,
            "crowd": True,
            "many": {"answers": ["a", "b", "c"], "code": 0},
            "join": "a,b,c",
            "talk": {"answers": ["re: question 0", "re: question 1"], "code": 0},
            "fail": [5, "no such room: ä%"],
            "late": 4,
            "cancelled": 1,
        }
        assert wait_until(lambda: said().count("cancelled") == 2), "the deadline and the cancel have both reached the service"
        assert running.metric("sluice_http2_calmed_total") == 0
        assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)
        assert running.metric("sluice_grpc_requests_total", route="chat", grpc_status="5") == 1
