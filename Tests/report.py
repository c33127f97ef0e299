# SPDX-License-Identifier: Apache-2.0
"""Sums up the result files of Tests/run.sh: failures, the ten slowest tests, and the plain last line `N passed, N failed`.

Usage: report.py RESULT.xml… ; a file that isn't there is a run that crashed and counts as one failure. Exit status 1 if anything failed.
A later result of the same test counts instead of the earlier one, and is told.
       report.py --filter RESULT.xml ; a regular expression of the suites in which a test failed, for `swift test --filter`; empty if none did.
"""
import os
import sys
import xml.etree.ElementTree as xml


def read(path):
    """(name, seconds, outcome, messages) of each test in a result file."""
    for case in xml.parse(path).getroot().iter("testcase"):
        name = case.get("classname", "") + " " + case.get("name", "").split("(")[0].strip("`")
        messages = [failure.get("message", "") for failure in case.iter("failure")]
        outcome = "failed" if messages else "skipped" if case.find("skipped") is not None else "passed"
        yield name, float(case.get("time", "0")), outcome, messages


def suites_to_repeat(path):
    """The suites with a failure, as `swift test` names them: MODULE.SUITE/INNER."""
    names = set()
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None:
            module, _, suite = case.get("classname", "").partition(".")
            names.add(module + "\\." + suite.replace(".", "/"))
    return "^(" + "|".join(sorted(names)) + ")/" if names else ""


def main():
    if sys.argv[1:2] == ["--filter"]:
        print(suites_to_repeat(sys.argv[2]) if os.path.exists(sys.argv[2]) else "")
        return
    cases, crashed = [], []
    for path in sys.argv[1:]:
        if not os.path.exists(path):
            crashed.append(path)
            continue
        cases += read(path)

    first = {}
    for case in cases:
        earlier = first.get(case[0])
        if earlier and earlier[2] == "failed":
            print(f"REPEATED {case[0]}: failed first, then {case[2]}. The first time:")
            for message in earlier[3]:
                print("    " + message[:2000].replace("\n", "\n    "))
        first[case[0]] = case
    cases = list(first.values())

    failed = [case for case in cases if case[2] == "failed"]
    for name, _, _, messages in failed:
        print(f"FAILED {name}")
        for message in messages:
            print("    " + message[:2000].replace("\n", "\n    "))
    for path in crashed:
        print(f"FAILED {os.path.basename(path)}: the tests ended without a result, look into the log beside it")

    print("\nslowest:")
    for name, seconds, _, _ in sorted(cases, key=lambda case: -case[1])[:10]:
        print(f"  {seconds:7.2f} s  {name}")

    skipped = sum(case[2] == "skipped" for case in cases)
    if skipped:
        print(f"\n{skipped} skipped")
    passed = sum(case[2] == "passed" for case in cases)
    print(f"\n{passed} passed, {len(failed) + len(crashed)} failed")
    sys.exit(1 if failed or crashed or not passed else 0)


main()
