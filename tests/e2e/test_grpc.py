"""gRPC through the gateway, with Debian's python3-grpcio on both sides: four kinds of calls, deadlines, statuses, metrics."""
import concurrent.futures
import threading
import time

import grpc
import pytest

from harness.gateway import Gateway, wait_until
from harness import http2
from harness.http2 import Client

CONFIG = """
upstreams:
  chat: {endpoints: ["CHAT"], protocol: http2}
  nobody: {endpoints: ["127.0.0.1:1"], protocol: http2}
routes:
  - {name: chat, match: {path: "/chat.Chat/*"}, to: chat}
  - {name: gone, match: {path: "/gone.Gone/*"}, to: nobody}
  - {name: small, match: {path: "/small.Small/*"}, policies: [body_limit: {max: 100B}], to: chat}
"""


class Chat(grpc.GenericRpcHandler):
    """Bytes in, bytes out. `Say` echoes, `Many` answers with each byte, `Join` with all messages, `Talk` each at once."""

    def __init__(self):
        self.cancelled = threading.Event()

    def service(self, call):
        name = call.method.rpartition("/")[2]
        return {
            "Say": grpc.unary_unary_rpc_method_handler(self.say),
            "Many": grpc.unary_stream_rpc_method_handler(lambda text, context: (bytes([byte]) for byte in text)),
            "Join": grpc.stream_unary_rpc_method_handler(lambda texts, context: b",".join(texts)),
            "Talk": grpc.stream_stream_rpc_method_handler(lambda texts, context: (b"re: " + text for text in texts)),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Slow": grpc.unary_unary_rpc_method_handler(self.slow),
        }.get(name)

    def say(self, text, context):
        context.send_initial_metadata([("x-head", "1")])
        context.set_trailing_metadata([("x-tail", "2")])
        return text

    def fail(self, text, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such room: ä%")

    def slow(self, text, context):
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(5)
        return b"late"


@pytest.fixture(scope="module")
def chat():
    one = Chat()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([one])
    one.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield one
    server.stop(0).wait()


@pytest.fixture(scope="module", params=["epoll", "uring"])
def running(request, chat, tmp_path_factory):
    from conftest import URING_REFUSAL
    if request.param == "uring" and URING_REFUSAL:
        pytest.skip(URING_REFUSAL)
    with Gateway(CONFIG.replace("CHAT", chat.address), tmp_path_factory.mktemp("grpc"), loop=request.param) as one:
        yield one


@pytest.fixture
def channel(running):
    with grpc.insecure_channel(f"127.0.0.1:{running.address[1]}") as one:
        yield one


def test_four_kinds_of_calls(running, channel):
    assert channel.unary_unary("/chat.Chat/Say")(b"hello", timeout=10) == b"hello"
    assert list(channel.unary_stream("/chat.Chat/Many")(b"abc", timeout=10)) == [b"a", b"b", b"c"]
    assert channel.stream_unary("/chat.Chat/Join")(iter([b"a", b"b", b"c"]), timeout=10) == b"a,b,c"
    go_on, answers = threading.Event(), []

    def questions():
        yield b"one"
        assert go_on.wait(10)  # the answer to the first is here before the second leaves
        yield b"two"

    for answer in channel.stream_stream("/chat.Chat/Talk")(questions(), timeout=10):
        answers.append(answer)
        go_on.set()
    assert answers == [b"re: one", b"re: two"]


def test_metadata_and_large_messages(channel):
    call = channel.unary_unary("/chat.Chat/Say")
    body = bytes(range(256)) * 8000
    answer, told = call.with_call(body, timeout=10, metadata=[("x-mine", "v"), ("x-bin", b"\x00\xff")])
    assert answer == body
    assert dict(told.initial_metadata())["x-head"] == "1" and dict(told.trailing_metadata())["x-tail"] == "2"


def test_many_calls_at_once(running, channel):
    call = channel.unary_unary("/chat.Chat/Say")
    futures = [call.future(str(number).encode(), timeout=20) for number in range(300)]
    assert [future.result() for future in futures] == [str(number).encode() for number in range(300)]
    assert running.metric("sluice_http2_calmed_total") == 0


def refusal(call, *arguments, **named):
    with pytest.raises(grpc.RpcError) as told:
        call(*arguments, **named)
    return told.value.code(), told.value.details()


def test_statuses_of_the_service_pass(running, channel):
    before = running.metric("sluice_grpc_requests_total", route="chat", grpc_status="5")
    assert refusal(channel.unary_unary("/chat.Chat/Fail"), b"", timeout=10) == (grpc.StatusCode.NOT_FOUND, "no such room: ä%")
    assert refusal(channel.unary_unary("/chat.Chat/What"), b"", timeout=10)[0] == grpc.StatusCode.UNIMPLEMENTED
    assert wait_until(lambda: running.metric("sluice_grpc_requests_total", route="chat", grpc_status="5") == before + 1)


def test_faults_of_the_gateway_are_statuses(running, channel):
    code, text = refusal(channel.unary_unary("/gone.Gone/Say"), b"", timeout=10)
    assert code == grpc.StatusCode.UNAVAILABLE and text.startswith("upstream_connect_refused: ")
    code, text = refusal(channel.unary_unary("/nowhere.At/All"), b"", timeout=10)
    assert code == grpc.StatusCode.UNIMPLEMENTED and text.startswith("no_route: ")
    code, text = refusal(channel.unary_unary("/small.Small/Say"), b"x" * 1000, timeout=10)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and text.startswith("request_body_too_large: ")
    assert running.metric("sluice_grpc_requests_total", route="gone", grpc_status="14") >= 1
    line = running.wait_log(lambda line: line.get("route") == "gone")
    assert line["cause"] == "upstream_connect_refused"


def test_a_fault_is_trailers_only(running):
    with Client(running.address) as client:
        answer = client.ask("POST", "/gone.Gone/Say", extra=[("content-type", "application/grpc"), ("te", "trailers")], body=b"")
        fields = dict(answer.headers)
        assert answer.status == 200 and answer.body == b"" and answer.trailers is None and answer.is_whole
        assert fields["content-type"] == "application/grpc" and fields["grpc-status"] == "14"
        plain = client.ask("POST", "/gone.Gone/Say", body=b"")
        assert plain.status == 502 and b"upstream_connect_refused" in plain.body


def test_the_deadline_is_kept_by_the_gateway(running, chat):
    """A client that names a deadline and does not keep it itself: the gateway answers, and gives the service's stream up."""
    chat.cancelled.clear()
    with Client(running.address) as client:
        began = time.monotonic()
        answer = client.ask("POST", "/chat.Chat/Slow", body=b"\0\0\0\0\0",
                            extra=[("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m")])
        assert dict(answer.headers)["grpc-status"] == "4" and 0.25 < time.monotonic() - began < 4
        assert client.is_alive() and not client.goaways
    assert chat.cancelled.wait(5)
    assert running.wait_log(lambda line: line.get("cause") in ("grpc_deadline_exceeded", None) and line["path"] == "/chat.Chat/Slow")


def test_a_client_that_cancels(running, channel, chat):
    chat.cancelled.clear()
    future = channel.unary_unary("/chat.Chat/Slow").future(b"", timeout=10)
    assert wait_until(lambda: running.metric("sluice_requests_in_flight") >= 1)
    time.sleep(0.05)
    future.cancel()
    assert chat.cancelled.wait(5)
    assert wait_until(lambda: running.metric("sluice_requests_in_flight") == 0)


def test_a_silent_stream_is_not_cut(channel):
    """Messages seconds apart: a call has no rate to keep. (The rate's grace is 5 s.)"""
    def questions():
        yield b"one"
        time.sleep(6.5)
        yield b"two"

    assert list(channel.stream_stream("/chat.Chat/Talk")(questions(), timeout=20)) == [b"re: one", b"re: two"]


def test_plain_requests_beside_calls(running):
    with Client(running.address) as client:
        answer = client.ask("POST", "/chat.Chat/Say", body=b"\0\0\0\0\2hi", extra=[("content-type", "application/grpc"), ("te", "trailers")])
        assert answer.body == b"\0\0\0\0\2hi" and dict(answer.trailers)["grpc-status"] == "0"
        assert http2.PROTOCOL_ERROR != answer.reset
