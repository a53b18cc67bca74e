#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks who includes whom against ARCHITECTURE.md's order. Prints file:line: finding; says nothing when all is well."""

import re
import subprocess
import sys

# Folder -> the folders whose headers it may include, besides its own. The longest matching folder counts.
BELOW_PATH = ["dataplane/api", "dataplane/packet", "dataplane/crypto", "dataplane/sa", "dataplane/esp", "dataplane/policy", "dataplane/fib"]
ALLOWED = {
    "dataplane/api": [],
    "dataplane/packet": ["dataplane/api"],
    "dataplane/crypto": ["dataplane/api", "dataplane/packet"],
    "dataplane/sa": ["dataplane/api", "dataplane/packet", "dataplane/crypto"],
    "dataplane/esp": ["dataplane/api", "dataplane/packet", "dataplane/crypto", "dataplane/sa"],
    "dataplane/policy": ["dataplane/api", "dataplane/packet"],
    "dataplane/fib": ["dataplane/api", "dataplane/packet"],
    "dataplane/path": BELOW_PATH,
    "dataplane/worker": [*BELOW_PATH, "dataplane/path"],
    "dataplane/manager": [*BELOW_PATH, "dataplane/path", "dataplane/worker"],
    "dataplane": [*BELOW_PATH, "dataplane/path", "dataplane/worker", "dataplane/manager"],
    "vici-bridge/plugin": ["vici-bridge/key_message.h"],
    "vici-bridge": [],
    "control": ["dataplane/api", "vici-bridge"],
}
OWN = re.compile(r'^\s*#\s*include\s+"((?:dataplane|control|vici-bridge|bench|tests)/[^"]+)"')
CRYPTO_LIBRARY = re.compile(r"^\s*#\s*include\s+<intel-ipsec-mb\.h>")


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def home_of(path):
    return max((folder for folder in ALLOWED if inside(path, folder)), key=len, default=None)


def findings(path):
    home = home_of(path)
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if CRYPTO_LIBRARY.match(line) and not path.startswith(("dataplane/crypto/", "bench/", "tests/")):
                yield f"{path}:{number}: only dataplane/crypto includes the crypto library"
            included = OWN.match(line)
            if not included or home is None:
                continue
            target = included[1]
            # A parent folder's files may use its own children only where ALLOWED says so; a folder always uses itself.
            same = home_of(target) == home
            if not same and not any(inside(target, allowed) for allowed in ALLOWED[home]):
                yield f"{path}:{number}: {home} must not include {target}"


def main():
    files = subprocess.run(["git", "ls-files", "*.cpp", "*.h", "*.c"], capture_output=True, text=True, check=True)
    found = [finding for path in files.stdout.split() for finding in findings(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


sys.exit(main())
