# SPDX-License-Identifier: BSD-3-Clause
"""Reads what callgrind wrote: instructions by the object (program or library) that executed them. Pure, but for the file.
Format: valgrind's manual, "Callgrind Format Specification"."""


class FormatError(Exception):
    pass


def by_object(lines):
    """{path of the object: instructions}. A call's cost isn't its caller's: the called function has lines of its own."""
    names = {}  # compressed names: "(3) name" once, "(3)" from then on; ob= and cob= share them
    counts = {}
    position_columns, total, current, after_calls = 1, None, None, False
    for line in lines:
        key, separator, value = line.strip().partition("=")
        if line[:1] in set("0123456789+-*"):
            if not after_calls:
                counts[current] = counts.get(current, 0) + instructions(line, position_columns)
            after_calls = False
        elif separator and key in ("ob", "cob"):
            number, _, name = value.partition(" ")
            name = names.setdefault(number, name)
            if key == "ob":
                current = name
        elif separator and key == "calls":
            after_calls = True
        elif line.startswith("positions:"):
            position_columns = len(line.split()) - 1
        elif line.startswith("events:") and line.split()[1:2] != ["Ir"]:
            raise FormatError(f"the first event isn't Ir: {line.strip()}")
        elif line.startswith("summary:"):
            total = int(line.split()[1])
    if sum(counts.values()) != total:
        raise FormatError(f"the lines have {sum(counts.values())} instructions, the summary {total}")
    return counts


def instructions(line, position_columns):
    fields = line.split()
    return int(fields[position_columns]) if len(fields) > position_columns else 0  # trailing zeros may be left out
