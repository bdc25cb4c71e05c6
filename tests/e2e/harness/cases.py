"""Text cases: their grammar and how one is run. The grammar is described for authors in tests/cases/README.md."""
import json
import os
import re
import shlex
import textwrap

from . import upstream as script
from .client import Closed, RawClient
from .gateway import ROOT
from .wire import Malformed, body_framing, parse_head

DEFAULT_CONFIG = 'routes: [{name: all, match: {path: "/*"}, to: u}]'
REFUSED = "127.0.0.1:1"  # $REFUSED: nothing listens there
KEYWORDS = ("case", "config", "each", "splits", "client", "client new", "client closes", "client resets", "upstream",
            "upstream saw", "upstream got", "upstream cut", "expect", "expect HEAD", "expect body", "expect bytes",
            "expect close", "expect cut", "expect open", "expect nothing", "log", "wait")
ENTRY = re.compile("(" + "|".join(sorted(KEYWORDS, key=len, reverse=True)) + r")(?::[ \t]*|\s*$)(.*)")
TOKEN = re.compile(r"⏎|\\(?:x([0-9a-fA-F]{2})|([trn0\\{}]))|\{(\d+) x ((?:[^\\{}]|\\.)+)\}|\{(cut|close|reset|early|any)\}")
ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "0": "\0", "\\": "\\", "{": "{", "}": "}"}
ANY = "any"


class CaseError(Exception):
    """A case file that breaks the grammar."""


class Step:
    def __init__(self, keyword, text, line):
        self.keyword, self.text, self.line = keyword, text, line


class Case:
    def __init__(self, title, line, steps, splits):
        self.title, self.line, self.steps, self.splits = title, line, steps, splits

    def texts(self, *keywords):
        return [step.text for step in self.steps if step.keyword in keywords]


class CaseFile:
    """`config` as written (or the default), `cases` in order with `each:` unfolded."""

    def __init__(self, path):
        self.path, self.name = path, os.path.relpath(path, ROOT)
        self.config, self.cases = DEFAULT_CONFIG, []
        title, line, steps = None, 1, []
        for step in self.entries(path.read_text(encoding="utf-8")):
            if step.keyword == "config":
                if steps or self.cases:
                    raise CaseError(f"{self.name}:{step.line}: config: stands before the first case")
                self.config = step.text.replace("$REFUSED", REFUSED)
            elif step.keyword == "case":
                self.close(title, line, steps)
                title, line, steps = step.text, step.line, []
            else:
                steps.append(step)
        self.close(title, line, steps)
        if not self.cases:
            raise CaseError(f"{self.name}: no case in it")

    def entries(self, text):
        found = None
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith("#"):
                continue
            if not line.strip() or line[0] in " \t":
                if found:
                    found[1].append(line)
                elif line.strip():
                    raise CaseError(f"{self.name}:{number}: an indented line continues nothing")
                continue
            if found:
                yield self.entry(*found)
            match = ENTRY.fullmatch(line)
            if not match:
                raise CaseError(f"{self.name}:{number}: starts with none of: {', '.join(KEYWORDS)}")
            found = (match.group(1), [" " * match.start(2) + match.group(2)], number)
        if found:
            yield self.entry(*found)

    def entry(self, keyword, lines, number):
        if keyword == "config":  # its lines keep their places: it is YAML
            text = textwrap.dedent("\n".join(line for line in lines if line.strip()))
        else:
            text = "\n".join(line.strip() for line in lines if line.strip())
        return Step(keyword, text, number)

    def close(self, title, line, steps):
        if not steps:
            return
        splits = not any(step.keyword == "splits" and step.text == "no" for step in steps)
        each = next((step for step in steps if step.keyword == "each"), None)
        steps = [step for step in steps if step.keyword not in ("each", "splits")]
        title = title or self.path.stem
        for value in each.text.split("\n") if each else [None]:
            unfolded = [Step(s.keyword, s.text if value is None else s.text.replace("$EACH", value), s.line) for s in steps]
            self.cases.append(Case(title if value is None else f"{title} [{value}]", line, unfolded, splits))


def pieces(text):
    """The bytes and marks a text stands for, adjacent bytes joined. Line breaks of the file stand for nothing."""
    out, place, text = [b""], 0, text.replace("\n", "")

    def add(piece):
        if isinstance(piece, bytes) and isinstance(out[-1], bytes):
            out[-1] += piece
        else:
            out.append(piece)

    for token in TOKEN.finditer(text):
        add(text[place:token.start()].encode())
        place = token.end()
        byte, escape, count, repeated, mark = token.groups()
        if byte:
            add(bytes([int(byte, 16)]))
        elif escape:
            add(ESCAPES[escape].encode())
        elif count:
            add(b"".join(piece for piece in pieces(repeated)) * int(count))
        elif mark:
            add(mark)
        else:
            add(b"\r\n")
    add(text[place:].encode())
    return [piece for piece in out if piece != b""]


def plain(text):
    """The bytes of a text, its marks left out."""
    return b"".join(piece for piece in pieces(text) if isinstance(piece, bytes))


def matches(text, data):
    """Whether `data` is what `text` stands for; {any} stands for anything within a line."""
    pattern = b"".join(rb"[^\r\n]*" if piece == ANY else re.escape(piece) for piece in pieces(text))
    return re.fullmatch(pattern, data) is not None


def items(text):
    """`a, b: c\\, d` or one item a line -> ['a', 'b: c, d']"""
    return [item.strip().replace("\\,", ",") for item in re.split(r"\n|(?<!\\),\s", text) if item.strip()]


def check_fields(wanted, message, what):
    """Each of `wanted` is `name: value` (one of the fields of that name has it) or `!name` (there is none)."""
    for item in wanted:
        if item.startswith("!"):
            assert not message.all(item[1:]), f"{what} has {item[1:]}: {message.all(item[1:])}\n{message.raw!r}"
            continue
        name, _, value = item.partition(":")
        has = message.all(name.strip())
        assert any(matches(value.strip(), v.encode("latin-1")) for v in has), \
            f"{what} has {name}: {has}, want {value.strip()!r}\n{message.raw!r}"


class Run:
    """One case against a running gateway. `claimed` collects the log lines that cases of the same gateway have used."""

    def __init__(self, gateway, upstream, claimed):
        self.gateway, self.upstream, self.claimed = gateway, upstream, claimed
        self.client = self.response = None
        self.seen = 0  # requests of the upstream that the case has looked at

    def run(self, case):
        self.upstream.clear()
        answers = [pieces(text) for text in case.texts("upstream")]
        self.upstream.answers.extend(answers)
        try:
            for step in case.steps:
                try:
                    getattr(self, "on_" + step.keyword.replace(" ", "_"))(step.text)
                except (AssertionError, Closed, OSError, Malformed) as fault:
                    told = f"closed after {fault.args[0]!r}" if isinstance(fault, Closed) else fault
                    raise AssertionError(f"line {step.line}, `{step.keyword}`: {told}{self.faults()}") from fault
            self.check_upstream(answers, bool([s for s in case.steps if s.keyword == "upstream cut"]))
        finally:
            if self.client:
                self.client.socket.close()

    def faults(self):
        return f"\nthe upstream found: {self.upstream.faults}" if self.upstream.faults else ""

    def check_upstream(self, answers, may_be_cut):
        """Every case says what the upstream saw, be it nothing: as many whole requests as it has `upstream:` entries. With
        `upstream cut` those that are answered early need not be whole."""
        least = len([answer for answer in answers if not (may_be_cut and answer[:1] == [script.EARLY])])
        self.upstream.wait_requests(least)
        seen = [message.raw[:300] for message in self.upstream.requests]
        assert least <= len(seen) <= len(answers), \
            f"the upstream saw {len(seen)} whole requests, want {len(answers)}: {seen}{self.faults()}"
        if may_be_cut:
            self.upstream.wait_fault()  # or it would be told in the middle of the next case
        else:
            assert not self.upstream.faults, self.faults()

    def on_client(self, text):
        if self.client is None:
            self.client = RawClient(self.gateway.address)
        for piece in pieces(text):
            if piece == script.CUT:
                script.time.sleep(script.CUT_SECONDS)
            else:
                self.client.send(piece)

    def on_client_new(self, text):
        if self.client:
            self.client.socket.close()
        self.client = None
        self.on_client(text)

    def on_client_closes(self, _):
        self.client.finish()

    def on_client_resets(self, _):
        self.client.reset()

    def on_upstream(self, _):
        """Scripted before the first step."""

    def on_upstream_cut(self, _):
        """Looked at when the case ends."""

    def next_request(self):
        self.seen += 1
        assert self.upstream.wait_requests(self.seen), f"the upstream saw {self.seen - 1} whole requests"
        return self.upstream.requests[self.seen - 1]

    def on_upstream_saw(self, text):
        if text == "nothing":
            assert not self.upstream.requests[self.seen:], f"the upstream saw {self.upstream.requests[self.seen].raw!r}"
            return
        raw = self.next_request().raw
        assert matches(text, raw), f"the upstream saw\n  {raw!r}\nwant\n  {text}"

    def on_upstream_got(self, text):
        message, wanted = self.next_request(), items(text)
        assert matches(wanted[0], message.start.encode("latin-1")), f"the upstream got {message.start!r}, want {wanted[0]!r}"
        check_fields(wanted[1:], message, "the upstream's request")

    def on_expect(self, text, method="GET"):
        self.response, wanted = self.client.read_response(method), items(text)
        status = self.response.start.split(" ")[1]
        assert status in wanted[0].split("|"), f"status {status}, want {wanted[0]}: {self.response.raw[:600]!r}"
        causes = [item.split()[1] for item in wanted if item.startswith("cause ")]
        for cause in causes:
            assert json.loads(self.response.body).get("cause") == cause, f"cause, want {cause}: {self.response.body!r}"
        check_fields([item for item in wanted[1:] if not item.startswith("cause ")], self.response, "the response")

    def on_expect_HEAD(self, text):
        self.on_expect(text, "HEAD")

    def on_expect_body(self, text):
        assert matches(text, self.response.body), f"body {self.response.body!r}"

    def on_expect_bytes(self, text):
        assert matches(text, self.response.raw), f"the response is\n  {self.response.raw!r}\nwant\n  {text}"

    def on_expect_cut(self, text):
        """The connection ends inside the response to come, in a way that nobody can take for its end."""
        head = self.client.reader.until(b"\r\n\r\n")
        assert head is not None, "closed before the head was complete"
        start, fields = parse_head(head[:-4])
        assert start.split(" ")[1] == text, f"status {start!r}, want {text}"
        try:
            parts = self.client.read_body(fields)
        except Closed:
            return
        ended_by_reset = body_framing(fields)[0] == "none" and self.client.was_reset
        assert ended_by_reset, f"the response has a clean end: {head + parts[0][:200]!r}"

    def on_expect_close(self, _):
        assert self.client.is_closed(), "the connection stays open"

    def on_expect_open(self, _):
        assert self.client.is_quiet(0.05), "the connection was closed, or more came"

    def on_expect_nothing(self, _):
        assert self.client.is_quiet(), "something came, or the connection was closed"

    def on_wait(self, text):
        amount, unit = re.fullmatch(r"(\d+)(ms|s)", text).groups()
        script.time.sleep(int(amount) / (1000 if unit == "ms" else 1))

    def on_log(self, text):
        wanted = dict(word.split("=", 1) for word in shlex.split(text))

        def is_it(line):
            has = {key: value if isinstance(value, str) else json.dumps(value) for key, value in line.items()}
            key = json.dumps(line, sort_keys=True)
            return key not in self.claimed and all(has.get(name) == value for name, value in wanted.items())

        line = self.gateway.wait_log(is_it)
        assert line is not None, f"no log line has {wanted}; the last are {self.gateway.log_lines()[-3:]}"
        self.claimed.add(json.dumps(line, sort_keys=True))
