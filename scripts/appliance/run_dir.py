# SPDX-License-Identifier: BSD-3-Clause
"""The run directory: names of its files, and where the state that outlives the dataplane lies."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from .fault import Fault

UNIX_PATH_LIMIT = 107  # sun_path less its NUL


def filesystem_of(path):
    """Type of the filesystem that holds path, from the mount table's longest match."""
    best, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, fstype = line.split()[:3]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fstype
    return kind


class RunDir:
    SOCKETS = ("dataplane.sock", "feed.sock", "vici.sock", "api.sock")
    PROCESSES = ("supervisor", "dataplane", "charon", "sallyportd")
    # Everything that a gateway puts there. In strongswan.d an operator may have files beside ours.
    OWN = {*SOCKETS, *(f"{name}.{kind}" for name in PROCESSES for kind in ("pid", "log")), "dpdk", "gateway.yaml", "gateway.yaml.new",
           "keep-logs", "lock", "netns", "plugins", "sallyportd.json", "sallyportd.json.new", "state", "strongswan.conf", "strongswan.d"}
    OWN_STRONGSWAN = "sallyport.conf"

    def __init__(self, path):
        self.path = Path(os.path.realpath(path))

    def __truediv__(self, name):
        return self.path / name

    def __str__(self):
        return str(self.path)

    @property
    def key(self):
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:12]

    @property
    def state_file(self):
        if filesystem_of(str(self.path)) == "tmpfs":
            return self.path / "state"
        return Path(f"/dev/shm/sallyport-{self.key}/state")

    def check(self):
        longest = max(self.SOCKETS, key=len)
        if len(str(self.path / longest)) > UNIX_PATH_LIMIT:
            raise Fault(f"--run-dir {self.path}: too long for a unix socket",
                        f"at most {UNIX_PATH_LIMIT - len(longest) - 1} bytes")
        if self.path.exists() and not self.path.is_dir():
            raise Fault(f"--run-dir {self.path}: not a directory")
        foreign = sorted(set(os.listdir(self.path)) - self.OWN) if self.path.exists() else []
        if foreign:
            raise Fault(f"--run-dir {self.path}: {foreign[0]} in it is not of a gateway", "give the gateway a directory of its own")

    def create(self):
        """Makes the directories; raises Fault when they can't be made. True if the run directory is new."""
        is_new = not self.path.exists()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self.state_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Fault(f"--run-dir {self.path}: {error.strerror}") from error
        return is_new

    def lock(self):
        """Held by this process and those it forks, until the last of them ends."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Fault(f"a gateway runs in {self.path} already", f"scripts/gateway stop --run-dir {self.path}") from None
        return descriptor

    def remove(self, keep_logs):
        """Removes everything that a gateway put there, then the directory if nothing else is in it."""
        state_dir = self.state_file.parent
        if state_dir != self.path:
            shutil.rmtree(state_dir, ignore_errors=True)
        (self.path / "strongswan.d" / self.OWN_STRONGSWAN).unlink(missing_ok=True)
        for name in self.OWN - {"strongswan.d"}:
            entry = self.path / name
            if keep_logs and entry.suffix == ".log":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        for directory in (self.path / "strongswan.d", self.path):
            try:
                directory.rmdir()
            except OSError:
                pass  # an operator's files or kept logs are in it, or it was gone
