"""Just enough strict HTTP/1.1 framing (RFC 9112) to know where a recorded message ends. Never shared with the gateway."""
import re

FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class Malformed(Exception):
    pass


class Message:
    """A complete message: `raw` as on the wire, `start` line, `fields` [(name lower-case, value)] with trailers at the end,
    `body` decoded."""

    def __init__(self, raw, start, fields, body):
        self.raw, self.start, self.fields, self.body = raw, start, fields, body

    def all(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    def first(self, name):
        return next(iter(self.all(name)), None)


def parse_head(raw):
    """(start line, fields) of a head without its empty line."""
    lines = raw.split(b"\r\n")
    fields = []
    for line in lines[1:]:
        if not FIELD.fullmatch(line):
            raise Malformed(f"field line {line!r}")
        name, value = line.split(b":", 1)
        fields.append((name.decode().lower(), value.strip(b" \t").decode("latin-1")))
    if b"\r" in lines[0] or b"\n" in lines[0]:
        raise Malformed(f"start line {lines[0]!r}")
    return lines[0].decode("latin-1"), fields


def body_framing(fields):
    """('none' | 'length' | 'chunked', length) as the fields say; Malformed when they contradict each other."""
    codings = [value for name, value in fields if name == "transfer-encoding"]
    lengths = [value for name, value in fields if name == "content-length"]
    if codings and (lengths or codings != ["chunked"]):
        raise Malformed(f"transfer-encoding {codings} with content-length {lengths}")
    if codings:
        return "chunked", 0
    if not lengths:
        return "none", 0
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]+", lengths[0]):
        raise Malformed(f"content-length {lengths}")
    return "length", int(lengths[0])


class Reader:
    """Takes messages off a byte source. `more` is called for further bytes and returns b"" at the end."""

    def __init__(self, more):
        self.more, self.pending = more, b""

    def fill(self):
        data = self.more()
        self.pending += data
        return bool(data)

    def until(self, mark):
        """Bytes up to and with `mark`; None when the source ends first (what came stays pending)."""
        while mark not in self.pending:
            if not self.fill():
                return None
        end = self.pending.index(mark) + len(mark)
        taken, self.pending = self.pending[:end], self.pending[end:]
        return taken

    def exactly(self, count):
        parts, missing = [], count
        while True:
            parts.append(self.pending[:missing])
            self.pending = self.pending[missing:]
            missing -= len(parts[-1])
            if missing == 0:
                return b"".join(parts)
            if not self.fill():
                self.pending = b"".join(parts)
                return None

    def chunked(self):
        """(raw, decoded, trailers) of a chunked body; None when the source ends first."""
        raw, body = b"", b""
        while True:
            line = self.until(b"\r\n")
            if line is None:
                self.pending = raw + self.pending
                return None
            raw += line
            match = re.fullmatch(rb"([0-9a-fA-F]{1,16})(;[\x20-\x7e\t]*)?\r\n", line)
            if not match:
                raise Malformed(f"chunk size line {line!r}")
            size = int(match.group(1), 16)
            if size == 0:
                break
            data = self.exactly(size + 2)
            if data is None:
                self.pending = raw + self.pending
                return None
            if data[-2:] != b"\r\n":
                raise Malformed(f"chunk ends in {data[-2:]!r}")
            raw, body = raw + data, body + data[:-2]
        trailers = b"\r\n"
        while True:
            line = self.until(b"\r\n")
            if line is None:
                self.pending = raw + self.pending
                return None
            raw += line
            if line == b"\r\n":
                return raw, body, parse_head(trailers[:-2])[1]
            trailers += line
