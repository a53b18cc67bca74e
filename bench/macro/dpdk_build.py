# SPDX-License-Identifier: BSD-3-Clause
"""Builds DPDK from Debian's source package: static, release, for this very CPU, with what both gateways need of it. Both
are measured on this one build, so that neither has the better drivers: ipsec-secgw and testpmd come from it, and Sallyport
is linked against its libraries (sallyport_build.py). Kept in a cache outside the repository, built once for each DPDK
version and CPU.

One line is changed: ipsec-secgw insists on ports that verify checksums in hardware, which no virtual device does. Nothing
in its packet path looks at the result."""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from .fault import Fault

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path("/var/cache/sallyport")
PROGRAMS = {"ipsec-secgw": "examples/dpdk-ipsec-secgw", "testpmd": "app/dpdk-testpmd"}
STATIC_PC = "static-pkgconfig"
STAMP = "built-for"
DRIVERS = "bus/pci,bus/vdev,crypto/ipsec_mb,mempool/ring,net/null,net/pcap,net/ring"
NEEDED_OFFLOAD = (".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,", ".offloads = 0,")
LEFT_OUT = "flow_classify,gpudev,graph,jobstats,kni,node,pipeline,port,power,table,vhost"
OPTIONS = ("--buildtype=release", "--libdir=lib", "-Ddefault_library=static", "-Dplatform=native", "-Dtests=false", "-Denable_apps=test-pmd",
           "-Dexamples=ipsec-secgw", f"-Denable_drivers={DRIVERS}", f"-Ddisable_libs={LEFT_OUT}")


def installed_version():
    """Of DPDK as Debian counts, e.g. 22.11.11-0+deb12u1."""
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libdpdk-dev"], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise Fault("libdpdk-dev is not installed: run scripts/setup")
    return shown.stdout


def cpu_model():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        text = file.read()
    return re.search(r"^model name\s*: (.*)$", text, re.M).group(1), re.search(r"^flags\s*: (.*)$", text, re.M).group(1)


def jobs():
    return str(len(os.sched_getaffinity(0)))


def run(command, log, directory, progress, what="", environment=None):
    """Runs it with its output in `log`; shows ninja's [n/m] as a percentage of `what`."""
    with open(log, "ab") as file, subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                                   text=True, env={**os.environ, **(environment or {})}) as child:
        try:
            for line in child.stdout:
                file.write(line.encode())
                step = re.match(r"\[(\d+)/(\d+)\]", line)
                if step:
                    progress(f"building {what}: {100 * int(step[1]) // int(step[2])}%")
        except BaseException:
            child.terminate()
            raise
    if child.returncode != 0:
        raise Fault(f"{' '.join(map(str, command[:2]))} failed; the end of its output:\n  " +
                    "\n  ".join(log.read_text(errors="replace").splitlines()[-12:]))


def unpack(version, work, log, progress):
    progress("fetching Debian's dpdk source")
    run([REPOSITORY / "scripts" / "debian-source", "dpdk", version, work], log, work, progress)
    tarballs = [path for path in work.glob("dpdk_*.orig.tar.*") if path.suffix != ".asc"]
    if not tarballs:
        raise Fault("the package sources offer no dpdk source")
    source = work / "dpdk"
    source.mkdir()
    run(["tar", "-xf", tarballs[0], "-C", source, "--strip-components=1"], log, work, progress)
    gateway = source / "examples" / "ipsec-secgw" / "ipsec-secgw.c"
    text = gateway.read_text()
    if text.count(NEEDED_OFFLOAD[0]) != 1:
        raise Fault(f"this version of ipsec-secgw asks for its offloads otherwise: see {pathlib.Path(__file__).name}")
    gateway.write_text(text.replace(*NEEDED_OFFLOAD))
    return source


def static_pc(outer, inner):
    """The contents of a libdpdk.pc whose Libs are the archives, made of DPDK's own two files. DPDK means pkg-config --static,
    but that wants static everything: libpcap too, with all that it stands on, which Debian doesn't have."""
    def field(text, name):
        found = re.search(rf"^{re.escape(name)}:(.*)$", text, re.M)
        return found.group(1).strip() if found else ""
    needed = ",".join((field(outer, "Requires"), field(outer, "Requires.private"))).replace(" ", "").split(",")
    return "\n".join([*(line for line in outer.splitlines() if re.match(r"\w+=", line)), "Name: DPDK", "Description: static",
                      f"Version: {field(outer, 'Version')}",
                      f"Requires: {', '.join(name for name in needed if name not in ('', 'libdpdk-libs'))}",
                      f"Libs: {field(outer, 'Libs.private')} {field(inner, 'Libs.private')}", f"Cflags: {field(inner, 'Cflags')}"]) + "\n"


def build(version, target, log, progress):
    with tempfile.TemporaryDirectory(prefix="sallyport-dpdk-") as name:
        work = pathlib.Path(name)
        work.chmod(0o755)
        source = unpack(version, work, log, progress)
        progress("configuring DPDK")
        run(["meson", "setup", "build", f"--prefix={target}", *OPTIONS], log, source, progress)
        run(["ninja", "-C", "build", "-j", jobs()], log, source, progress, "DPDK")
        progress("installing DPDK")
        shutil.rmtree(target, ignore_errors=True)
        run(["meson", "install", "-C", "build", "--no-rebuild"], log, source, progress)
        for name, built in PROGRAMS.items():
            shutil.copy2(source / "build" / built, target / name)
    (target / STATIC_PC).mkdir()
    (target / STATIC_PC / "libdpdk.pc").write_text(static_pc(*((target / "lib" / "pkgconfig" / name).read_text()
                                                               for name in ("libdpdk.pc", "libdpdk-libs.pc"))))


@dataclasses.dataclass(frozen=True)
class NativeDpdk:
    version: str  # as Debian counts
    target: pathlib.Path  # also the prefix of the installation

    def built_for(self):
        """What it depends on: CPU and options."""
        return (self.target / STAMP).read_text()

    @property
    def programs(self):
        """{name: path}."""
        return {name: self.target / name for name in PROGRAMS}

    @property
    def pkgconfig(self):
        """The directory in which pkg-config finds this DPDK, static."""
        return self.target / STATIC_PC


def ensure(progress):
    """The NativeDpdk; builds it if it isn't there yet, in three to ten minutes."""
    version = installed_version()
    target = CACHE / f"dpdk-{version}-native"
    stamp = target / STAMP
    wanted = "\n".join(cpu_model() + OPTIONS)
    if not (stamp.exists() and stamp.read_text() == wanted):
        try:
            import elftools  # noqa: F401  DPDK's build needs it and says so late
        except ImportError:
            raise Fault("python3-pyelftools is missing, which DPDK's build needs: run scripts/setup") from None
        CACHE.mkdir(parents=True, exist_ok=True)
        log = CACHE / "dpdk-build.log"
        log.write_bytes(b"")
        build(version, target, log, progress)
        stamp.write_text(wanted)
    return NativeDpdk(version, target)
