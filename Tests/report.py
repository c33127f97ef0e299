# SPDX-License-Identifier: Apache-2.0
"""Sums up the result files of Tests/run.sh: failures, the ten slowest tests, and the plain last line `N passed, N failed`.

Usage: report.py RESULT.xml… ; a file that isn't there is a run that crashed and counts as one failure. Exit status 1 if anything failed.
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


def main():
    cases, crashed = [], []
    for path in sys.argv[1:]:
        if not os.path.exists(path):
            crashed.append(path)
            continue
        cases += read(path)

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
