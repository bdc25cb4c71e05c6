"""The documents are true: generated parts are fresh, configs pass, commands print what is shown, links lead somewhere.

Blocks say by their fence what they are:

    yaml check [file=NAME]   a whole config that passes `sluice check` without a warning
    yaml bad file=NAME       a config that does not
    yaml played file=NAME    a whole config that needs files which the document's commands make; they check it too
    sh run                   commands behind `$ `, each with what it prints; `...` in it stands for anything
    sh start                 commands that go on running: the sample services, the gateway
    cpp check file=PATH      compiles, its headers included
    case check               a text case that the runner understands

Those with a NAME are written into the document's own folder, where its commands run in order. Ports are replaced by free ones.
UPDATE=1 writes the generated parts anew."""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness.cases import CaseFile
from harness.gateway import ROOT, binary

DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
IDS = [path.name for path in DOCUMENTS]
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)
GENERATED = re.compile(r"(<!-- sluice manual (\S+) -->\n)(.*?)(<!-- end -->)", re.S)
PORTS = ("8080", "8081", "8443", "9900", "7001", "7002", "7003", "7004")
SETTLE_SECONDS = 0.4  # a changed config is in force by then


class Block:
    def __init__(self, info, text, line):
        self.words, self.text, self.line = info.split(), text, line
        self.file = next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)

    def is_a(self, *words):
        return tuple(self.words[:len(words)]) == words


def blocks(path):
    text = path.read_text(encoding="utf-8")
    return [Block(match.group(1), match.group(2), text.count("\n", 0, match.start()) + 1) for match in FENCE.finditer(text)]


def all_blocks(*words):
    found = [(path, block) for path in DOCUMENTS for block in blocks(path) if block.is_a(*words)]
    return pytest.mark.parametrize("path, block", found, ids=[f"{path.name}:{block.line}" for path, block in found])


def manual(page):
    return subprocess.run([binary(), "manual", page], capture_output=True, text=True, timeout=30, check=True).stdout


# ---- generated parts

@pytest.mark.parametrize("path", [path for path in DOCUMENTS if GENERATED.search(path.read_text(encoding="utf-8"))],
                         ids=lambda path: path.name)
def test_generated_parts_are_fresh(path):
    text = path.read_text(encoding="utf-8")
    fresh = GENERATED.sub(lambda match: f"{match.group(1)}\n{manual(match.group(2))}\n{match.group(4)}", text)
    if os.environ.get("UPDATE") == "1":
        path.write_text(fresh, encoding="utf-8")
    assert text == fresh or os.environ.get("UPDATE") == "1", f"{path.name} is stale: UPDATE=1 writes it anew"


def test_every_page_of_the_manual_is_in_a_document():
    told = subprocess.run([binary(), "manual", "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
    pages = re.search(r"\{(.*?)\}", told).group(1).split(",")
    shown = [page for path in DOCUMENTS for _, page, *_ in GENERATED.findall(path.read_text(encoding="utf-8"))]
    assert sorted(pages) == sorted(shown)


# What the sources name, independent of the tables that the manual prints.
@pytest.mark.parametrize("page, pattern, sources", [
    ("causes", r'Cause \w+\{\s*"(\w+)"|Cause \w+\{\.code = "(\w+)"', ["src/http/causes.h", "src/gateway/causes.h"]),
    ("metrics", r'"(sluice_\w+)"', ["src/control/prometheus.cc"]),
])
def test_what_the_sources_name_is_documented(page, pattern, sources):
    text = manual(page)
    named = {name for file in sources for groups in re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"))
             for name in ([groups] if isinstance(groups, str) else groups) if name}
    assert len(named) > 5
    assert [name for name in sorted(named) if f"`{name}`" not in text and not re.search(rf"`{name}(_|`)", text)] == []


def test_exit_codes_are_documented():
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    codes = re.search(r"enum ExitCode : int \{(.*?)\}", (ROOT / "src/control/exit_code.h").read_text(encoding="utf-8"), re.S).group(1)
    assert re.findall(r"= (\d)", codes) == re.findall(r"^\| (\d) \|", text, re.M)


def test_every_kind_of_policy_is_listed():
    text = (ROOT / "docs/policies.md").read_text(encoding="utf-8")
    kinds = sorted(path.name for path in (ROOT / "src/policies").iterdir() if path.is_dir())
    assert sorted(re.findall(r"^\| \[`(\w+)`\]", text, re.M)) == kinds


def test_every_byte_level_case_is_listed():
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    cases = [path.name for path in ROOT.glob("tests/cases/http1/*.case")]
    assert [name for name in sorted(cases) if name not in text] == []


# ---- links

def anchors(path):
    """The anchors of a page, as code hosts make them from its headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_links_lead_somewhere(path):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_files_that_are_named_exist(path):
    """`src/...` and room files such as `gateway/decide.cc`, where the page speaks of what is."""
    if path.name == "write_a_policy.md":
        pytest.skip("speaks of files to be written")
    names = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:cc|h|py|md|yaml))`", FENCE.sub("", path.read_text(encoding="utf-8")))
    assert [name for name in names if not (ROOT / name).exists() and not (ROOT / "src" / name).exists()] == []


# ---- configs

@pytest.mark.parametrize("path, block", [
    pytest.param(path, block, id=f"{path.name}:{block.line}") for path in DOCUMENTS for block in blocks(path)
    if block.is_a("yaml") and not block.is_a("yaml", "played")])
def test_configs_are_what_they_say(path, block, tmp_path):
    assert block.is_a("yaml", "check") or block.is_a("yaml", "bad"), f"{path.name}:{block.line}: say check or bad"
    file = tmp_path / "gateway.yaml"
    file.write_text(block.text, encoding="utf-8")
    done = subprocess.run([binary(), "check", file], capture_output=True, text=True, timeout=30)
    if block.is_a("yaml", "bad"):
        assert done.returncode == 1 and block.file
    else:
        assert (done.returncode, done.stderr) == (0, "")


# ---- commands

def four_digit_port(taken):
    """As wide as the ones in the documents, so that columns and marks stay where they are."""
    while True:
        port = random.randint(2000, 9999)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in taken:
                return port


class Session:
    """One document's folder, with its files, its ports and what it has running."""

    def __init__(self, folder):
        self.folder, self.running, self.ports = folder, [], {}
        for port in PORTS:
            self.ports[port] = str(four_digit_port({int(p) for p in self.ports.values()}))
        programs = folder / ".programs"
        programs.mkdir()
        demo = pathlib.Path(os.environ.get("SLUICE_DEMO", ROOT / "out/demo-services"))
        (programs / "sluice").symlink_to(binary().resolve())
        (programs / "demo-services").symlink_to(demo.resolve())
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}

    def with_ports(self, text):
        return re.sub(r"(?<=:)(%s)\b" % "|".join(PORTS), lambda match: self.ports[match.group(1)], text)

    def write(self, name, text):
        text = self.with_ports(text)
        if "admin:" not in text:
            text += f"admin: {{bind: 127.0.0.1:{self.ports['9900']}}}\n"
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def start(self, command):
        with open(self.folder / ".output", "ab") as output:
            self.running.append(subprocess.Popen(self.with_ports(command), shell=True, cwd=self.folder, env=self.environment,
                                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output, executable="/bin/bash"))
        port = self.ports["9900"] if " run " in command else re.findall(r":(\d+)", self.with_ports(command))[-1]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.running[-1].poll() is None, (self.folder / ".output").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 1):
                return
            time.sleep(0.01)
        raise AssertionError(f"{command}: nothing listens on port {port}")

    def run(self, command):
        done = subprocess.run(self.with_ports(command), shell=True, cwd=self.folder, env=self.environment, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              executable="/bin/bash")
        if command.startswith(("sed -i", "mv ", "cp ")):
            time.sleep(SETTLE_SECONDS)
        return done.stdout

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGINT)  # a gateway does not wait for balancers then
            assert process.wait(20) in (0, -2), (self.folder / ".output").read_text()


def split_commands(text):
    """[(command, what it prints)] of a block."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.M)
    assert parts[0] == "", "a block begins with a command"
    return list(zip(parts[1::2], parts[2::2]))


def pattern_of(shown):
    """A regular expression for what is shown: `...` on a line of its own stands for lines, inside a line for text."""
    lines = []
    for line in shown.splitlines():
        lines.append("(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + "\n")
    return "".join(lines)


def play(session, path):
    for block in blocks(path):
        if block.file and not block.is_a("cpp"):
            session.write(block.file, block.text)
        for command, shown in split_commands(block.text) if block.is_a("sh") else []:
            if block.is_a("sh", "start"):
                session.start(f"exec {command}")
                continue
            assert block.is_a("sh", "run")
            got = session.run(command)
            got += "" if got.endswith("\n") or not got else "\n"
            shown = session.with_ports(shown)
            assert re.fullmatch(pattern_of(shown), got.replace("\r", "")), \
                f"{path.name}:{block.line}: $ {command}\nshown:\n{shown}\ngot:\n{got}"


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if any(block.is_a("sh") for block in blocks(path))],
                         ids=lambda path: path.name)
def test_commands_print_what_is_shown(path, tmp_path):
    session = Session(tmp_path)
    try:
        if path.name == "README.md":  # its commands are those of `./dev run`
            session.run(f"{ROOT}/demo/make_certificate.sh build/demo")
            session.write("demo/gateway.yaml", (ROOT / "demo/gateway.yaml").read_text(encoding="utf-8"))
            session.start("exec demo-services --service users-1:7001 --service users-2:7002 --service payments:7003 --service messages:7004")
            session.start("exec sluice run demo/gateway.yaml")
        play(session, path)
    finally:
        session.stop()


def test_the_readme_shows_the_commands_of_dev_run():
    script = (ROOT / "tools/dev/run.sh").read_text(encoding="utf-8").replace("$gateway_address", "127.0.0.1:8080")
    script = script.replace("$secure_address", "localhost:8443").replace("$certificate", "build/demo/localhost.pem")
    told = [" ".join(line.split()) for line in re.findall(r"^  [1-7] .*?(curl .*)$", script, re.M)]
    shown = [command for block in blocks(ROOT / "README.md") if block.is_a("sh", "run") for command, _ in split_commands(block.text)]
    shown = [command.replace("[1-4]", "[1-6]") for command in shown if command.startswith("curl")]
    assert len(told) == 7 and told == shown


def test_the_verbs_of_the_readme_exist():
    told = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, timeout=30, check=True).stdout
    for verb in set(re.findall(r"\./dev (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))):
        assert re.search(rf"^  {verb}\b", told, re.M), verb


# ---- code

def test_the_example_of_a_policy_compiles(tmp_path):
    compiler = shutil.which("clang++-19")
    if compiler is None:
        pytest.skip("no clang++-19")
    sources = []
    for block in blocks(ROOT / "docs/write_a_policy.md"):
        if block.is_a("cpp", "check"):
            file = tmp_path / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
            sources += [file] if file.suffix == ".cc" else []
    assert sources
    subprocess.run([compiler, "-std=c++23", "-fsyntax-only", "-fno-rtti", "-fno-exceptions", "-Wall", "-Wextra", "-Werror", "-Wshadow",
                    "-Wno-missing-field-initializers",
                    f"-I{tmp_path}/src", f"-I{ROOT}/src", *sources], check=True, timeout=120)


@all_blocks("case", "check")
def test_cases_can_be_read(path, block, tmp_path):
    file = tmp_path / "example.case"
    file.write_text(block.text, encoding="utf-8")
    assert CaseFile(file).cases
