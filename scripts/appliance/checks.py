# SPDX-License-Identifier: BSD-3-Clause
"""What must hold before a gateway is started. Each raises one Fault and changes nothing."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from .fault import Fault
from .parts import in_netns


def root():
    if os.geteuid() != 0:
        raise Fault("needs root: it opens network devices and namespaces", "sudo scripts/gateway ...")


def netns(name):
    if name and ("/" in name or not Path(f"/run/netns/{name}").exists()):
        raise Fault(f"--netns {name}: no such network namespace", f"ip netns add {name}")
    if subprocess.run(in_netns(name, ["true"]), capture_output=True).returncode != 0:
        raise Fault(f"--netns {name}: /run/netns/{name} is a file, but not a network namespace", f"ip netns delete {name}; ip netns add {name}")


def sole_gateway(netns):
    """sallyportd binds an abstract socket, which the kernel keeps apart by network namespace."""
    sockets = subprocess.run(in_netns(netns, ["cat", "/proc/net/unix"]), capture_output=True, text=True).stdout
    if any(line.endswith(" @sallyport-gateway") for line in sockets.splitlines()):
        where = f"network namespace {netns}" if netns else "the host's network namespace"
        raise Fault(f"another gateway runs in {where}", "stop it, or give this one a namespace of its own with --netns")


def one_line(report):
    """The first mistake that `sallyport check` reports, its hint beside it, and how many there are."""
    lines = [line for line in report.strip().splitlines() if line.strip()]
    mistakes = [number for number, line in enumerate(lines) if re.match(r"\S.*:\d+:\d+: ", line)]
    if not mistakes:
        return lines[-1].removeprefix("sallyport: ") if lines else ""
    first = lines[mistakes[0]]
    following = lines[mistakes[0] + 1:mistakes[1] if len(mistakes) > 1 else None]
    hint = next((line.strip().removeprefix("hint: ") for line in following if line.strip().startswith("hint: ")), "")
    more = f"{len(mistakes) - 1} more: sallyport check" if len(mistakes) > 1 else ""
    beside = "; ".join(text for text in (hint, more) if text)
    return first + (f" ({beside})" if beside else "")


def config(programs, path):
    """The configuration's own mistakes, as `sallyport check` words them."""
    if not path.is_file():
        raise Fault(f"--config {path}: no such file")
    asked = subprocess.run([programs.cli, "check", path], capture_output=True, text=True)
    if asked.returncode != 0:
        raise Fault(one_line(asked.stderr or asked.stdout) or f"{path} is not valid")


def dataplane_options(programs, path):
    asked = subprocess.run([programs.cli, "dataplane-args", path], capture_output=True, text=True)
    if asked.returncode != 0:
        raise Fault(one_line(asked.stderr or asked.stdout) or f"{path} is not valid")
    return shlex.split(asked.stdout)


def cores(options):
    allowed = os.sched_getaffinity(0)
    for core in options[options.index("--workers") + 1].split(","):
        if int(core) not in allowed:
            raise Fault(f"gateway.workers: core {core} is not one of this machine's", f"cores here: {', '.join(map(str, sorted(allowed)))}")


def hugepages(options):
    if "--huge" not in options:
        return
    memory_mb = int(options[options.index("--memory") + 1]) if "--memory" in options else 1024
    facts = dict(re.findall(r"^(\w+):\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE))
    page_kb = int(facts.get("Hugepagesize", 2048))
    free_mb = int(facts.get("HugePages_Free", 0)) * page_kb // 1024
    if free_mb < memory_mb:
        pages = -(-memory_mb * 1024 // page_kb) + int(facts.get("HugePages_Total", 0)) - int(facts.get("HugePages_Free", 0))
        raise Fault(f"hugepages: {free_mb} MB are free, the dataplane needs {memory_mb} MB",
                    f"sysctl -w vm.nr_hugepages={pages}, or hugepages: false")


def public_ports(programs, path):
    """Names of the ports that have a public address: the only interfaces charon may use."""
    asked = subprocess.run([programs.cli, "public-ports", path], capture_output=True, text=True)
    return asked.stdout.split() if asked.returncode == 0 else []
