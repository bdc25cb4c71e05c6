"""The reliability rows: what each promises, the figures measured, and the table of them (docs/reliability.md).

A test of a row is marked `@pytest.mark.row("R01", "promise")`, takes the fixture `row` and records figures; the fixture judges them at
the end. In `./dev test` runs are short; `./dev soak` sets SLUICE_SOAK_MINUTES, and they are as long as the row asks for."""
import json
import os
import pathlib
import time

from .gateway import ROOT

MINUTES = float(os.environ.get("SLUICE_SOAK_MINUTES", "0"))
IS_LONG = MINUTES > 0
RECORDS = pathlib.Path(os.environ.get("SLUICE_SOAK_RECORDS", ROOT / "build/reports/reliability.jsonl"))


def length(short, long):
    """How long a run lasts, or how often something is done: in `./dev test`, and in `./dev soak`."""
    return long if IS_LONG else short


class Row:
    def __init__(self, name, promise, loop):
        self.name, self.promise, self.loop, self.figures = name, promise, loop, []

    def figure(self, what, value, at_most=None, at_least=None, only_long=False):
        """A figure and its bounds. `only_long`: one that a busy machine moves, judged in `./dev soak` alone."""
        is_judged = (at_most is not None or at_least is not None) and (IS_LONG or not only_long)
        is_good = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
        bound = " to ".join([f">= {short(at_least)}"] * (at_least is not None) + [f"<= {short(at_most)}"] * (at_most is not None))
        self.figures.append({"what": what, "value": short(value), "bound": bound, "is_judged": is_judged, "is_good": is_good})

    def failures(self, outcome, us=0, fault=None, unknown=0):
        """The failed requests of a load, by who caused them."""
        to = outcome.blame()
        self.figure("requests", outcome.asked)
        self.figure("failed by us", to["us"], at_most=us)
        self.figure("failed by the fault", to["fault"], at_most=fault)
        self.figure("failed, unknown", to["unknown"], at_most=unknown)
        if outcome.raced:
            self.figure("sent again (keep-alive race)", outcome.raced)

    def judge(self, detail=""):
        wrong = [f for f in self.figures if f["is_judged"] and not f["is_good"]]
        record = {"row": self.name, "promise": self.promise, "loop": self.loop, "figures": self.figures, "is_good": not wrong,
                  "is_long": IS_LONG, "date": time.strftime("%Y-%m-%d")}
        RECORDS.parent.mkdir(parents=True, exist_ok=True)
        with open(RECORDS, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        assert not wrong, "; ".join(f"{f['what']}: {f['value']}, want {f['bound']}" for f in wrong) + f"\n{detail}"


def short(value):
    return round(value, 3) if isinstance(value, float) else value


def table(records):
    """The records as lines of text: row, promise, figures with bounds, verdict."""
    lines = []
    for record in records:
        lines.append(f"{record['row']}  {record['promise']} ({record['loop']}): {'pass' if record['is_good'] else 'FAIL'}")
        for f in record["figures"]:
            note = "" if f["is_judged"] or not f["bound"] else " (not judged in a short run)"
            bound = f"  {f['bound']}{note}" if f["bound"] else ""
            mark = " <-- FAIL" if f["is_judged"] and not f["is_good"] else ""
            lines.append(f"       {f['what']}: {f['value']}{bound}{mark}")
    return lines
