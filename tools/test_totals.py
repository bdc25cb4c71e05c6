#!/usr/bin/env python3
"""Sums the JUnit files of one test run and prints, as its last line, `N passed, N failed, N skipped`.

    test_totals.py FOLDER NAME...     FOLDER holds of each NAME: NAME-ctest.xml, NAME-unit/*.xml (GoogleTest), NAME-*-e2e.xml (pytest)

What is no GoogleTest program (corpora, fuzz targets, checks) counts as one test, told by ctest. A unit test program that
ended without writing its file counts as one failure, and so does one whose tests all passed but which failed itself, such
as for a leak that a sanitizer found; so does a file of ctest or pytest that is not there. Exit code 1 when anything failed
or nothing ran.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    """passed, failed or skipped, of one testcase element"""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("result") in ("skipped", "suppressed") or case.get("status") == "notrun":
        return "skipped"
    return "passed"


def has_failures(program):
    return any(outcome(case) == "failed" for case in ElementTree.parse(program).iter("testcase"))


def main(folder, names):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []

    def count(case, source):
        result = outcome(case)
        totals[result] += 1
        if result == "failed":
            failures.append(f"{source}: {case.get('classname', '')}.{case.get('name')}")

    for path in sorted(folder.glob("*-e2e.xml")) + sorted(folder.glob("*-unit/*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            count(case, path.relative_to(folder))
    for path in sorted(folder.glob("*-ctest.xml")):
        programs = folder / path.name.replace("-ctest.xml", "-unit")
        for case in ElementTree.parse(path).iter("testcase"):
            program = programs / f"sluice_{case.get('name').removeprefix('unit_')}_test.xml"
            told_by_program = program.exists() and (outcome(case) != "failed" or has_failures(program))
            if not told_by_program:
                count(case, path.name)
    for name in names:
        for path in (folder / f"{name}-ctest.xml", folder / f"{name}-together-e2e.xml", folder / f"{name}-alone-e2e.xml"):
            if not path.exists():
                totals["failed"] += 1
                failures.append(f"{path.name} was never written: the run was cut short")
    for name in failures:
        print("FAILED", name)
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
