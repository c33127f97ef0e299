# SPDX-License-Identifier: Apache-2.0
"""Compares translations by meaning: `compare_translation.py EXPECTED.json ACTUAL.json`. Status 1 with the differences if they aren't equal.

Order doesn't matter for resources, policies, ports and services; `version` is each side's own hash.
"""
import json
import sys

UNORDERED = {"addresses", "authorizations", "authorization_policies", "ports", "services"}


def meaning(value, name=""):
    if isinstance(value, dict):
        return {key: meaning(inner, key) for key, inner in value.items() if key != "version"}
    if isinstance(value, list):
        items = [meaning(item) for item in value]
        # A workload's own addresses are texts in an order that means something; resources are objects.
        if name in UNORDERED and not (name == "addresses" and all(isinstance(item, str) for item in items)):
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))
        return items
    return value


def differences(expected, actual, path=""):
    if type(expected) is not type(actual):
        return ["%s: %r, expected %r" % (path, actual, expected)]
    if isinstance(expected, dict):
        found = []
        for key in sorted(expected.keys() | actual.keys()):
            if key not in actual or key not in expected:
                found.append("%s.%s: only in %s" % (path, key, "expected" if key in expected else "ours"))
            else:
                found += differences(expected[key], actual[key], path + "." + key)
        return found
    if isinstance(expected, list):
        if len(expected) != len(actual):
            return ["%s: %d elements, expected %d" % (path, len(actual), len(expected))]
        return [line for i, (e, a) in enumerate(zip(expected, actual)) for line in differences(e, a, "%s[%d]" % (path, i))]
    return [] if expected == actual else ["%s: %r, expected %r" % (path, actual, expected)]


with open(sys.argv[1]) as expected_file, open(sys.argv[2]) as actual_file:
    lines = differences(meaning(json.load(expected_file)), meaning(json.load(actual_file)))
print("\n".join(lines))
sys.exit(1 if lines else 0)
