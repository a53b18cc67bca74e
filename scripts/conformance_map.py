#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks that every test that tests/CONFORMANCE.md names is there. Prints file:line: finding; says nothing when all is well."""

import re
import subprocess
import sys
from pathlib import Path

MAP = Path("tests/CONFORMANCE.md")
EXPLANATION = "Suite.Name"
IN_CODE = re.compile(r"`([^`]+)`")
GTEST = re.compile(r"(?:\w+/)?([A-Z]\w+)\.(\w+)(?:/.*)?")
PYTEST = re.compile(r"(?:[\w/]+/)?(test_\w+\.py)(?:::(\w+))?(?:\[.*\])?")


def sources(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], check=True, capture_output=True, text=True).stdout.split()
    return [(Path(name).name, Path(name).read_text()) for name in names]


def main():
    gtests = {match.groups() for _, text in sources("tests/*.cpp", "tests/*.h")
              for match in re.finditer(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\s*\)", text)}
    pytests = {name: re.findall(r"def (test_\w+)", text) for name, text in sources("tests/*.py")}
    findings = 0
    for number, line in enumerate(MAP.read_text().splitlines(), 1):
        for named in IN_CODE.findall(line):
            gtest, in_python = GTEST.fullmatch(named), PYTEST.fullmatch(named)
            if (gtest and named != EXPLANATION and gtest.groups() not in gtests) or (
                    in_python and (in_python[1] not in pytests or (in_python[2] or "") not in ["", *pytests[in_python[1]]])):
                findings += 1
                print(f"{MAP}:{number}: no test is named {named}")
    return 1 if findings else 0


sys.exit(main())
