"""OCSP stapling from a file and from the authority, with `openssl s_client -status` as the client and `openssl ocsp` among those who answer."""
import contextlib
import datetime
import http.server
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from harness.certificates import Authority, new_key, write
from harness.client import TlsClient
from harness.gateway import binary, wait_until


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certificates")


def with_issuer(authority, *names, **options):
    """A pair whose first file holds the issuer's certificate too."""
    cert, key = authority.make(*names, **options)
    write(cert, cert.read_bytes() + authority.path.read_bytes(), 0o644)
    return cert, key


def respond(authority, cert, path, begins=-1, ends=24, standing=ocsp.OCSPCertStatus.GOOD, digest=hashes.SHA1(), signer=None):
    """Writes the authority's response about `cert`; times in hours from now, `signer` a certificate and key of another."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    is_revoked = standing == ocsp.OCSPCertStatus.REVOKED
    shown, key = signer or (authority.certificate, authority.key)
    made = (ocsp.OCSPResponseBuilder()
            .add_response(x509.load_pem_x509_certificate(cert.read_bytes()), authority.certificate, digest, standing,
                          now + datetime.timedelta(hours=begins), ends and now + datetime.timedelta(hours=ends),
                          now if is_revoked else None, None)
            .responder_id(ocsp.OCSPResponderEncoding.HASH, shown))
    if signer:
        made = made.certificates([shown])
    write(path, made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER), 0o644)
    return path


def config(*entries, more=""):
    pairs = ", ".join(f"{{cert: {cert}, key: {key}{f', ocsp: {staple}' if staple else ''}}}" for cert, key, staple in entries)
    return f"""
        listeners: [{{name: public, bind: $LISTEN, tls: {{certificates: [{pairs}]{more}}}}}]
        routes: [{{name: all, to: u}}]
    """


def stapled(running, authority, name="a.example", *options):
    """What `openssl s_client -status` says of the response that it got: "good", or None when none was sent."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{running.address[1]}", "-servername", name, "-status", "-CAfile",
         authority.path, "-verify_return_error", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    if "OCSP response: no response sent" in done.stdout:
        return None
    assert "OCSP Response Status: successful (0x0)" in done.stdout, done.stdout
    return done.stdout.partition("Cert Status: ")[2].split()[0]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_who_asks_is_shown_the_response_about_the_certificate_it_got(gateway, authority, tmp_path, version):
    entries = []
    for name, options in (("a.example", {}), ("a.example", {"kind": "rsa", "file": "rsa"}), ("b.example", {}), ("c.example", {})):
        cert, key = with_issuer(authority, name, **options)
        has_one = name != "c.example"
        entries.append((cert, key, respond(authority, cert, tmp_path / f"{cert.stem}.ocsp") if has_one else None))
    running = gateway(config(*entries))
    assert stapled(running, authority, "a.example", version) == "good"
    assert stapled(running, authority, "b.example", version) == "good"
    assert stapled(running, authority, "c.example", version) is None
    signature = ["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"] if version == "-tls1_2" else ["-sigalgs", "rsa_pss_rsae_sha256"]
    assert stapled(running, authority, "a.example", version, *signature) == "good"
    for key in ("ecdsa", "rsa"):
        left = running.metric("sluice_tls_ocsp_expiry_seconds", listener="public", name="a.example", key=key)
        assert 23 * 3600 < left <= 24 * 3600
    assert f'sluice_tls_ocsp_expiry_seconds{{listener="public",name="c.example"' not in running.admin_request("/metrics")[2]


def test_a_response_of_openssl_and_one_of_a_delegate(gateway, authority, tmp_path):
    cert, key = with_issuer(authority, "a.example")
    serial = format(x509.load_pem_x509_certificate(cert.read_bytes()).serial_number, "X")
    (tmp_path / "index").write_text(f"V\t401231235959Z\t\t{serial if len(serial) % 2 == 0 else '0' + serial}\tunknown\t/CN=a.example\n")
    ca_key = tmp_path / "ca.key"
    write(ca_key, authority.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    subprocess.run(["openssl", "ocsp", "-index", tmp_path / "index", "-CA", authority.path, "-rsigner", authority.path, "-rkey", ca_key,
                    "-issuer", authority.path, "-cert", cert, "-ndays", "2", "-respout", tmp_path / "a.ocsp", "-noverify"],
                   check=True, capture_output=True, timeout=20)
    running = gateway(config((cert, key, tmp_path / "a.ocsp")))
    assert stapled(running, authority) == "good"
    assert running.metric("sluice_tls_ocsp_expiry_seconds") > 47 * 3600

    def delegate(usage):
        delegate_key = new_key()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "responder")])
        return authority.sign(name, delegate_key, -1, 9, [x509.ExtendedKeyUsage([usage])]), delegate_key

    respond(authority, cert, tmp_path / "a.ocsp", ends=90, signer=delegate(x509.ExtendedKeyUsageOID.OCSP_SIGNING))
    assert wait_until(lambda: running.metric("sluice_tls_ocsp_expiry_seconds") > 89 * 3600), running.stderr()
    assert stapled(running, authority) == "good"
    respond(authority, cert, tmp_path / "a.ocsp", ends=99, signer=delegate(x509.ExtendedKeyUsageOID.SERVER_AUTH))
    assert wait_until(lambda: "is not signed by the certificate's issuer" in running.stderr()), running.stderr()
    assert running.metric("sluice_tls_ocsp_expiry_seconds") <= 90 * 3600


def test_once_it_says_revoked_the_one_before_is_shown_no_more(gateway, authority, tmp_path):
    cert, key = with_issuer(authority, "a.example")
    file = respond(authority, cert, tmp_path / "a.ocsp")
    running = gateway(config((cert, key, file)))
    assert stapled(running, authority) == "good"
    respond(authority, cert, file, standing=ocsp.OCSPCertStatus.REVOKED)
    assert wait_until(lambda: f"{file} says that the certificate is revoked" in running.stderr()), running.stderr()
    assert stapled(running, authority) is None
    respond(authority, cert, file)
    assert wait_until(lambda: stapled(running, authority) == "good"), running.stderr()


def test_bad_responses_are_refused_and_the_one_before_stays(gateway, authority, tmp_path):
    cert, key = with_issuer(authority, "a.example")
    other, _ = with_issuer(authority, "b.example")
    stranger = Authority(tmp_path / "stranger", "test authority")
    file = respond(authority, cert, tmp_path / "a.ocsp", digest=hashes.SHA256())
    running = gateway(config((cert, key, file)))
    generation = running.metric("sluice_config_generation")
    for number, (change, why) in enumerate([
            (lambda: write(file, b"nonsense"), "holds no successful OCSP response in DER form"),
            (lambda: write(file, ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
                serialization.Encoding.DER)), "holds no successful OCSP response in DER form"),
            (lambda: respond(authority, other, file), "is about another certificate"),
            (lambda: write(file, file.read_bytes() + b"x"), "holds no successful OCSP response in DER form"),
            (lambda: respond(authority, cert, file, signer=(stranger.certificate, stranger.key)), "is not signed by the certificate's issuer"),
            (lambda: respond(authority, cert, file, standing=ocsp.OCSPCertStatus.UNKNOWN), "says that the authority does not know the certificate"),
            (lambda: respond(authority, cert, file, begins=-48, ends=-24), "is out of date"),
            (lambda: respond(authority, cert, file, begins=1), "is not valid yet"),
            (lambda: respond(authority, cert, file, ends=None), "does not say until when it holds"),
    ]):
        respond(authority, cert, file, ends=30 + number)
        assert wait_until(lambda: running.metric("sluice_tls_ocsp_expiry_seconds") > (29 + number) * 3600), running.stderr()
        change()
        assert wait_until(lambda: running.metric("sluice_tls_certificates_refused_total") == number + 1), (why, running.stderr())
        assert f"listener public: {file} {why}" in running.stderr()
        assert "the OCSP response before stays in service" in running.stderr()
        assert stapled(running, authority) == "good"
        assert running.metric("sluice_tls_ocsp_expiry_seconds") > (29 + number) * 3600
    assert running.metric("sluice_config_generation") == generation
    # In a config each is told at its place; one that is out of date only warned of.
    check = lambda: subprocess.run([binary(), "check", running.config_path], capture_output=True, text=True, timeout=30)
    write(file, b"nonsense")
    done = check()
    assert done.returncode == 1 and "error[bad_ocsp]: listeners[0].tls.certificates[0].ocsp: the file" in done.stderr
    for change, why in [(lambda: respond(authority, cert, file, begins=-48, ends=-24), "is out of date"),
                        (lambda: respond(authority, other, file), "is about another certificate"),
                        (lambda: respond(authority, cert, file, standing=ocsp.OCSPCertStatus.REVOKED), "says that the certificate is revoked")]:
        change()
        done = check()
        assert done.returncode == 0 and "warning[bad_ocsp]" in done.stderr and why in done.stderr, done.stderr
    respond(authority, cert, file)
    assert (check().returncode, check().stderr) == (0, "")
    authority.make("a.example", file="a.example")  # without its issuer
    assert "cannot be verified" in check().stderr


def test_what_goes_out_of_date_is_not_shown_any_more(gateway, authority, tmp_path):
    cert, key = with_issuer(authority, "a.example")
    running = gateway(config((cert, key, respond(authority, cert, tmp_path / "a.ocsp", ends=4 / 3600))))
    assert stapled(running, authority) == "good"
    assert wait_until(lambda: running.metric("sluice_tls_ocsp_expiry_seconds") <= 0)
    assert stapled(running, authority) is None
    write(tmp_path / "a.ocsp", (tmp_path / "a.ocsp").read_bytes())
    told = f"{tmp_path}/a.ocsp is out of date; the certificate of a.example is shown without an OCSP response until there is a new one"
    assert wait_until(lambda: told in running.stderr()), running.stderr()
    assert running.metric("sluice_tls_certificates_refused_total") == 0
    with TlsClient(running.address, authority.context()) as client:  # the certificate serves all the same
        assert client.socket.version()
    respond(authority, cert, tmp_path / "a.ocsp")
    assert wait_until(lambda: stapled(running, authority) == "good"), running.stderr()


def test_a_new_certificate_serves_without_one_until_its_own_comes(gateway, authority, tmp_path):
    cert, key = with_issuer(authority, "a.example")
    running = gateway(config((cert, key, respond(authority, cert, tmp_path / "a.ocsp"))))
    assert stapled(running, authority) == "good"
    with_issuer(authority, "a.example", ends=200)
    assert wait_until(lambda: running.metric("sluice_tls_certificate_expiry_seconds") > 199 * 86400), running.stderr()
    assert wait_until(lambda: f"{tmp_path}/a.ocsp is about another certificate" in running.stderr()), running.stderr()
    assert stapled(running, authority) is None
    respond(authority, cert, tmp_path / "a.ocsp")
    assert wait_until(lambda: stapled(running, authority) == "good"), running.stderr()


# ---- from the authority itself

class Responder:
    """An authority's OCSP responder. `answer(request)` gives status, type and body, or None to say nothing."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = self.rfile.read(int(self.headers["content-length"]))
                outer.asked.append((self.path, self.headers["content-type"], self.headers["host"], request))
                made = outer.answer(request)
                if made is None:
                    outer.hung.wait(30)
                    return
                self.send_response(made[0])
                self.send_header("content-type", made[1])
                self.send_header("content-length", str(len(made[2])))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(made[2])

            def log_message(self, *_):
                pass

        self.hung = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ocsp?by=sluice"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hung.set()
        self.server.shutdown()
        self.server.server_close()


def that_names(authority, responder, **options):
    """A pair whose certificate names the responder, with its issuer behind it."""
    access = x509.AuthorityInformationAccess([x509.AccessDescription(
        x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder.url))])
    return with_issuer(authority, "a.example", more=[access], **options)


OCSP_TYPE = "application/ocsp-response"


def test_the_authority_is_asked_and_its_word_kept(gateway, authority, tmp_path):
    file, standing = tmp_path / "answer", ocsp.OCSPCertStatus.GOOD
    with Responder(lambda request: (200, OCSP_TYPE, file.read_bytes())) as responder:
        cert, key = that_names(authority, responder)
        respond(authority, cert, file)
        state = tmp_path / "state"
        running = gateway(config((cert, key, None)), arguments=["--state-dir", state])
        assert wait_until(lambda: stapled(running, authority) == "good"), running.stderr()
        path, kind, host, request = responder.asked[0]
        assert (path, kind, host) == ("/ocsp?by=sluice", "application/ocsp-request", f"127.0.0.1:{responder.server.server_port}")
        asked = ocsp.load_der_ocsp_request(request)
        assert asked.serial_number == x509.load_pem_x509_certificate(cert.read_bytes()).serial_number
        assert running.metric("sluice_tls_ocsp_fetches_total", result="good") == 1
        assert 23 * 3600 < running.metric("sluice_tls_ocsp_expiry_seconds", name="a.example") <= 24 * 3600
        # A reload asks for nothing again.
        running.write_config(config((cert, key, None), more=", handshake_timeout: 9s"))
        assert wait_until(lambda: running.metric("sluice_config_generation") == 2), running.stderr()
        assert stapled(running, authority) == "good" and len(responder.asked) == 1
        running.stop()
    # The responder is gone; what it said is there at once.
    again = gateway(config((cert, key, None)), arguments=["--state-dir", state])
    assert stapled(again, authority) == "good"
    assert again.metric("sluice_tls_ocsp_fetches_total", result="failed") == 0


def test_who_does_not_want_it_asks_nobody(gateway, authority, tmp_path):
    with Responder(lambda request: (500, OCSP_TYPE, b"")) as responder:
        cert, key = that_names(authority, responder)
        running = gateway(config((cert, key, None), more=", staple: false"))
        of_file = gateway(config((cert, key, respond(authority, cert, tmp_path / "a.ocsp"))))
        assert stapled(running, authority) is None
        assert stapled(of_file, authority) == "good"
        assert responder.asked == []


def big(request):
    return 200, OCSP_TYPE, bytes(100_000)


@pytest.mark.parametrize("answer, why", [
    (lambda request: (500, OCSP_TYPE, b""), "has answered 500"),
    (lambda request: (302, OCSP_TYPE, b""), "has answered 302"),
    (lambda request: (200, "text/html", b"<p>"), "has answered with the type 'text/html'"),
    (lambda request: (200, OCSP_TYPE, b"nonsense"), "holds no successful OCSP response in DER form"),
    (big, "has sent more than 65536 bytes"),
    (lambda request: None, "no answer within 10000 ms"),
], ids=["500", "redirect", "html", "nonsense", "big", "silent"])
def test_without_a_good_answer_the_certificate_serves_all_the_same(gateway, authority, answer, why):
    with Responder(answer) as responder:
        cert, key = that_names(authority, responder)
        running = gateway(config((cert, key, None)))
        assert stapled(running, authority) is None
        assert wait_until(lambda: why in running.stderr(), seconds=20), running.stderr()
        assert "it is shown without one (stapling)" in running.stderr()
        assert running.metric("sluice_tls_ocsp_fetches_total", result="failed") == 1
        assert stapled(running, authority) is None


def test_a_responder_that_is_not_there(gateway, authority):
    with Responder(lambda request: None) as responder:
        cert, key = that_names(authority, responder)
    running = gateway(config((cert, key, None)))
    assert wait_until(lambda: running.metric("sluice_tls_ocsp_fetches_total", result="failed") == 1), running.stderr()
    assert stapled(running, authority) is None


def test_a_name_that_is_none(gateway, authority):
    class Nowhere:
        url = "http://nobody.invalid/"
    cert, key = that_names(authority, Nowhere)
    running = gateway(config((cert, key, None)))
    assert wait_until(lambda: running.metric("sluice_tls_ocsp_fetches_total", result="failed") == 1, seconds=20), running.stderr()
    assert "http://nobody.invalid/: no such host" in running.stderr() or "no answer within" in running.stderr()


def test_once_the_authority_says_revoked_it_is_said_loudly(gateway, authority, tmp_path):
    file = tmp_path / "answer"
    with Responder(lambda request: (200, OCSP_TYPE, file.read_bytes())) as responder:
        cert, key = that_names(authority, responder)
        respond(authority, cert, file, standing=ocsp.OCSPCertStatus.REVOKED)
        running = gateway(config((cert, key, None)))
        assert wait_until(lambda: "says that the certificate is revoked" in running.stderr()), running.stderr()
        assert stapled(running, authority) is None
