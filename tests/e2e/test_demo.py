"""The sample system: demo/gateway.yaml before the sample services shows what `./dev run` promises in its commands."""
import datetime
import json
import os
import pathlib
import re
import stat
import subprocess
import time

import grpc
import pytest
from cryptography import x509

from harness.client import RawClient, exchange, get
from harness.gateway import ROOT, Gateway, binary, free_port, wait_until
from harness.websocket import Client

SERVICES = {"users-1": 7001, "users-2": 7002, "payments": 7003, "messages": 7004, "greeter": 7005}  # as demo/gateway.yaml has them
CERTIFICATE = ROOT / "build/demo/localhost.pem"


@pytest.fixture
def services():
    """The sample services on free ports: name -> port."""
    program = pathlib.Path(os.environ.get("SLUICE_DEMO", ROOT / "out/demo-services"))
    ports = {name: free_port() for name in SERVICES}
    words = [word for name, port in ports.items() for word in ("--service", f"{name}:{port}")]
    process = subprocess.Popen([program, *words])
    yield ports
    process.terminate()
    assert process.wait(5) == 0


@pytest.fixture
def demo(services, loop, tmp_path):
    """The gateway with the sample's config, its ports replaced by free ones."""
    config = (ROOT / "demo/gateway.yaml").read_text(encoding="utf-8")
    for name, port in SERVICES.items():
        config = config.replace(f"127.0.0.1:{port}", f"127.0.0.1:{services[name]}")
    config = config.replace("bind: 127.0.0.1:8080", "bind: $LISTEN").replace("bind: 127.0.0.1:9900", "bind: $ADMIN")
    secure_port = free_port()
    config = config.replace("127.0.0.1:8443", f"127.0.0.1:{secure_port}").replace("build/demo/", f"{CERTIFICATE.parent}/")
    with Gateway(config, tmp_path, loop=loop) as running:
        running.secure_port = secure_port
        yield running


def echo(response):
    return json.loads(response.body)


def test_the_config_is_good():
    done = subprocess.run([binary(), "check", ROOT / "demo/gateway.yaml"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def test_path_routing(demo):
    assert echo(get(demo.address, "/payments/invoices/7"))["service"] == "payments"


def test_host_routing(demo):
    assert echo(get(demo.address, "/inbox", host="messages.example.com"))["service"] == "messages"


def test_header_added_and_path_rewritten(demo):
    response = get(demo.address, "/users/42")
    saw = echo(response)
    assert saw["path"] == "/v2/users/42"
    headers = {name.lower(): value for name, value in saw["headers"]}
    assert headers["x-team"] == "edge" and headers["x-request-id"]
    assert not response.all("server")


def test_redirect(demo):
    response = get(demo.address, "/people/42")
    assert response.start.startswith("HTTP/1.1 308 ") and response.first("location").endswith("/users/42")


def test_clear_404(demo):
    response = get(demo.address, "/nowhere")
    assert response.start.startswith("HTTP/1.1 404 ") and echo(response)["cause"] == "no_route"


def test_balancing(demo):
    assert {get(demo.address, "/users/1").first("x-served-by") for _ in range(6)} == {"users-1", "users-2"}


def test_services_can_be_told_to_fail(demo):
    assert get(demo.address, "/payments/1?status=503").start.startswith("HTTP/1.1 503 ")
    assert exchange(demo.address, b"GET /payments/1?drop=1 HTTP/1.1\r\nhost: a\r\n\r\n").start.startswith("HTTP/1.1 502 ")


def commands():
    """Those that `./dev run` prints: {title: command line}."""
    script = (ROOT / "tools/dev/run.sh").read_text(encoding="utf-8")
    return {title.strip(): line for title, line in re.findall(r"^  [1-7] (\S+(?: \S+)*)  +(curl .*)$", script, re.M)}


def test_the_commands_do_what_they_say(demo):
    said = {}
    for title, line in commands().items():
        line = line.replace("$gateway_address", f"127.0.0.1:{demo.address[1]}").replace("$certificate", str(CERTIFICATE))
        line = line.replace("$secure_address", f"localhost:{demo.secure_port}")
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        said[title] = done.stdout
    assert len(said) == 7
    assert json.loads(said["path routing"])["service"] == "payments"
    assert json.loads(said["host routing"])["service"] == "messages"
    assert "/v2/users/42" in said["header added"] and "edge" in said["header added"] and "x-request-id" in said["header added"]
    assert said["redirect"].startswith("HTTP/1.1 308 ") and "location: /users/42" in said["redirect"]
    assert said["a clear 404"].startswith("HTTP/1.1 404 ") and '"cause":"no_route"' in said["a clear 404"]
    assert "/v2/users/42" in said["https"] and re.search(r'"x-forwarded-proto", "https"', said["https"])
    assert sorted(said["balancing"].split()) == ["users-1"] * 3 + ["users-2"] * 3


def test_a_service_that_is_slow_or_dies_is_gone_round(demo, services, tmp_path):
    began = time.monotonic()
    assert echo(get(demo.address, "/payments/1?delay=200ms"))["service"] == "payments" and time.monotonic() - began >= 0.2
    text = demo.config_path.read_text(encoding="utf-8").replace(f"127.0.0.1:{services['users-2']}", "127.0.0.1:1")
    demo.config_path.write_text(text, encoding="utf-8")
    assert wait_until(lambda: demo.metric("sluice_config_generation") == 2), demo.stderr()
    assert {get(demo.address, "/users/1").first("x-served-by") for _ in range(8)} == {"users-1"}


def test_a_mistyped_config_is_told_where_and_what(demo):
    text = demo.config_path.read_text(encoding="utf-8")
    demo.config_path.write_text(text.replace("upstreams:", "upsteams:"), encoding="utf-8")
    deadline = time.monotonic() + 5
    while "did you mean" not in demo.stderr() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "did you mean 'upstreams'" in demo.stderr() and "gateway.yaml:" in demo.stderr()
    assert echo(get(demo.address, "/payments/1"))["service"] == "payments"


def test_what_dev_run_prints_matches_the_config():
    """The ports named in the script are those of the config."""
    script = (ROOT / "tools/dev/run.sh").read_text(encoding="utf-8")
    config = (ROOT / "demo/gateway.yaml").read_text(encoding="utf-8")
    for name, port in re.findall(r"(\S+):(700\d)", re.search(r"samples=\((.*?)\)", script).group(1)):
        assert SERVICES[name] == int(port) and f"127.0.0.1:{port}" in config
    for name, address in re.findall(r"^(gateway|secure|admin)_address=(\S+)$", script, re.M):
        assert f"bind: {address.replace('localhost', '127.0.0.1')}" in config, name


def test_the_certificate_is_made_once_and_renewed_in_time(tmp_path):
    folder = tmp_path / "made here"
    certificate, key = folder / "localhost.pem", folder / "localhost.key"

    def make():
        subprocess.run([ROOT / "demo/make_certificate.sh", folder], check=True, timeout=30)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and sorted(folder.iterdir()) == [key, certificate]
        return x509.load_pem_x509_certificate(certificate.read_bytes())

    def sign_again(days):
        subprocess.run(["openssl", "req", "-x509", "-key", key, "-subj", "/CN=localhost", "-days", str(days), "-out", certificate],
                       check=True, timeout=30)

    first = make()
    assert first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert make() == first
    sign_again(32)  # it holds for another month
    again = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert make() == again != first
    sign_again(29)
    assert make().not_valid_after - again.not_valid_before > datetime.timedelta(days=360)
    key.unlink()
    assert make() and key.exists()


def test_https_speaks_both_protocols_and_the_redirect_stays_on_it(demo):
    for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
        done = subprocess.run(
            ["curl", "-sS", option, "--cacert", CERTIFICATE, "-L", "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{scheme} %{num_redirects}",
             f"https://localhost:{demo.secure_port}/people/42"], capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout.lower()) == (0, f"{version} 200 https 1"), done.stderr


def test_the_chat_over_a_websocket_and_an_event_stream(demo):
    with RawClient(demo.address) as listener, Client(demo.address, "/chat/ws?name=ann") as ann, \
            Client(demo.address, "/chat/ws?name=bob") as bob:
        listener.send(b"GET /chat/events HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"text/event-stream" in listener.reader.until(b": the chat\n\n")
        time.sleep(0.05)  # the room has all three
        ann.say("hello")
        assert ann.hear() == bob.hear() == (0x81, b"ann: hello")
        assert listener.reader.until(b"\n\n").endswith(b"data: ann: hello\n\n")
    assert b"new WebSocket" in get(demo.address, "/chat").body


def test_the_greeter_answers_all_four_kinds_of_call(demo):
    ask = lambda name: b"\x0a" + bytes([len(name)]) + name.encode()  # GreetRequest{name} of demo/greeter.proto
    tell = lambda greeting: b"\x0a" + bytes([len(greeting)]) + greeting.encode() + b"\x12\x07greeter"
    with grpc.insecure_channel(":".join(map(str, demo.address))) as channel:
        call = lambda kind, method: getattr(channel, kind)(f"/demo.Greeter/{method}")
        assert call("unary_unary", "Greet")(ask("ann"), timeout=10) == tell("hello, ann")
        assert list(call("unary_stream", "GreetThrice")(ask("bob"), timeout=10)) == 3 * [tell("hello, bob")]
        assert call("stream_unary", "GreetAll")(iter([ask("a"), ask("b")]), timeout=10) == tell("hello, a, b")
        each = call("stream_stream", "GreetEach")(iter([ask(str(i)) for i in range(20)]), timeout=10)
        assert list(each) == [tell(f"hello, {i}") for i in range(20)]
        with pytest.raises(grpc.RpcError) as refused:
            call("unary_unary", "Forget")(ask("ann"), timeout=10)
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
