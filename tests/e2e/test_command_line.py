"""The command line: what each command prints, what a mistake is told, which code it ends with."""
import json
import os
import socket
import subprocess

import jsonschema
import pytest
import yaml

from harness.gateway import ROOT, binary

DEMO = ROOT / "demo/gateway.yaml"
GOOD = 'listeners: [{name: public, bind: 127.0.0.1:0}]\nroutes: [{name: hi, policies: [{respond: {body: hi}}]}]\n'
OK, CONFIG, USAGE, START = 0, 1, 2, 3


def sluice(*words, env=None, prefix=()):
    return subprocess.run([*prefix, binary().resolve(), *words], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})


def told(*words, code, **options):
    """What was written to stderr by a command that must end with `code` and print nothing else."""
    done = sluice(*words, **options)
    assert (done.returncode, done.stdout) == (code, ""), done
    return done.stderr


# ---- help and version

@pytest.mark.parametrize("words", [["--help"], ["-h"], *([name, "--help"] for name in ("run", "upgrade", "check", "explain", "schema", "manual"))])
def test_help(words):
    done = sluice(*words)
    assert (done.returncode, done.stderr) == (OK, "") and "Usage: sluice" in done.stdout


def test_help_names_every_command_and_every_exit_code():
    text = sluice("--help").stdout
    for word in ("run", "upgrade", "check", "explain", "schema", "manual", "SLUICE_CONFIG", "Exit codes: 0 good", " 1 ", " 2 ", " 3 ", " 4 "):
        assert word in text


def test_version():
    done = sluice("--version")
    assert done.returncode == OK and done.stdout.startswith("sluice ") and done.stdout[7].isdigit()


def test_no_command_shows_the_help():
    assert "Usage: sluice" in told(code=USAGE)


# ---- mistakes

@pytest.mark.parametrize("words, what, meant", [
    (["chek", "x.yaml"], "there is no command 'chek'", "check"),
    (["Run", "x.yaml"], "there is no command 'Run'", "run"),
    (["frobnicate"], "there is no command 'frobnicate'", None),
    (["--verison"], "there is no option '--verison'", "--version"),
    (["run", "--wrokers", "2", "x.yaml"], "there is no option '--wrokers'", "--workers"),
    (["run", "--worker=2", "x.yaml"], "there is no option '--worker'", "--workers"),
    (["run", "--workers=0", "x.yaml"], "--workers: Value 0 not in range 1 to 256", None),
    (["run", "--workers=many", "x.yaml"], "--workers", None),
    (["run", "--loop=eppoll", "x.yaml"], "--loop: eppoll not in", "epoll"),
    (["check", "--jsn", "x.yaml"], "there is no option '--jsn'", "--json"),
    (["check", "a.yaml", "b.yaml"], "one argument too many: 'b.yaml'", None),
    (["explain", "x.yaml", "--lisener", "public"], "there is no option '--lisener'", "--listener"),
    (["manual", "metric"], "PAGE: metric not in", "metrics"),
    (["manual"], "PAGE is required", None),
])
def test_a_mistake_says_what_was_meant(words, what, meant):
    text = told(*words, code=USAGE)
    assert f"sluice: {what}" in text and "`sluice --help` lists the commands" in text
    assert [line.strip() for line in text.splitlines() if "did you mean" in line] == ([f"did you mean '{meant}'?"] if meant else [])


@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_a_config_must_be_named(command):
    text = told(command, code=USAGE, env={"SLUICE_CONFIG": ""})
    assert "CONFIG is required" in text


def test_the_environment_names_the_config():
    done = sluice("check", env={"SLUICE_CONFIG": str(DEMO)})
    assert done.returncode == OK and "is good" in done.stdout


def test_the_argument_comes_before_the_environment():
    done = sluice("check", DEMO, env={"SLUICE_CONFIG": "/nowhere"})
    assert done.returncode == OK


# ---- files that are no config

@pytest.mark.parametrize("command", ["check", "explain", "run"])
def test_a_missing_file(command, tmp_path):
    text = told(command, tmp_path / "gateway.yaml", code=CONFIG)
    assert f"{tmp_path}/gateway.yaml: error[no_such_file]: there is no such file" in text and "help: check the path" in text


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_directory(command, tmp_path):
    text = told(command, tmp_path, code=CONFIG)
    assert "error[not_a_file]: is a directory" in text and "help: name one file in it" in text


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "error[not_a_file]: is a pipe, socket or device" in told("check", tmp_path / "fifo", code=CONFIG)


def test_an_unreadable_file(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(GOOD)
    file.chmod(0)
    prefix = []
    if os.geteuid() == 0:  # who may read everything: not without its capabilities
        prefix = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("capabilities cannot be dropped here")
    text = told("check", file, code=CONFIG, prefix=prefix)
    assert f"error[unreadable_file]: may not be read by this user\n   help: make it readable for user id {os.geteuid()}" in text


def test_a_file_of_33_mebibytes(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(GOOD)
    os.truncate(file, 33 << 20)
    assert "error[file_too_large]: is longer than the limit of 32 MiB" in told("check", file, code=CONFIG)


def test_a_file_of_10_megabytes_that_is_no_config(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("- x\n" * 2_500_000)
    text = told("check", file, code=CONFIG)
    assert "error[wrong_type]: found a list" in text and len(text) < 2000


def test_many_errors_are_cut_short(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(GOOD + "".join(f"key_{i}: x\n" for i in range(500)))
    text = told("check", file, code=CONFIG)
    assert text.count("error[unknown_key]") == 100 and "and 400 more" in text and "500 errors in" in text


# ---- check

def test_check_tells_what_it_saw():
    done = sluice("check", DEMO)
    assert (done.returncode, done.stderr) == (OK, "")
    assert done.stdout == f"{DEMO} is good: 2 listeners, 6 routes, 8 tests passed\n"


def test_check_json_is_one_object_a_line(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("lisseners: []\nroutes: [{name: a, to: b}]\n")
    done = sluice("check", "--json", file)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (CONFIG, "")
    first = found[0]
    assert {"severity": "error", "code": "unknown_key", "file": str(file), "line": 1, "column": 1, "width": 9,
            "want": "did you mean 'listeners'?"}.items() <= first.items()
    assert {"missing_key"} <= {one["code"] for one in found}


def test_check_json_of_a_good_config_is_empty():
    done = sluice("check", "--json", DEMO)
    assert (done.returncode, done.stdout, done.stderr) == (OK, "", "")


def test_warnings_do_not_fail(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(GOOD + "upstreams: {u: {endpoints: [127.0.0.1:1]}}\n")
    done = sluice("check", file)
    assert done.returncode == OK and "warning[unused_upstream]" in done.stderr and "is good" in done.stdout


# ---- explain

def test_explain_a_request():
    done = sluice("explain", DEMO, "http://127.0.0.1:8080/users/42")
    assert (done.returncode, done.stderr) == (OK, "")
    for line in ("route:     user", "  {id} = 42", "  1. request_id (from set standard)", "     set x-team: edge",
                 "  4. rewrite (from route user)", "upstream:  users", "  endpoint 127.0.0.1:7002 weight 1",
                 "sent:      GET /v2/users/42", "  not payments: path '/users/42' does not match /payments/*"):
        assert line in done.stdout.splitlines(), done.stdout


def test_explain_says_why_no_route():
    done = sluice("explain", DEMO, "http://127.0.0.1:8080/users/42", "-X", "DELETE")
    assert done.returncode == OK
    assert "  not user: method 'DELETE' is not listed" in done.stdout and "answer:    404 Not Found (cause no_route)" in done.stdout


def test_explain_takes_headers_and_a_listener():
    done = sluice("explain", DEMO, "http://a/users/1", "-H", "x-request-id: mine", "--listener", "public", "--json")
    got = json.loads(done.stdout)
    assert got["route"] == "user" and ["x-request-id", "mine"] in got["sent"]["headers"] and got["captures"] == {"id": "1"}


def test_explain_a_refusal():
    done = sluice("explain", DEMO, "http://a/../x")
    assert done.returncode == OK and "refused:   400" in done.stdout and "request_target_refused" in done.stdout
    got = json.loads(sluice("explain", DEMO, "http://a/../x", "--json").stdout)
    assert got["answer"]["status"] == 400 and got["answer"]["cause"] == "request_target_refused"


def test_explain_the_plan():
    done = sluice("explain", DEMO)
    assert done.returncode == OK and "listener public on 127.0.0.1:8080" in done.stdout
    assert "    match    host messages.example.com; path /*" in done.stdout
    assert "    policies forwarded (default), redirect (route people-moved)" in done.stdout
    plan = json.loads(sluice("explain", DEMO, "--json").stdout)
    assert [route["name"] for route in plan["listeners"][0]["routes"]] == ["user", "payments", "messages", "chat", "greeter", "people-moved"]


@pytest.mark.parametrize("words, what", [
    (["/users/42"], "the URL must start with http://"),
    (["https://a/", "--listener", "public"], "listener public has no `tls`: write the URL with http://"),
    (["http://a/", "--listener", "pubic"], "there is no listener 'pubic'; did you mean 'public'?"),
    (["http://a/", "-H", "nonsense"], "'nonsense' is no header"),
])
def test_explain_mistakes(words, what):
    assert what in told("explain", DEMO, *words, code=USAGE)


# ---- schema and manual

@pytest.fixture(scope="module")
def schema():
    done = sluice("schema")
    assert (done.returncode, done.stderr) == (OK, "")
    made = json.loads(done.stdout)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def test_the_schema_accepts_the_sample(schema):
    schema.validate(yaml.safe_load(DEMO.read_text(encoding="utf-8")))


@pytest.mark.parametrize("change", [
    {"lisseners": []},
    {"listeners": []},
    {"routes": [{"match": {}}]},
    {"routes": [{"name": "a", "policies": [{"no_such_kind": {}}]}]},
    {"upstreams": {"u": {"endpoints": ["users.internal:80"]}}},
    {"drain_timeout": 30},
])
def test_the_schema_refuses_what_check_refuses(schema, change, tmp_path):
    config = {**yaml.safe_load(GOOD), **change}
    assert not schema.is_valid(config)
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))
    assert sluice("check", tmp_path / "gateway.yaml").returncode == CONFIG


def test_every_key_of_the_schema_is_described(schema):
    missing = []

    def visit(node, path):
        for name, value in node.get("properties", {}).items():
            if not value.get("description") and "$ref" not in value:
                missing.append(f"{path}.{name}")
        for key, value in node.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and key != "default":
                    visit(one, f"{path}.{key}")

    visit(schema.schema, "")
    assert missing == []


@pytest.mark.parametrize("page", ["configuration", "causes", "metrics", "access-log"])
def test_manual_pages(page):
    done = sluice("manual", page)
    assert done.returncode == OK and done.stdout.count("\n| ") > 5


# ---- run

def test_run_refuses_a_bad_config(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("listeners: [{name: a, bind: nowhere}]\n")
    text = told("run", file, code=CONFIG)
    assert "error[bad_address]" in text and "nothing was started" in text


def test_run_says_that_an_address_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        file = tmp_path / "gateway.yaml"
        file.write_text(f"listeners: [{{name: public, bind: {address}}}]\nadmin: {{bind: 127.0.0.1:0}}\n")
        text = told("run", file, code=START)
    assert f"listener public cannot bind {address}: " in text and "in use" in text
