# SPDX-License-Identifier: BSD-3-Clause
"""What IPsec-MB alone costs for a row: the raw rows of bench_esp, in cycles per packet. Sizes that bench_esp doesn't have
lie on the line between two that it has."""
import json
import os
import subprocess

from .fault import Fault

SIZES = (64, 128, 256, 512, 1024, 1400)
SECONDS = 0.02
NAMES = {"aes128gcm16": "aes:128", "aes256gcm16": "aes:256"}  # in bench_esp; it calls the others as we do


def neighbours(size):
    """The two sizes of bench_esp to draw the line through; one where it has this very size."""
    if size in SIZES:
        return (size,)
    above = next((i for i, known in enumerate(SIZES) if known > size), len(SIZES) - 1)
    above = max(1, above)
    return SIZES[above - 1], SIZES[above]


def at_size(size, cycles):
    """`cycles`: {size: cycles per packet}."""
    if size in cycles:
        return cycles[size]
    low, high = neighbours(size)
    return cycles[low] + (cycles[high] - cycles[low]) * (size - low) / (high - low)


def of_row(row, cycles):
    return sum(share * at_size(size, cycles) for share, size in row.sizes())


def names(row):
    """{benchmark of bench_esp: size} that the row needs."""
    step = "encapsulate" if row.direction == "out" else "decapsulate"
    cipher = NAMES.get(row.cipher, row.cipher)
    sizes = sorted({near for _, size in row.sizes() for near in neighbours(size)})
    return {f"{step}/raw/{cipher}/bytes:{size}": size for size in sizes}


def run(build, row, core):
    """Cycles per packet of the bare calls, for this row's mix of sizes."""
    wanted = names(row)
    command = [build / "bench" / "bench_esp", "--benchmark_format=json", f"--benchmark_min_time={SECONDS}",
               f"--benchmark_filter=^({'|'.join(wanted)})(/manual_time)?$"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    if done.returncode != 0:
        raise Fault(f"bench_esp failed; run it by hand to see why: {' '.join(map(str, command))}")
    cycles = {wanted[entry["run_name"].removesuffix("/manual_time")]: entry["cycles"]
              for entry in json.loads(done.stdout)["benchmarks"]}
    return of_row(row, cycles)
