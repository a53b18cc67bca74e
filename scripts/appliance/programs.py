# SPDX-License-Identifier: BSD-3-Clause
"""Where the programs are: a build tree when there is one beside this script, else the system's directories."""

from pathlib import Path

from .fault import Fault

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CHARON = Path("/usr/sbin/charon-systemd")
SYSTEM_PLUGINS = Path("/usr/lib/ipsec/plugins")
PLUGIN = "libstrongswan-kernel-sallyport.so"
SYSTEM_PLACES = (Path("/usr/sbin"), Path("/usr/bin"), Path("/usr/local/sbin"), Path("/usr/local/bin"), SYSTEM_PLUGINS)


class Programs:
    def __init__(self, build_dir=None):
        build = Path(build_dir) if build_dir else REPOSITORY / "build"
        self.build = build.resolve() if (build / "build.ninja").exists() else None
        if build_dir and not self.build:
            raise Fault(f"--build {build_dir}: not a build tree", "run scripts/build")
        self.dataplane = self.find("sallyport-dataplane")
        self.daemon = self.find("sallyportd")
        self.cli = self.find("sallyport")
        self.plugin = self.find(PLUGIN)

    def find(self, name):
        if self.build:
            places = [p for pattern in (name, f"*/{name}", f"*/*/{name}") for p in self.build.glob(pattern)]
        else:
            places = [place / name for place in SYSTEM_PLACES]
        for path in places:
            if path.is_file():
                return path
        where = str(self.build) if self.build else "the system's directories"
        raise Fault(f"{name} is not in {where}", "run scripts/build")
