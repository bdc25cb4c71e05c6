"""The last good config on disk, and configs that are damaged in every way. Row R18 of the promises."""
import os
import random
import subprocess
import time

import pytest

from harness.client import get, status
from harness.gateway import Gateway, binary, wait_until

ANSWER = "routes: [{name: all, policies: [respond: {status: %d}]}]\n"


@pytest.fixture
def kept(loop, tmp_path):
    """A gateway that has run long enough for its config to be kept, and has stopped: (gateway, the file)."""
    state = tmp_path / "state"
    running = Gateway(ANSWER % 204, tmp_path, loop=loop, arguments=["--state-dir", str(state), "--proven-after", "1"])
    running.start()
    assert wait_until(lambda: running.metric("sluice_config_is_proven") == 1)
    running.stop()
    (file,) = state.iterdir()
    return running, file


def start(running, *arguments):
    return subprocess.run([binary(), "run", running.config_path, *running.arguments, *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30)


def test_it_is_used_at_a_start_only_when_asked_for(kept):
    running, file = kept
    assert file.stat().st_mode & 0o777 == 0o600 and "status: 204" in file.read_text()
    running.config_path.write_text("routes: [nonsense")
    done = start(running)
    assert done.returncode == 1 and "nothing was started" in done.stderr
    running.arguments.append("--fallback-to-last-good")
    running.start()
    assert status(get(running.address)) == 204
    assert "LAST GOOD CONFIG" in running.stderr() and running.metric("sluice_config_is_last_good") == 1
    running.write_config(ANSWER % 201)
    assert wait_until(lambda: status(get(running.address)) == 201)
    running.stop()


def test_without_a_supervisor_it_is_kept_too(loop, tmp_path):
    state = tmp_path / "state"
    running = Gateway(ANSWER % 204, tmp_path, loop=loop, arguments=["--no-supervisor", "--state-dir", str(state), "--proven-after", "1"])
    running.start()
    assert wait_until(lambda: state.is_dir() and list(state.glob("*.yaml")))
    running.stop()


def damage(file, kind):
    whole = file.read_bytes()
    if kind == "bit":
        bent = bytearray(whole)
        bent[len(whole) // 2] ^= 4
        file.write_bytes(bent)
    elif kind == "cut":
        file.write_bytes(whole[:-7])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "huge":
        os.truncate(file, 33 << 20)
    elif kind == "folder":
        file.unlink()
        file.mkdir()
    elif kind == "open to all":
        file.chmod(0o666)
    elif kind == "gone":
        file.unlink()


@pytest.mark.parametrize("kind, told", [("bit", "is damaged"), ("cut", "is damaged"), ("empty", "is damaged"), ("huge", "too long"),
                                        ("folder", "not a regular file"), ("open to all", "written by others"), ("gone", "none has been kept")])
def test_a_damaged_one_is_refused(kept, kind, told):
    running, file = kept
    damage(file, kind)
    running.config_path.write_text("routes: [nonsense")
    done = start(running, "--fallback-to-last-good")
    assert done.returncode == 1 and told in done.stderr and "gateway.yaml:1:" in done.stderr, done.stderr


def test_no_damage_of_the_config_ends_the_process(gateway):
    """R18: bit flips, cuts, nothing, too much, the wrong type. Whatever it says, the process goes on and takes the next good one."""
    with_admin_first = "admin: {bind: $ADMIN}\n" + ANSWER  # it alone stays whole, for we ask there what has become of the rest
    running = gateway(with_admin_first % 204, workers=2)
    pid = running.gateway_pid()
    good = running.config_path.read_bytes()
    start = good.index(b"\n") + 1
    chance = random.Random(18)
    texts = [good[:cut] for cut in range(start, len(good), 7)]
    for _ in range(60):
        bent = bytearray(good)
        for _ in range(chance.choice((1, 1, 8))):
            bent[chance.randrange(start, len(bent))] ^= 1 << chance.randrange(8)
        texts.append(bytes(bent))
    texts += [b"", b"\0" * 4096, bytes(range(256)) * 16, b"[" * 100_000, b"- " * 100_000, b"a: &a [*a]\n", b"\xff\xfe" + good.decode().encode("utf-16-le"),
              b"routes: 5\n", b"listeners: {}\n", b"#" * (33 << 20)]
    seen = lambda: running.metric("sluice_config_reloads_total")
    for text in texts:
        before = seen()
        fresh = running.config_path.with_suffix(".bent")
        fresh.write_bytes(text)
        fresh.rename(running.config_path)
        assert wait_until(lambda: seen() > before), text[:200]
    running.config_path.unlink()
    running.config_path.mkdir()
    time.sleep(0.1)
    running.config_path.rmdir()
    assert running.gateway_pid() == pid and "Sanitizer" not in running.stderr()
    running.write_config(with_admin_first % 201)
    assert wait_until(lambda: status(get(running.address)) == 201)
    assert "gateway.yaml:1:" in running.stderr()


def test_a_state_directory_that_cannot_be_used_stops_nothing(loop, tmp_path):
    (tmp_path / "file").write_text("")
    running = Gateway(ANSWER % 204, tmp_path / "g", loop=loop, arguments=["--state-dir", str(tmp_path / "file"), "--proven-after", "1"])
    running.start()
    assert wait_until(lambda: "the last good config is not kept" in running.stderr())
    assert status(get(running.address)) == 204
    running.stop()
