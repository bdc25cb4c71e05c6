"""TLS to upstreams: who is trusted, who the gateway says it is, what happens when a check fails, and that sessions resume."""
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.certificates import Authority, new_key, pem_of, write
from harness.client import RawClient, exchange, get, status
from harness.gateway import wait_until
from harness.upstream import RecordingUpstream, TlsUpstream


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure_upstream(authority):
    with TlsUpstream(authority.make("users.internal")) as upstream:
        yield upstream


def config(upstream, tls, extra=""):
    return f"""
        upstreams: {{u: {{endpoints: ['{upstream.address}'], tls: {{{tls}}}, retries: 0}}}}
        routes: [{{name: all, to: u}}]
        {extra}
    """


def test_requests_go_to_who_is_trusted(gateway, secure_upstream, authority):
    running = gateway(config(secure_upstream, f"ca: {authority.path}, server_name: users.internal"))
    body = b"x" * 300_000
    for _ in range(3):
        answer = exchange(running.address, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert (status(answer), answer.body) == (200, b"ok")
    assert [request.body for request in secure_upstream.requests] == [body] * 3
    assert secure_upstream.connections == 1 and secure_upstream.names == ["users.internal"]
    assert running.metric("sluice_upstream_insecure", upstream="u") == 0


@pytest.mark.parametrize("made, tls, why", [
    (dict(names=["users.internal"]), "ca: $CA, server_name: other.internal", "ostname mismatch"),
    (dict(names=["users.internal"]), "ca: $CA", "IP address mismatch"),
    (dict(names=["users.internal"], begins=-9, ends=-1), "ca: $CA, server_name: users.internal", "certificate has expired"),
    (dict(names=["users.internal"]), "server_name: users.internal", "unable to get local issuer certificate"),
], ids=["name", "address", "expired", "authority"])
def test_a_check_that_fails_has_its_name(gateway, authority, made, tls, why):
    made = dict(made)
    names = made.pop("names")
    with TlsUpstream(authority.make(*names, file="checked", **made)) as upstream:
        running = gateway(config(upstream, tls.replace("$CA", str(authority.path))))
        answer = get(running.address)
        assert status(answer) == 502 and b"upstream_tls_failed" in answer.body
        line = running.wait_log(lambda line: line["status"] == 502)
        assert line["cause"] == "upstream_tls_failed" and why in line["detail"]
        assert upstream.requests == []
        assert running.metric("sluice_endpoint_failures_total", kind="tls_failed") == 1


def test_the_address_is_verified_without_a_name(gateway, authority):
    with TlsUpstream(authority.make("127.0.0.1", file="address")) as upstream:
        running = gateway(config(upstream, f"ca: {authority.path}"))
        assert status(get(running.address)) == 200
        assert upstream.names == [None]


def names_of(*names):
    return x509.SubjectAlternativeName(list(names))


ip = lambda text: x509.IPAddress(ipaddress.ip_address(text))


@pytest.mark.parametrize("host, names, is_trusted", [
    ("127.0.0.1", [x509.DNSName("other"), ip("127.0.0.2"), ip("127.0.0.1")], True),
    ("127.0.0.1", [ip("127.0.0.2")], False),
    ("127.0.0.1", [x509.DNSName("127.0.0.1")], False),  # a name that looks like one
    ("127.0.0.1", [ip("::ffff:127.0.0.1")], False),
    ("127.0.0.1", [x509.DNSName("other")], False),  # the subject's common name is the address
    ("::1", [ip("::1")], True),
    ("::1", [ip("127.0.0.1")], False),
], ids=["one of them", "another", "dns", "mapped", "subject", "v6", "v6 another"])
def test_only_an_address_in_the_certificate_stands_for_an_address(gateway, authority, tmp_path, host, names, is_trusted):
    """T02"""
    key = new_key()
    made = authority.sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key, -1, 9,
                          [names_of(*names), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])])
    paths = tmp_path / "a.pem", tmp_path / "a.key"
    write(paths[0], made.public_bytes(serialization.Encoding.PEM))
    write(paths[1], pem_of(key))
    with TlsUpstream(paths, host=host) as upstream:
        running = gateway(config(upstream, f"ca: {authority.path}"))
        answer = get(running.address)
        assert (status(answer) == 200) == is_trusted
        assert is_trusted or "IP address mismatch" in running.wait_log(lambda line: line["status"] == 502)["detail"]


@pytest.mark.parametrize("asked, name, is_trusted", [
    ("users.a.internal", "*.a.internal", True), ("USERS.internal", "users.Internal", True), ("x.users.a.internal", "*.a.internal", False),
    ("a.internal", "*.a.internal", False), ("users.a.internal", "u*.a.internal", False), ("users.internal", "users.internal\0.evil", False),
])
def test_names_are_matched_label_by_label(gateway, authority, asked, name, is_trusted):
    """T02"""
    with TlsUpstream(authority.make(name, file="named")) as upstream:
        running = gateway(config(upstream, f"ca: {authority.path}, server_name: {asked}"))
        answer = get(running.address)
        assert (status(answer) == 200) == is_trusted
        assert is_trusted or "ostname mismatch" in running.wait_log(lambda line: line["status"] == 502)["detail"]


def test_who_speaks_no_tls(gateway, upstream, authority):
    running = gateway(config(upstream, f"ca: {authority.path}").replace("retries: 0", "retries: 0, connect_timeout: 1s"))
    upstream.default = (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",)
    answer = get(running.address)
    assert status(answer) in (502, 504)
    line = running.wait_log(lambda line: line["status"] == status(answer))
    assert line["cause"] in ("upstream_tls_failed", "upstream_connect_timeout"), line


def test_insecure_is_loud(gateway, secure_upstream):
    running = gateway(config(secure_upstream, "insecure_skip_verify: true"))
    assert status(get(running.address)) == 200
    assert running.metric("sluice_upstream_insecure", upstream="u") == 1
    assert "warning[insecure_skip_verify]" in running.stderr()


def test_the_gateway_says_who_it_is(gateway, authority, tmp_path):
    clients = Authority(tmp_path / "clients", "clients")
    cert, key = clients.make("gateway", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    trust = f"ca: {authority.path}, server_name: users.internal"
    with TlsUpstream(authority.make("users.internal"), clients=clients.path) as upstream:
        running = gateway(config(upstream, f"{trust}, cert: {cert}, key: {key}"))
        assert status(get(running.address)) == 200
        assert upstream.peers == ["gateway"]
        generation = running.metric("sluice_config_generation")
        running.write_config(config(upstream, trust))
        assert wait_until(lambda: running.metric("sluice_config_generation") == generation + 1)
        assert status(get(running.address)) == 502  # the pooled connection was made under other settings


def test_sessions_are_resumed(gateway, secure_upstream, authority):
    running = gateway(config(secure_upstream, f"ca: {authority.path}, server_name: users.internal",).replace(
        "retries: 0", "retries: 0, keep_alive: {max_idle: 0}"))
    for _ in range(4):
        assert status(get(running.address)) == 200
    assert wait_until(lambda: len(secure_upstream.resumed) == 4)
    assert secure_upstream.resumed == [False, True, True, True]


def test_a_reload_keeps_connections_whose_trust_is_the_same(gateway, secure_upstream, authority):
    tls = f"ca: {authority.path}, server_name: users.internal"
    running = gateway(config(secure_upstream, tls))
    assert status(get(running.address)) == 200
    running.write_config(config(secure_upstream, tls, "drain_timeout: 7s"))
    assert wait_until(lambda: running.metric("sluice_config_generation") == 2)
    assert status(get(running.address)) == 200
    assert secure_upstream.connections == 1


def test_changed_authorities_hold_for_new_connections_and_touch_none(gateway, tmp_path):
    ours, others = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "others", "others")
    trusted, known = tmp_path / "trusted.pem", ours.path.read_bytes()
    write(trusted, known, 0o644)
    with TlsUpstream(ours.make("users.internal")) as upstream:
        running = gateway(config(upstream, f"ca: {trusted}, server_name: users.internal"))

        def is_connected():
            """Whether a connection can be made beside the one that waits for an answer."""
            upstream.answers.append([0.2, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow"])
            count = len(upstream.requests)
            with RawClient(running.address) as slow:
                slow.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
                assert upstream.wait_requests(count + 1)
                answer = get(running.address)
                assert slow.read_response().body == b"slow"
            assert status(answer) == 200 or b"upstream_tls_failed" in answer.body
            return status(answer) == 200

        assert status(get(running.address)) == 200 and upstream.connections == 1
        write(trusted, others.path.read_bytes(), 0o644)
        assert wait_until(lambda: f"upstreams.u.tls: what {trusted} now say is in service" in running.stderr()), running.stderr()
        assert status(get(running.address)) == 200 and upstream.connections == 1  # it stands, and is used
        assert not is_connected()
        for bad, why in ((b"nonsense", "holds no certificate in PEM form"), (known[:300], "holds a certificate that cannot be read")):
            write(trusted, bad, 0o644)
            assert wait_until(lambda: f"upstreams.u.tls: {trusted} {why}; what it held before stays in service" in running.stderr())
        assert running.metric("sluice_tls_certificates_refused_total") == 2
        write(trusted, others.path.read_bytes() + known, 0o644)
        assert wait_until(is_connected)
        assert running.metric("sluice_config_generation") == 1


def test_a_changed_certificate_of_the_gateway_is_shown_to_new_connections(gateway, authority, tmp_path):
    clients = Authority(tmp_path / "clients", "clients")
    make = lambda name, **options: clients.make(name, file="gateway", usage=ExtendedKeyUsageOID.CLIENT_AUTH, **options)
    cert, key = make("first")
    with TlsUpstream(authority.make("users.internal"), clients=clients.path) as upstream:
        running = gateway(config(upstream, f"ca: {authority.path}, server_name: users.internal, cert: {cert}, key: {key}").replace(
            "retries: 0", "retries: 0, keep_alive: {max_idle: 0}"))

        def shown():
            assert status(get(running.address)) == 200
            return upstream.peers[-1]

        assert shown() == "first" == shown()
        make("second")
        assert wait_until(lambda: shown() == "second"), running.stderr()
        refused = running.metric("sluice_tls_certificates_refused_total")
        make("third", begins=-9, ends=-1)
        assert wait_until(lambda: "the certificate of second before stays in service" in running.stderr()), running.stderr()
        assert wait_until(lambda: running.metric("sluice_tls_certificates_refused_total") > refused)
        assert shown() == "second"


def test_an_answer_that_is_cut_is_no_whole_one(gateway, secure_upstream, authority):
    """S27: of unknown length, and its end without close_notify."""
    secure_upstream.answers.append([b"HTTP/1.1 200 OK\r\n\r\nhalf", "close"])
    running = gateway(config(secure_upstream, f"ca: {authority.path}, server_name: users.internal"))
    from harness.client import Closed
    with pytest.raises(Closed):
        get(running.address)
    line = running.wait_log(lambda line: line.get("cause"))
    assert line["cause"] == "upstream_reset" and "close_notify" in line["detail"]


def test_http2_without_alpn_is_refused(gateway, secure_upstream, authority):
    tls = f"ca: {authority.path}, server_name: users.internal"
    running = gateway(config(secure_upstream, tls).replace("endpoints:", "protocol: http2, endpoints:"))
    assert status(get(running.address)) == 502
    line = running.wait_log(lambda line: line["status"] == 502)
    assert "has not chosen h2 by ALPN" in line["attempts"][0]["outcome"], line


def test_a_certificate_without_a_host_name_says_who_the_gateway_is(gateway, authority, tmp_path):
    clients = Authority(tmp_path / "clients", "clients")
    cert, key = clients.make_nameless("gateway")
    with TlsUpstream(authority.make("users.internal"), clients=clients.path) as upstream:
        running = gateway(config(upstream, f"ca: {authority.path}, server_name: users.internal, cert: {cert}, key: {key}"))
        assert status(get(running.address)) == 200
        assert upstream.peers == ["gateway service"]
        assert 89 * 86400 < running.metric("sluice_tls_upstream_certificate_expiry_seconds", upstream="u") <= 90 * 86400
