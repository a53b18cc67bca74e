# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong with a configuration or a machine is said in one line, and nothing is changed."""

import copy
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from kit import pki
from kit.addresses import Lan
from kit.lab import Lab
from kit.netns import namespaces
from kit.shell import REPOSITORY, run, wait_for


@pytest.fixture(scope="module")
def bench():
    """One gateway that never runs, with a configuration that is right."""
    with Lab() as lab:
        gateway, _ = lab.add_gateway("hq", [Lan("ipv4", 1)])
        wan = lab.namespace("wan")
        lab.add_public(gateway, "a", "wan0", wan, "hq-a", "192.0.2.1/28", "192.0.2.14")
        lab.connect(gateway, "branch", ["192.0.2.17"], ["10.2.0.0/24"], pki.psk(lab.directory))
        yield gateway


def changed(config, path, value):
    config = copy.deepcopy(config)
    section = config
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    return config


def devices(gateway):
    return {link["ifname"] for link in json.loads(gateway.namespace.ip("-j", "link"))}


def one_line(done):
    assert done.returncode != 0, "it started"
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in lines[0]
    return lines[0]


def the_one_line(gateway, done):
    """The refusal: exit status, one line, and nothing left behind."""
    line = one_line(done)
    assert not gateway.run_dir.exists() or not list(gateway.run_dir.iterdir())
    assert not [name for name in namespaces() if name.startswith(f"{gateway.namespace.name}-")]
    assert run("ip", "netns", "pids", gateway.namespace.name).stdout == "", "a process is left"
    assert devices(gateway) == {"lo", "v-lan0", "v-wan0"}
    return line


WRONG = {
    "an unknown key": (("gateway", "wrokers"), [1], "workers"),
    "an address": (("public_addresses", "a", "address"), "192.0.2.300/28", "192.0.2.300"),
    "a prefix": (("sites", "branch", "prefixes"), ["10.2.0.0/33"], "10.2.0.0/33"),
    "an algorithm": (("connections", "prod-branch", "esp", "proposals"), ["3des-md5"], "3des"),
    "a missing secret": (("connections", "prod-branch", "auth"), {"psk_file": "absent.psk"}, "absent.psk"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_configuration(bench, name):
    path, value, mentioned = WRONG[name]
    file = bench.lab.directory / "wrong.yaml"
    file.write_text(yaml.safe_dump(changed(bench.config, path, value), sort_keys=False))
    line = the_one_line(bench, bench.try_start(file))
    assert mentioned in line
    assert "wrong.yaml:" in line, "no file:line:column"


def write_changed(bench, path, value):
    file = bench.lab.directory / "changed.yaml"
    file.write_text(yaml.safe_dump(changed(bench.config, path, value), sort_keys=False))
    return file


@pytest.mark.parametrize("device", ["net_af_packet1,iface=absent0", "net_tap1,iface=v-lan0"], ids=["absent", "in use"])
def test_a_port_that_cannot_be_opened(bench, device):
    line = the_one_line(bench, bench.try_start(write_changed(bench, ("ports", "wan0", "device"), device)))
    assert "wan0" in line and device in line


def test_a_worker_on_a_core_that_is_not_there(bench):
    line = the_one_line(bench, bench.try_start(write_changed(bench, ("gateway", "workers"), [0, 1000])))
    assert "1000" in line


def test_a_mirror_whose_name_is_taken(bench):
    config = changed(bench.config, ("ports", "v-lan0"), bench.config["ports"]["wan0"])
    del config["ports"]["wan0"]
    config["public_addresses"]["a"]["port"] = "v-lan0"
    file = bench.lab.directory / "taken.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    assert "v-lan0" in the_one_line(bench, bench.try_start(file))


def fake_build(bench, without):
    """A build tree that lacks one file."""
    build = bench.lab.directory / f"build-without-{without}"
    for source in (REPOSITORY / "build/build.ninja", *(REPOSITORY / "build").glob("*/*")):
        if source.is_file() and source.name != without:
            target = build / source.relative_to(REPOSITORY / "build")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    for name in ("sallyport", "libstrongswan-kernel-sallyport.so"):
        for source in (REPOSITORY / "build").glob(f"*/*/{name}"):
            if name != without:
                target = build / source.relative_to(REPOSITORY / "build")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source)
    return build


def start(bench, *options, prefix=(), environment=None, run_dir=None, netns=None):
    command = [*prefix, REPOSITORY / "scripts/gateway", "start", "--config", bench.write_config(),
               "--run-dir", run_dir or bench.run_dir, "--netns", netns or bench.namespace.name, *options]
    return run(*command, check=False, env=environment, timeout_s=60)


def test_charon_without_the_plugin(bench):
    build = fake_build(bench, "libstrongswan-kernel-sallyport.so")
    line = the_one_line(bench, start(bench, "--build", build))
    assert "libstrongswan-kernel-sallyport.so" in line


def test_another_strongswan(bench):
    fakes = bench.lab.directory / "fakes"
    fakes.mkdir()
    fake = fakes / "dpkg-query"
    fake.write_text("#!/bin/sh\necho 6.0.1-1\n")
    fake.chmod(0o755)
    line = the_one_line(bench, start(bench, environment={**os.environ, "PATH": f"{fakes}:{os.environ['PATH']}"}))
    assert "6.0.1" in line and "5.9.8" in line


def test_no_hugepages(bench):
    file = bench.lab.directory / "huge.yaml"
    config = changed(bench.config, ("gateway", "hugepages"), True)
    config["gateway"]["memory_mb"] = 1 << 20  # more than any machine of this test has reserved
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    line = the_one_line(bench, bench.try_start(file))
    assert "hugepages" in line and "vm.nr_hugepages" in line


def test_not_root(bench):
    bench.lab.directory.chmod(0o755)
    done = start(bench, prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-B"))
    if "can't open file" in done.stderr:
        pytest.skip("this checkout can't be read by another user")
    assert "root" in the_one_line(bench, done)


def test_a_run_dir_too_long_for_sockets(bench):
    long = bench.run_dir / ("x" * 100)
    assert "too long" in the_one_line(bench, start(bench, run_dir=long))


def test_a_run_dir_with_files_of_others(bench):
    directory = bench.lab.directory / "precious"
    directory.mkdir(mode=0o755)
    (directory / "letter.txt").write_text("keep me")
    line = the_one_line(bench, start(bench, run_dir=directory))
    assert "letter.txt" in line and "directory of its own" in line
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    assert [entry.name for entry in directory.iterdir()] == ["letter.txt"]


def test_a_run_dir_that_cannot_be_written(bench):
    directory = bench.lab.directory / "frozen"
    directory.mkdir()
    for run_dir, why in ((directory / "run", "Read-only file system"), (directory, "Read-only file system"),
                         (bench.write_config() / "run", "Not a directory")):
        frozen = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o ro none {directory} && exec "$@"', "sh")
        line = the_one_line(bench, start(bench, run_dir=run_dir, prefix=frozen))
        assert str(run_dir) in line and why in line


def test_a_namespace_that_is_not_there(bench):
    assert "no such network namespace" in the_one_line(bench, start(bench, netns="absent-namespace"))


def test_a_namespace_that_is_only_a_file(bench):
    stale = Path("/run/netns") / f"{bench.lab.prefix}stale"
    stale.touch()
    try:
        assert "not a network namespace" in the_one_line(bench, start(bench, netns=stale.name))
    finally:
        stale.unlink()


def test_no_configuration(bench):
    assert "no such file" in the_one_line(bench, bench.try_start(bench.lab.directory / "absent.yaml"))


@pytest.mark.parametrize("port, value, mentioned", [
    ("lan0", {"mtu": 9000}, "stop the gateway"),
    ("lan1", {"device": "net_af_packet9,iface=absent0"}, "absent0"),
    ("wan0", {"device": "net_null9"}, "another name"),
], ids=["an MTU without buffers", "a new port", "another device"])
def test_an_apply_that_cannot_be_done_changes_nothing(bench, port, value, mentioned):
    bench.start()
    try:
        wait_for("the public address", lambda: next(p for p in bench.show("ports") if p["name"] == "wan0")["addresses"])
        ports, links = bench.show("ports"), devices(bench)
        in_force = (bench.run_dir / "gateway.yaml").read_text()
        file = bench.lab.directory / "apply.yaml"
        file.write_text(yaml.safe_dump(changed(bench.config, ("ports", port), {**bench.config["ports"].get(port, {}), **value}), sort_keys=False))
        done = bench.cli("apply", file, "--yes", check=False)
        assert mentioned in one_line(done) and "applied" not in done.stdout
        assert (bench.run_dir / "gateway.yaml").read_text() == in_force
        assert devices(bench) == links

        def names(shown):
            return [(p["name"], p["device"], p["mtu"], p["error"], p["addresses"], bool(p["mac"])) for p in shown]
        wait_for("the ports as before", lambda: names(bench.show("ports")) == names(ports), 5)
    finally:
        bench.stop()


def test_two_starts_at_once(bench):
    command = [REPOSITORY / "scripts/gateway", "start", "--config", bench.write_config(), "--run-dir", bench.run_dir,
               "--netns", bench.namespace.name]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    assert any(words in "".join(said) for words in ("already", "another gateway", "still runs")), said
    assert "".join(said).count("\n") == 1, said
    bench.cli("show", "gateway")
    bench.stop()


def test_the_right_one_starts_and_leaves_nothing(bench):
    bench.start()
    for name, forbidden in (("dataplane.sock", 0o077), ("feed.sock", 0o077), ("api.sock", 0o077), ("vici.sock", 0o007)):  # charon's own
        assert stat.S_IMODE((bench.run_dir / name).stat().st_mode) & forbidden == 0, f"{name} is open to others"
    assert stat.S_IMODE(bench.run_dir.stat().st_mode) == 0o700
    assert bench.drops() == {}, "a fresh gateway that dropped packets"
    assert "already" in one_line(bench.try_start())
    other = bench.run_dir.with_name("other")
    assert "another gateway" in one_line(start(bench, run_dir=other))
    assert not other.exists()
    bench.cli("show", "gateway")
    bench.stop()
    assert not bench.run_dir.exists()
    assert not [name for name in namespaces() if name.startswith(f"{bench.namespace.name}-")]
    assert devices(bench) == {"lo", "v-lan0", "v-wan0"}
    again = one_line(run(REPOSITORY / "scripts/gateway", "stop", "--run-dir", bench.run_dir, check=False))
    assert "no gateway" in again
