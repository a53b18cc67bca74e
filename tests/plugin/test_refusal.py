# SPDX-License-Identifier: BSD-3-Clause
"""What the plugin does not run with is refused when charon starts, with a line that says why."""

import pathlib
import re


def test_another_version_is_refused(lab):
    """A charon whose binary says that it is another version."""
    lab.a.stop()
    image = pathlib.Path("/usr/sbin/charon-systemd").read_bytes()
    other = lab.dir / "charon-other"
    other.write_bytes(re.sub(rb"\x005\.9\.[89]\x00", b"\x005.9.7\x00", image))
    other.chmod(0o755)
    lab.a.launch(binary=other)
    assert lab.a.process.wait(10) != 0
    assert "kernel-sallyport: built for strongSwan 5.9.8, this is 5.9.7: build it again" in lab.a.log()


def test_two_charons_do_not_share_a_socket(lab):
    path = lab.a.feed
    lab.b.stop()
    lab.b.feed = path
    lab.b.launch()
    lab.b.wait_log(f"another charon listens on {path}")
    assert lab.b.process.wait(10) != 0  # the `!` in its load list
    assert path.exists()
