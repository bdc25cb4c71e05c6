"""Consumers and their keys: in the config, in files and folders, and while those change."""
import hashlib
import subprocess

from harness.client import RawClient, get, status
from harness.gateway import binary, wait_until


def hash_of(key):
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def consumer(name, *keys, more=""):
    return f"  {name}: {{api_keys: [{', '.join(hash_of(key) for key in keys)}]{more}}}\n"


def write(path, *consumers):
    fresh = path.with_name(".fresh")
    fresh.write_text("consumers:\n" + "".join(consumers) if consumers else "consumers: {}\n", encoding="utf-8")
    fresh.rename(path)


def config(tmp_path, own="  own: {}\n"):
    return f"""
consumers:
{own}consumers_from: [{tmp_path}/one.yaml, {tmp_path}/more]
listeners: [{{name: public, bind: $LISTEN}}]
upstreams: {{u: {{endpoints: [$UPSTREAM]}}}}
routes: [{{name: all, policies: [{{api_key: {{}}}}], to: u}}]
"""


def outcome(running, key):
    answer = get(running.address, "/", x_api_key=key)
    return "in" if status(answer) == 200 else status(answer)


def test_files_and_folders_that_change_are_live_and_touch_no_connection(gateway, tmp_path):
    (tmp_path / "more").mkdir()
    write(tmp_path / "one.yaml", consumer("a", "key of a"))
    running = gateway(config(tmp_path, consumer("own", "own key")))
    assert [outcome(running, key) for key in ("own key", "key of a", "key of b")] == ["in", "in", 401]
    with RawClient(running.address) as kept:
        ask = lambda: (kept.send(b"GET / HTTP/1.1\r\nhost: a\r\nx-api-key: key of b\r\n\r\n"), status(kept.read_response()))[1]
        assert ask() == 401
        write(tmp_path / "more" / "b.yaml", consumer("b", "key of b", "other key of b"))
        assert wait_until(lambda: ask() == 200), running.stderr()
        assert outcome(running, "other key of b") == "in"
        write(tmp_path / "more" / "b.yaml")
        assert wait_until(lambda: ask() == 401), running.stderr()
        write(tmp_path / "one.yaml", consumer("c", "key of a"))
        is_c = lambda: any(line.get("consumer") == "c" for line in running.log_lines())
        assert wait_until(lambda: outcome(running, "key of a") == "in" and is_c()), running.stderr()
    assert running.metric("sluice_config_generation") == 1
    assert running.metric("sluice_policy_files_refused_total") == 0


def test_a_file_with_a_mistake_changes_nothing(gateway, tmp_path):
    (tmp_path / "more").mkdir()
    write(tmp_path / "one.yaml", consumer("a", "key of a"))
    running = gateway(config(tmp_path))
    for number, (text, why) in enumerate([
            (consumer("a", "key of a", more=", grups: x"), "did you mean 'groups'?"),
            (consumer("own", "key of a"), "there is a consumer 'own' already"),
            (consumer("a", "key of a") + consumer("b", "key of a"), "the consumer 'a' has this key already"),
            ("  a: {api_keys: [my-own-key]}\n", "this is no hash of a key")], 1):
        write(tmp_path / "one.yaml", text)
        assert wait_until(lambda: running.metric("sluice_policy_files_refused_total") == number), running.stderr()
        assert why in running.stderr() and "what it held before stays in force" in running.stderr()
        assert outcome(running, "key of a") == "in"
    assert "my-own-key" not in running.stderr()
    write(tmp_path / "one.yaml", consumer("a", "new key"))
    assert wait_until(lambda: outcome(running, "new key") == "in"), running.stderr()
    assert outcome(running, "key of a") == 401


def test_keys_are_made_and_hashed():
    key_command = lambda *words, text=None: subprocess.run([binary(), "key", *words], input=text, capture_output=True, text=True, timeout=20)
    made = [key_command("new") for _ in range(2)]
    keys = [dict(line.split(":", 1) for line in one.stdout.splitlines()) for one in made]
    for one in keys:
        key, its_hash = one["key"].strip(), one["hash"].strip()
        assert key.startswith("slk_") and len(key) == 47 and its_hash == hash_of(key)
        for end in ("", "\n", "\r\n"):
            assert key_command("hash", text=key + end).stdout == its_hash + "\n"
    assert keys[0]["key"] != keys[1]["key"]
    for bad, told in [("", "this one has 0"), ("x" * 15, "this one has 15"), ("x" * 1025, "more than 1024")]:
        done = key_command("hash", text=bad)
        assert done.returncode == 2 and told in done.stderr and "xxx" not in done.stderr, done
    assert key_command("hash", text="x" * 16).returncode == 0 and key_command("hash", text="x" * 1024).returncode == 0
