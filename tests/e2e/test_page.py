"""A page in a real browser: Debian's Chromium, headless, on the sample system's chat, with a WebSocket and an event stream
through the gateway, over a reload. Skipped where Chromium is not installed: it is no package that the tests ask for."""
import asyncio
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.request

import pytest
import websockets

from harness.gateway import ROOT, Gateway, free_port, wait_until

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here (apt-get install chromium)")


@pytest.fixture
def chat(best_loop, tmp_path):
    """The sample's gateway before its service `messages`."""
    program = pathlib.Path(os.environ.get("SLUICE_DEMO", ROOT / "out/demo-services"))
    port = free_port()
    service = subprocess.Popen([program, "--service", f"messages:{port}"])
    config = (ROOT / "demo/gateway.yaml").read_text(encoding="utf-8")
    config = config.replace("127.0.0.1:7004", f"127.0.0.1:{port}")
    config = config.replace("bind: 127.0.0.1:8080", "bind: $LISTEN").replace("bind: 127.0.0.1:9900", "bind: $ADMIN")
    config = config.replace("127.0.0.1:8443", f"127.0.0.1:{free_port()}").replace("build/demo/", f"{ROOT}/build/demo/")
    with Gateway(config, tmp_path / "gateway", loop=best_loop) as running:
        running.config = config
        yield running
    service.terminate()
    service.wait(5)


@pytest.fixture
def browser(tmp_path):
    """evaluate(url) -> a function that evaluates JavaScript in a page there, through the DevTools."""
    port = free_port()
    process = subprocess.Popen(
        [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         f"--remote-debugging-port={port}", f"--user-data-dir={tmp_path / 'profile'}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def call(path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def is_up():
        try:
            return bool(call("/json/version"))
        except OSError:
            return False

    def open_page(url):
        assert wait_until(is_up, 30), "the browser does not start"
        tools = call(f"/json/new?{url}", "PUT")["webSocketDebuggerUrl"]

        async def ask(expression):
            async with websockets.connect(tools, max_size=None) as connection:
                await connection.send(json.dumps({"id": 1, "method": "Runtime.evaluate",
                                                  "params": {"expression": expression, "returnByValue": True}}))
                while (answer := json.loads(await connection.recv())).get("id") != 1:
                    pass
                return answer["result"]["result"].get("value")

        return lambda expression: asyncio.run(asyncio.wait_for(ask(expression), 10))

    yield open_page
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_page_with_a_websocket_and_an_event_stream(chat, browser):
    evaluate = browser("http://%s:%d/chat?name=ann" % chat.address)
    text = lambda name: evaluate(f"document.getElementById('{name}')?.textContent")
    assert wait_until(lambda: text("state") == "open", 20), text("state")
    assert wait_until(lambda: chat.metric("sluice_event_streams_open") == 1, 10)
    evaluate("socket.send('hello from a browser')")
    assert wait_until(lambda: text("socket") == text("events") == "ann: hello from a browser\n", 10)

    generation = chat.metric("sluice_config_generation")
    chat.write_config(chat.config + "\n# a change that concerns nobody\ndrain_timeout: 29s\n")
    chat.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: chat.metric("sluice_config_generation") == generation + 1)
    evaluate("socket.send('still there')")
    assert wait_until(lambda: text("socket").endswith("ann: still there\n") and text("events") == text("socket"), 10)

    chat.write_config(chat.config.replace("websocket: {max_message: 4KiB, messages: 20/s}", "websocket: false"))
    chat.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: text("state") == "closed 1012", 10), text("state")
