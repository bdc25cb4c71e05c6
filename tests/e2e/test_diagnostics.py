"""Golden diagnostics: what `sluice check` says about each tests/diagnostics/*.yaml stands beside it in *.expected.

UPDATE=1 writes the files anew; read the difference before you keep it."""
import os
import subprocess

import pytest

from harness.gateway import ROOT, binary

FOLDER = ROOT / "tests/diagnostics"
PATHS = sorted(FOLDER.glob("*.yaml"))


def checked(path):
    """All that check prints, and its exit code as the last line."""
    done = subprocess.run([binary(), "check", path.name], cwd=FOLDER, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    return f"{done.stdout}exit code {done.returncode}\n"


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_diagnostics(path):
    expected, found = path.with_suffix(".expected"), checked(path)
    if os.environ.get("UPDATE") == "1":
        expected.write_text(found, encoding="utf-8")
    assert expected.exists(), f"no {expected.name}; UPDATE=1 writes it"
    assert found == expected.read_text(encoding="utf-8")
