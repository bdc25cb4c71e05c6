"""Client certificates: who gets in, what the upstream is told, and that no way leads round them (row T01)."""
import base64
import datetime
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.certificates import Authority, write
from harness.client import TlsClient, status
from harness.gateway import wait_until

GET = b"GET / HTTP/1.1\r\nhost: %s\r\n%s\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture(scope="module")
def pair(authority):
    return authority.pair("a.example", "admin.example", "*.admin.example")


def config(pair, clients, more=""):
    return f"""
        listeners:
          - name: public
            bind: $LISTEN
            tls: {{certificates: {pair}, client_certificates: {{ca: {clients.path}{more}}}}}
        routes: [{{name: all, to: u}}]
    """


def show(clients, *names, **options):
    return clients.make(*names, usage=ExtendedKeyUsageOID.CLIENT_AUTH, **options)


def ask(running, authority, shown=None, name="a.example", host=None, fields=b"", **settings):
    """The answer. What is refused raises: in TLS 1.3 a client hears it with its first answer."""
    context = authority.context(**settings)
    if shown:
        context.load_cert_chain(*shown)
    with TlsClient(running.address, context, name) as client:
        client.send(GET % ((host or name).encode(), fields))
        return client.read_response()


def is_refused(*arguments, **options):
    try:
        ask(*arguments, **options)
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def test_who_shows_one_gets_in_and_the_upstream_is_told(gateway, upstream, authority, clients, pair):
    running = gateway(config(pair, clients))
    cert, key = show(clients, "one.clients.example")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        answer = ask(running, authority, (cert, key), maximum_version=version,
                     fields=b"client-cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: :Zm9yZ2Vk:\r\n")
        assert status(answer) == 200
        assert is_refused(running, authority, maximum_version=version)
    der = x509.load_pem_x509_certificate(cert.read_bytes()).public_bytes(serialization.Encoding.DER)
    for request in upstream.requests:
        assert [value for name, value in request.fields if name.lower().startswith("client-cert")] == \
            [f":{base64.b64encode(der).decode()}:"]
    assert len(upstream.requests) == 2
    assert wait_until(lambda: running.metric("sluice_tls_handshake_failures_total", reason="client_certificate") == 2)


def test_bad_certificates_are_refused(gateway, authority, clients, pair, tmp_path):
    running = gateway(config(pair, clients, ", mode: optional"))
    strangers = Authority(tmp_path / "strangers", "clients")  # the same name, another key
    assert status(ask(running, authority)) == 200
    assert status(ask(running, authority, show(clients, "good"))) == 200
    assert is_refused(running, authority, show(strangers, "stranger"))
    assert is_refused(running, authority, show(clients, "old", begins=-9, ends=-1))
    assert is_refused(running, authority, clients.make("server", usage=ExtendedKeyUsageOID.SERVER_AUTH))


def test_the_way_to_the_root_has_at_most_depth_authorities(gateway, authority, pair, tmp_path):
    root = Authority(tmp_path / "root", "root")
    first = Authority(tmp_path / "first", "first", parent=root)
    second = Authority(tmp_path / "second", "second", parent=first)
    cert, key = show(second, "far")
    write(cert, cert.read_bytes() + second.path.read_bytes() + first.path.read_bytes(), 0o644)
    assert status(ask(gateway(config(pair, root, ", depth: 2")), authority, (cert, key))) == 200
    near = gateway(config(pair, root, ", depth: 1"))
    assert is_refused(near, authority, (cert, key))
    assert wait_until(lambda: "failed: certificate chain too long (client_certificate)" in near.stderr()), near.stderr()
    cert, key = show(first, "near")
    write(cert, cert.read_bytes() + first.path.read_bytes(), 0o644)
    assert status(ask(near, authority, (cert, key))) == 200
    assert is_refused(gateway(config(pair, root, ", depth: 0")), authority, (cert, key))


def test_names_that_may(gateway, authority, clients, pair):
    running = gateway(config(pair, clients, ", names: ['*.good.example', exact.example, 'pre*']"))
    for name in ("a.good.example", "exact.example", "prefixed"):
        assert status(ask(running, authority, show(clients, name))) == 200, name
    for name in ("good.example", "a.b.good.example", "exact.example.evil", "xprefixed"):
        assert is_refused(running, authority, show(clients, name)), name
    assert status(ask(running, authority, show(clients, "other", "exact.example"))) == 200


def write_list(path, authority, *revoked, ends=1):
    """The authority's list of the certificates in these files; it is up to date for `ends` days from now."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    made = (x509.CertificateRevocationListBuilder().issuer_name(authority.name).last_update(now - datetime.timedelta(days=9))
            .next_update(now + datetime.timedelta(days=ends)))
    for file in revoked:
        serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
        made = made.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial)
                                            .revocation_date(now - datetime.timedelta(days=1)).build())
    write(path, made.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), 0o644)
    return path


def test_revoked_ones_are_refused_and_a_stale_list_lets_nobody_in(gateway, authority, clients, pair, tmp_path):
    good, revoked = show(clients, "kept"), show(clients, "revoked")
    running = gateway(config(pair, clients, f", crl: {write_list(tmp_path / 'fresh.pem', clients, revoked[0])}"))
    assert status(ask(running, authority, good)) == 200
    assert is_refused(running, authority, revoked)
    assert wait_until(lambda: "failed: certificate revoked (client_certificate)" in running.stderr()), running.stderr()
    assert running.metric("sluice_tls_handshake_failures_total", reason="client_certificate") == 1
    stale = gateway(config(pair, clients, f", crl: {write_list(tmp_path / 'stale.pem', clients, revoked[0], ends=-1)}"))
    assert is_refused(stale, authority, good)
    assert "warning[list_out_of_date]" in stale.stderr()


def test_an_authority_that_its_root_has_revoked_lets_nobody_in(gateway, authority, pair, tmp_path):
    root = Authority(tmp_path / "root", "root")
    middle = Authority(tmp_path / "middle", "middle", parent=root)
    shown = show(middle, "client")
    known = Authority(tmp_path / "known", "unused")
    write(known.path, root.path.read_bytes() + middle.path.read_bytes(), 0o644)
    of_middle = write_list(tmp_path / "middle.crl", middle).read_bytes()
    for name, lists, lets_in in [("absent", b"", True), ("empty", write_list(tmp_path / "empty.crl", root).read_bytes(), True),
                                 ("revoked", write_list(tmp_path / "root.crl", root, middle.path).read_bytes(), False),
                                 ("stale", write_list(tmp_path / "stale.crl", root, ends=-1).read_bytes(), False)]:
        crl = tmp_path / f"{name}.pem"
        write(crl, of_middle + lists, 0o644)
        running = gateway(config(pair, known, f", crl: {crl}"))
        assert (status(ask(running, authority, shown)) == 200 if lets_in else is_refused(running, authority, shown)), name
        if name == "revoked":
            assert wait_until(lambda: "failed: certificate revoked (client_certificate)" in running.stderr()), running.stderr()


def stay(running, authority, shown):
    """A connection that shows this certificate, and has been answered."""
    context = authority.context()
    context.load_cert_chain(*shown)
    client = TlsClient(running.address, context)
    client.send(GET % (b"a.example", b""))
    assert status(client.read_response()) == 200
    return client


def goes_on(client):
    client.send(GET % (b"a.example", b""))
    return status(client.read_response()) == 200


def test_a_changed_list_holds_for_new_connections_at_once(gateway, authority, clients, pair, tmp_path):
    good, leaver = show(clients, "stays"), show(clients, "leaves")
    running = gateway(config(pair, clients, f", crl: {write_list(tmp_path / 'list.pem', clients)}"))
    with stay(running, authority, leaver) as old:
        write_list(tmp_path / "list.pem", clients, leaver[0])
        assert wait_until(lambda: is_refused(running, authority, leaver)), running.stderr()
        assert status(ask(running, authority, good)) == 200
        assert goes_on(old)
        assert f"{clients.path} and {tmp_path}/list.pem now say is in service" in running.stderr()
        write_list(tmp_path / "list.pem", clients)
        assert wait_until(lambda: not is_refused(running, authority, leaver))
    assert running.metric("sluice_config_generation") == 1
    assert running.metric("sluice_tls_certificates_refused_total") == 0


def test_changed_authorities_hold_for_new_connections_at_once(gateway, authority, pair, tmp_path):
    before, after = Authority(tmp_path / "before", "before"), Authority(tmp_path / "after", "after")
    held, fresh = show(before, "held"), show(after, "fresh")
    running = gateway(config(pair, before))
    assert is_refused(running, authority, fresh)
    with stay(running, authority, held) as old:
        write(before.path, after.path.read_bytes(), 0o644)
        assert wait_until(lambda: not is_refused(running, authority, fresh)), running.stderr()
        assert is_refused(running, authority, held)
        assert goes_on(old)
    assert running.metric("sluice_config_generation") == 1


def test_bad_files_are_refused_and_what_they_held_stays(gateway, authority, pair, tmp_path):
    known, strangers = Authority(tmp_path / "known", "known"), Authority(tmp_path / "strangers", "known")
    good, revoked = show(known, "good"), show(known, "revoked")
    crl = write_list(tmp_path / "list.pem", known, revoked[0])
    texts = {known.path: known.path.read_bytes(), crl: crl.read_bytes()}
    running = gateway(config(pair, known, f", crl: {crl}"))

    for number, (change, why) in enumerate([
            (lambda: write(known.path, b"nonsense"), f"{known.path} holds no certificate in PEM form"),
            (lambda: write(known.path, 2 * texts[known.path][:-40]), "holds a certificate that cannot be read"),
            (lambda: known.path.unlink(), "No such file"),
            (lambda: write(crl, b""), f"{crl} holds no list of revoked certificates"),
            (lambda: write(crl, texts[crl] + texts[crl][:200]), "holds a list of revoked certificates that cannot be read"),
            (lambda: write_list(crl, strangers), "holds a list that was not signed by the authority of its name"),
    ], 1):
        change()
        (tmp_path / "known/nudge").write_text("")  # an unlinked file is noticed with the next change beside it
        assert wait_until(lambda: why in running.stderr()), (why, running.stderr())
        assert "what it held before stays in service" in running.stderr()
        assert running.metric("sluice_tls_certificates_refused_total") == number
        assert status(ask(running, authority, good)) == 200 and is_refused(running, authority, revoked)
        for path, text in texts.items():
            write(path, text, 0o644)
        time.sleep(0.1)  # what is good again is no news
    assert running.stderr().count("now say is in service") == 0


def test_a_reload_is_refused_by_a_bad_file_at_its_place(gateway, authority, clients, pair, tmp_path):
    running = gateway(config(pair, clients))
    crl = tmp_path / "list.pem"
    write(crl, b"nonsense")
    running.write_config(config(pair, clients, f", crl: {crl}"))
    assert wait_until(lambda: "generation 1 stays in force" in running.stderr())
    assert f"listeners[0].tls.client_certificates.crl: the file {crl} holds no list of revoked" in running.stderr()


def test_a_host_is_reached_only_by_a_connection_made_for_its_policy(gateway, upstream, authority, clients, pair):
    """T01: SNI of one host, Host of another; in mixed case; by a wildcard; with a session of the other policy."""
    running = gateway(config(pair, clients, ", hosts: [admin.example, '*.admin.example']"))
    shown = show(clients, "one")
    assert status(ask(running, authority)) == 200
    assert status(ask(running, authority, shown, name="admin.example")) == 200
    assert status(ask(running, authority, shown, name="ADMIN.example", host="admin.example.:443")) == 200
    count = len(upstream.requests)
    for host in ("admin.example", "ADMIN.EXAMPLE", "admin.example.", "x.admin.example", "admin.example:8443"):
        answer = ask(running, authority, host=host)
        assert status(answer) == 421 and b"request_misdirected" in answer.body, host
        assert is_refused(running, authority, name=host.split(":")[0].rstrip("."))
    assert status(ask(running, authority, shown, name="admin.example", host="a.example")) == 421
    assert len(upstream.requests) == count
    # A ticket that a connection without a certificate was given opens nothing.
    context = authority.context(check_hostname=False)
    with TlsClient(running.address, context) as client:
        client.send(GET % (b"a.example", b""))
        assert status(client.read_response()) == 200
        session = client.socket.session
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with TlsClient(running.address, context, "admin.example", session=session) as client:
            client.send(GET % (b"admin.example", b""))
            client.read_response()
    assert len(upstream.requests) == count + 1


def test_a_reload_that_demands_certificates_holds_for_old_connections(gateway, authority, clients, pair):
    running = gateway(f"""
        listeners: [{{name: public, bind: $LISTEN, tls: {{certificates: {pair}}}}}]
        routes: [{{name: all, to: u}}]
    """)
    with TlsClient(running.address, authority.context()) as client:
        client.send(GET % (b"a.example", b""))
        assert status(client.read_response()) == 200
        running.write_config(config(pair, clients))
        assert wait_until(lambda: running.metric("sluice_config_generation") == 2)
        client.send(GET % (b"a.example", b""))
        assert status(client.read_response()) == 421
