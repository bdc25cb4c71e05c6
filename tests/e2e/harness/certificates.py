"""Certificates for tests: an authority of its own, and what it signs. Keys are readable by their owner alone."""
import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def new_key(kind="ecdsa"):
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else rsa.generate_private_key(65537, 2048)


def write(path, text, mode=0o600):
    """In one step, as deployment tools do."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(text)
    fresh.chmod(mode)
    fresh.rename(path)


def pem_of(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """Signs certificates; `path` is its own, for clients to trust. `parent`: the authority that vouches for this one."""

    def __init__(self, folder, name="test authority", parent=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (parent or self).sign(self.name, self.key, -1, 365, [x509.BasicConstraints(ca=True, path_length=None)])
        self.path = self.folder / f"{name.replace(' ', '-')}.pem"
        write(self.path, self.certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def sign(self, subject, key, begins, ends, extensions):
        """`begins`, `ends`: days from now."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=begins)).not_valid_after(now + datetime.timedelta(days=ends)))
        for extension in extensions:
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return made.sign(self.key, hashes.SHA256())

    def make(self, *names, file=None, kind="ecdsa", begins=-1, ends=90, key=None, usage=ExtendedKeyUsageOID.SERVER_AUTH, more=()):
        """Writes FILE.pem and FILE.key and returns their paths; FILE is the first name by default."""
        def general(name):
            try:
                return x509.IPAddress(ipaddress.ip_address(name))
            except ValueError:
                return x509.DNSName(name)

        key = key or new_key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        made = self.sign(subject, key, begins, ends, [
            x509.SubjectAlternativeName([general(name) for name in names]), x509.ExtendedKeyUsage([usage]), *more])
        stem = (file or names[0]).replace("*", "any")
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        write(paths[1], pem_of(key))
        write(paths[0], made.public_bytes(serialization.Encoding.PEM), 0o644)
        return paths

    def make_nameless(self, name, ends=90):
        """Likewise for a client, with a common name alone."""
        key, paths = new_key(), (self.folder / f"{name}.pem", self.folder / f"{name}.key")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name + " service")])
        made = self.sign(subject, key, -1, ends, [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])
        write(paths[1], pem_of(key))
        write(paths[0], made.public_bytes(serialization.Encoding.PEM), 0o644)
        return paths

    def pair(self, *names, **options):
        """The same, as an entry of `certificates`."""
        cert, key = self.make(*names, **options)
        return f"{{cert: {cert}, key: {key}}}"

    def context(self, **settings):
        """A client's, which trusts this authority alone."""
        made = ssl.create_default_context(cafile=self.path)
        for name, value in settings.items():
            setattr(made, name, value)
        return made
