"""The manual page of each policy, src/policies/*/README.md, says what the binary does: its table of fields is the binary's own,
its examples are good configs, and no folder lacks its page, its cases or its test.

UPDATE=1 writes the tables anew."""
import os
import re
import subprocess
import textwrap

import pytest

from harness.gateway import ROOT, binary

FOLDERS = sorted(path.parent for path in ROOT.glob("src/policies/*/config.h"))
NAMES = [folder.name for folder in FOLDERS]
TABLE = re.compile(r"<!-- fields -->\n(.*?)<!-- /fields -->", re.S)
EXAMPLE = re.compile(r"^```yaml\n(.*?)^```$", re.S | re.M)

# What a snippet is put into. Its route has the captures that the pages use.
AROUND = """
listeners: [{{name: public, bind: 127.0.0.1:8080}}]
upstreams: {{users: {{endpoints: [127.0.0.1:7001]}}, payments: {{endpoints: [127.0.0.1:7003]}}}}
"""
CHAIN = AROUND + 'routes:\n  - name: all\n    match: {{path: "/users/{{id}}/*"}}\n    to: users\n    policies:\n{snippet}'
ROUTES = AROUND + "routes:\n{snippet}"


def page(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def full_config(snippet):
    """A whole config as it is; a list of routes or of policies, or one policy, in the least config around it."""
    if snippet.startswith("listeners:"):
        return snippet
    if re.match(r"(- name:|- \{name:)", snippet):
        return ROUTES.format(snippet=textwrap.indent(snippet, "  "))
    first, *rest = snippet.split("\n")
    entry = snippet if first.startswith("- ") else "\n".join([f"- {first}", *(f"  {line}" for line in rest)])
    return CHAIN.format(snippet=textwrap.indent(entry, "      "))


@pytest.fixture(scope="module")
def tables():
    """kind -> its table of fields, as the binary prints it."""
    text = subprocess.run([binary(), "manual", "configuration"], capture_output=True, text=True, timeout=30, check=True).stdout
    found = re.findall(r"^### `(\w+)`\n\n.*?\n\n((?:\|.*\n)+)", text, re.M)
    return dict(found)


def test_every_kind_has_a_folder(tables):
    assert sorted(tables) == NAMES


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_the_folder_is_whole(folder):
    for name in (f"{folder.name}.cc", f"{folder.name}_test.cc", "README.md"):
        assert (folder / name).is_file(), f"{folder.name}/{name} is missing"
    assert list(folder.glob("cases/*.case")), f"{folder.name}/cases has no case"


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_the_table_is_the_binarys(folder, tables):
    text, table = page(folder), tables[folder.name]
    assert len(TABLE.findall(text)) == 1, "the page has no `<!-- fields -->` ... `<!-- /fields -->`"
    if os.environ.get("UPDATE") == "1":
        text = TABLE.sub(lambda _: f"<!-- fields -->\n{table}<!-- /fields -->", text)
        (folder / "README.md").write_text(text, encoding="utf-8")
    assert TABLE.search(text).group(1) == table, "stale; UPDATE=1 writes it"


def examples():
    found = [(folder, number, text) for folder in FOLDERS if (folder / "README.md").exists()
             for number, text in enumerate(EXAMPLE.findall(page(folder)), 1)]
    return [pytest.param(folder, text, id=f"{folder.name}-{number}") for folder, number, text in found]


@pytest.mark.parametrize("folder, text", examples())
def test_an_example_is_good(folder, text, tmp_path):
    config = tmp_path / "gateway.yaml"
    config.write_text(full_config(text), encoding="utf-8")
    done = subprocess.run([binary(), "check", config], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{done.stderr}\n{config.read_text()}"
    errors = [line for line in done.stderr.split("\n") if "warning[" in line and "unused_upstream" not in line]
    assert not errors, done.stderr


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_every_page_has_an_example(folder):
    assert len(EXAMPLE.findall(page(folder))) >= 2
