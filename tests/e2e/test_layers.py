"""The rooms see only rooms below them, and the check that says so notices when they do not."""
import subprocess
import sys

import pytest

from harness.gateway import ROOT


def check(root):
    done = subprocess.run([sys.executable, ROOT / "tools/check_layers.py", root], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_no_include_goes_up_or_sideways():
    assert check(ROOT) == (0, "")


@pytest.mark.parametrize("place, include, told", [
    ("base/bytes.h", "net/loop.h", "base includes net, which stands above it"),
    ("http/message.cc", "gateway/driver.h", "http includes gateway, which stands above it"),
    ("net/loop.h", "config/field.h", "net includes config, which stands beside it"),
    ("route/table.h", "upstream/pool.h", "route includes upstream, which stands beside it"),
    ("policies/rewrite/rewrite.h", "policies/headers/headers.h", "policies do not include each other (rewrite includes headers)"),
    ("policies/rewrite/rewrite.h", "gateway/driver.h", "policies includes gateway, which stands above it"),
    ("control/reload.cc", "reload.h", "write the room's name"),
    ("control/reload.cc", "kitchen/sink.h", "there is no room 'kitchen'"),
])
def test_a_planted_include_is_caught(tmp_path, place, include, told):
    file = tmp_path / "src" / place
    file.parent.mkdir(parents=True)
    file.write_text(f'#include <vector>\n#include "base/result.h"\n#include "{include}"\n')
    code, output = check(tmp_path)
    assert code == 1 and f"src/{place}:3: {told}" in output


def test_a_folder_that_is_no_room_is_caught(tmp_path):
    file = tmp_path / "src/kitchen/sink.h"
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert check(tmp_path) == (1, "src/kitchen/sink.h: belongs to no room\n")
