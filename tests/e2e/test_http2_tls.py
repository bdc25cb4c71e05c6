"""HTTP/2 over TLS: chosen by ALPN, by real clients and by frames; gRPC on a secure channel."""
import concurrent.futures
import subprocess

import grpc
import pytest

from harness import http2
from harness.certificates import Authority
from harness.client import TlsClient, status
from harness.http2 import Client
from harness.http2_upstream import Service


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.pair("a.example", "localhost", "127.0.0.1")


def config(pair, more="", upstream="$UPSTREAM", protocol="http1"):
    return f"""
        listeners: [{{name: public, bind: $LISTEN, tls: {{certificates: [{pair}]}}{more}}}]
        upstreams: {{u: {{endpoints: ["{upstream}"], protocol: {protocol}}}}}
        routes: [{{name: all, to: u, policies: [{{headers: {{response: {{set: {{x-scheme: '{{scheme}}'}}}}}}}}]}}]
    """


def test_curl_and_h2load_choose_it(gateway, upstream, authority, pair):
    running = gateway(config(pair))
    url = f"https://localhost:{running.address[1]}/"
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", authority.path, "-o", "/dev/null",
                           "-w", "%{http_version} %{http_code}", url], capture_output=True, text=True, timeout=30)
    assert done.stdout == "2 200", done.stderr
    told = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "20", url], capture_output=True, text=True, timeout=60).stdout
    assert "2000 succeeded, 0 failed, 0 errored" in told and "Application protocol: h2" in told, told
    assert upstream.requests[0].first("x-forwarded-proto") == "https"
    line = running.wait_log(lambda line: line["version"] == "2")
    assert line["scheme"] == "https"


def test_frames_and_large_bodies(gateway, authority, pair):
    with Service() as service:
        running = gateway(config(pair, upstream=service.address, protocol="http2"))
        context = authority.context()
        context.set_alpn_protocols(["h2"])
        with Client(running.address, context=context, window=1 << 22) as client:
            assert client.socket.selected_alpn_protocol() == "h2"
            body, sent, stream = bytes(range(256)) * 4096, 0, client.request("POST", end=False, scheme="https")
            while sent < len(body):
                room = min(65535 + client.window_updates[stream], 65535 + client.window_updates[0]) - sent
                if room <= 0:
                    client.read_frame()
                    continue
                client.send(client.data(stream, body[sent:sent + room], sent + room >= len(body)))
                sent += room
            answer = client.answer(stream)
            assert answer.body == body and answer.get("x-scheme") == "https"
            streams = [client.request(scheme="https") for _ in range(50)]
            assert all(client.answer(stream).body == b"ok" for stream in streams)
            held = client.request("POST", end=False, scheme="https")
            client.send(http2.rst(held))
            assert client.is_alive()


def test_what_a_listener_does_not_speak_is_not_offered(gateway, authority, pair):
    running = gateway(config(pair, more=", protocols: [http1]"))
    context = authority.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with TlsClient(running.address, context) as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        client.send(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n")
        assert status(client.read_response()) == 200


def test_grpc_on_a_secure_channel(gateway, authority, pair):
    def answer(connection, stream, request):
        connection.respond(stream, request.body, headers=[("content-type", "application/grpc")], trailers=[("grpc-status", "0")])

    with Service(answer) as service:
        running = gateway(config(pair, upstream=service.address, protocol="http2"))
        trusted = grpc.ssl_channel_credentials(authority.path.read_bytes())
        with grpc.secure_channel(f"localhost:{running.address[1]}", trusted) as channel, concurrent.futures.ThreadPoolExecutor(8) as many:
            call = channel.unary_unary("/chat.Chat/Say")
            words = [str(number).encode() for number in range(60)]
            assert list(many.map(lambda word: call(word, timeout=20), words)) == words
