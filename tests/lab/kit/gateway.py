# SPDX-License-Identifier: BSD-3-Clause
"""A whole gateway in a namespace, as scripts/gateway runs it, and what an operator would ask it."""

import contextlib
import copy
import json
import os
import re
import signal
import time

import yaml

from .shell import REPOSITORY, run, wait_for

SCRIPT = REPOSITORY / "scripts/gateway"
CLI = REPOSITORY / "build/control/cli/sallyport"
FRAMES = "blocksz=65536,framesz=2048,framecnt=4096"

# charon writes the keys of every CHILD_SA to a file outside of the run directory: what lets tshark and Scapy decode.
KEY_LOG = """\
charon-systemd {{
  filelog {{
    keys {{
      path = {path}
      flush_line = yes
      default = -1
      chd = 4
    }}
  }}
}}
"""


def base_config(name, workers):
    return {"gateway": {"name": name, "workers": list(workers), "idle": "sleep", "hugepages": False},
            "ports": {}, "public_addresses": {}, "virtual_networks": {}, "sites": {}, "connections": {}}


class Gateway:
    def __init__(self, lab, name, namespace, run_dir, config):
        self.lab, self.name, self.namespace, self.run_dir, self.config = lab, name, namespace, run_dir, config
        self.config_file = lab.directory / f"{name}.yaml"
        self.key_log = lab.directory / f"{name}.keys"
        self.is_up = False

    def write_config(self):
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))
        return self.config_file

    def log_keys(self):
        """To be called before start."""
        self.set_charon("keys", KEY_LOG.format(path=self.key_log))

    def set_charon(self, name, text):
        """Settings of strongswan.conf in a file of this name. To be called before start."""
        extra = self.run_dir / "strongswan.d"
        extra.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run_dir.chmod(0o700)
        (extra / f"{name}.conf").write_text(text)

    def try_start(self, config_file=None, environment=None):
        done = run(SCRIPT, "start", "--config", config_file or self.write_config(), "--run-dir", self.run_dir,
                   "--netns", self.namespace.name, check=False, timeout_s=90, env=environment)
        self.is_up = done.returncode == 0
        return done

    def start(self):
        done = self.try_start()
        assert done.returncode == 0, f"gateway {self.name}: {done.stderr.strip()}"

    def stop(self):
        if self.run_dir.exists():
            self.keep_logs()
            run(SCRIPT, "stop", "--run-dir", self.run_dir, timeout_s=90)
        self.is_up = False

    def keep_logs(self):
        target = self.lab.directory / f"{self.name}-logs"
        target.mkdir(exist_ok=True)
        for log in self.run_dir.glob("*.log"):
            (target / log.name).write_bytes(log.read_bytes())

    def cli(self, *words, check=True):
        return run(CLI, "--run-dir", self.run_dir, *words, check=check)

    def show(self, noun):
        return json.loads(self.cli("show", noun, "--json").stdout)

    def tunnels(self):
        return {tunnel["name"]: tunnel for tunnel in self.show("tunnels")}

    def last_event(self):
        """Its number; 0 if there is none."""
        return max((event["number"] for event in self.show("events")), default=0)

    def event_texts(self, since, subject):
        """What was said of the subject in events numbered above `since`, in order."""
        return [event["text"] for event in self.show("events") if event["number"] > since and event["subject"] == subject]

    def drops(self):
        return {row["reason"]: row["packets"] for row in self.show("drops") if row["packets"]}

    def apply(self, config, check=True):
        self.config = copy.deepcopy(config)
        return self.cli("apply", self.write_config(), "--yes", check=check)

    def swanctl(self, *words, check=True):
        return run("swanctl", *words, "--uri", f"unix://{self.run_dir}/vici.sock", check=check)

    def sas(self):
        """charon's CHILD_SAs: (name, state, bytes in, packets in, bytes out, packets out)."""
        text = self.swanctl("--list-sas").stdout
        found = []
        for block in re.split(r"\n(?=  \S+: #)", text):
            head = re.match(r"\s*(\S+): #\d+, reqid \d+, (\w+)", block)
            counts = re.findall(r"(?:in|out)\s+\w+.*?(\d+) bytes,\s+(\d+) packets", block)
            if head and len(counts) == 2:
                found.append((head[1], head[2], *(int(n) for pair in counts for n in pair)))
        return found

    def rekey(self, child):
        """Until it sends by a new SA: what comes while an exchange is under way is left alone, in silence."""
        def sending():
            return {sa["spi"] for sa in self.show("sas") if sa["direction"] == "out" and sa["active"]}
        old = sending()
        for _ in range(3):
            self.swanctl("--rekey", "--child", child)
            with contextlib.suppress(AssertionError):
                return wait_for("the new SA", lambda: sending() - old, 3, 0.05)
        raise AssertionError(f"{child} was not rekeyed")

    def pid(self, part):
        """Waits while it is being written."""
        return int(wait_for(f"{part}.pid", (self.run_dir / f"{part}.pid").read_text, 5, 0.01).split()[0])

    def kill(self, part, number=signal.SIGKILL):
        pid = self.pid(part)
        os.kill(pid, number)
        return pid

    @contextlib.contextmanager
    def without(self, part):
        """It is dead, and not restarted before the end of the with block."""
        self.kill("supervisor", signal.SIGSTOP)
        try:
            self.kill(part)
            yield
        finally:
            self.kill("supervisor", signal.SIGCONT)

    @contextlib.contextmanager
    def without_sallyportd(self):
        """The same; at the end it answers again."""
        with self.without("sallyportd"):
            yield
        wait_for("sallyportd's next life", lambda: self.cli("show", "tunnels", check=False).returncode == 0, 20)

    def wait_for_tunnels(self, count=1, timeout_s=30):
        def up():
            tunnels = self.tunnels().values()
            return len(tunnels) >= count and all(
                tunnel["state"] == "up" and all(child["up"] for child in tunnel["children"]) for tunnel in tunnels)
        started = time.monotonic()
        try:
            wait_for(f"{count} tunnel(s) of {self.name}", up, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.cli('show', 'tunnels', check=False).stdout}") from None
        return time.monotonic() - started

    def plug_tap(self, port):
        """Makes a TAP of the dataplane's own a port; bridge_taps joins it to the device v-PORT. It passes IP fragments as they
        are, which the af_packet cables don't: their kernel side puts fragments together to choose a queue."""
        number = len(self.config["ports"])
        self.config["ports"][port] = {"device": f"net_tap{number},iface=t-{port}"}

    def bridge_taps(self):
        """Once the gateway runs. A TAP has its port's MAC, which the bridge must not take for its own, nor may the bridge answer for
        the address of a public port's mirror."""
        for port in [name for name, section in self.config["ports"].items() if section["device"].startswith("net_tap")]:
            self.namespace.ip("link", "set", f"t-{port}", "address", "02:00:00:00:00:01")
            self.namespace.ip("link", "add", f"br-{port}", "type", "bridge")
            for device in (f"t-{port}", f"v-{port}"):
                self.namespace.ip("link", "set", device, "master", f"br-{port}")
            self.namespace.sysctl(f"net.ipv4.conf.br-{port}.arp_ignore", 1)
            self.namespace.ip("link", "set", f"br-{port}", "up")

    def plug(self, port, mtu=1500):
        """Makes the namespace's device v-PORT a port: the dataplane takes its frames, the kernel gets none of them."""
        device = f"v-{port}"
        number = len(self.config["ports"])
        self.namespace.nft(f"table netdev wire_{port} {{\n chain in {{\n  type filter hook ingress device {device} priority 0; "
                           f"policy drop;\n }}\n}}\n")
        queues = len(self.config["gateway"]["workers"])
        self.config["ports"][port] = {"device": f"net_af_packet{number},iface={device},qpairs={queues},{FRAMES}"}
        if mtu != 1500:
            self.config["ports"][port]["mtu"] = mtu
