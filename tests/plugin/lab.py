# SPDX-License-Identifier: BSD-3-Clause
"""Two network namespaces joined by a veth pair, each with a charon that has our plugin."""

import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

PLUGINS = ("random drbg nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints revocation hmac kdf gcm sha2 "
           "kernel-sallyport! kernel-netlink socket-default vici updown")

STRONGSWAN_CONF = """
charon-systemd {{
  load_modular = no
  load = {plugins}
  install_routes = no
  delete_rekeyed_delay = 1
  retransmit_base = 1
  retransmit_timeout = 1
  retransmit_tries = 5
  {extra}
  plugins {{
    vici {{ socket = unix://{dir}/vici.sock }}
    kernel-sallyport {{ socket = {feed} }}
  }}
  filelog {{ log {{ path = {dir}/charon.log
    default = 2
    knl = 3
    flush_line = yes
    time_format = %H:%M:%S
    time_add_ms = yes }} }}
}}
"""

SWANCTL_CONF = """
connections {{
  {name} {{
    version = {version}
    local_addrs = {local}
    remote_addrs = {remote}
    unique = never
    encap = {encap}
    mobike = {mobike}
    dpd_delay = {dpd}
    rekey_time = 0
    reauth_time = 0
    local {{ auth = psk
      id = {local_id} }}
    remote {{ auth = psk
      id = {remote_id} }}
    children {{
      {name} {{
        mode = {mode}
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        esp_proposals = {esp}
        rekey_time = {rekey}
        life_time = {life}
        rand_time = 0
        replay_window = 1024
        start_action = {start_action}
      }}
    }}
  }}
}}
secrets {{ ike {{ secret = "a secret of the plugin's tests" }} }}
"""


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True,
                          **options).stdout


def allow_core():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class Charon:
    """One side: its namespace, its directory, its process."""

    def __init__(self, lab, name, local, remote, local_ts, remote_ts):
        self.lab, self.name, self.namespace = lab, name, f"{lab.prefix}{name}"
        self.local, self.remote, self.local_ts, self.remote_ts = local, remote, local_ts, remote_ts
        self.dir = lab.dir / name
        self.dir.mkdir(parents=True)
        self.feed = self.dir / "feed.sock"
        self.process = None

    def launch(self, extra="", binary="/usr/sbin/charon-systemd"):
        """Starts charon; a core, if the kernel writes one, goes to its directory."""
        conf = self.dir / "strongswan.conf"
        conf.write_text(STRONGSWAN_CONF.format(dir=self.dir, feed=self.feed, plugins=PLUGINS, extra=extra))
        environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        environment["STRONGSWAN_CONF"] = str(conf)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "sh", "-c",
             f"mount --bind {self.lab.plugins} /usr/lib/ipsec/plugins && exec {binary}"],
            env=environment, cwd=self.dir, preexec_fn=allow_core, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, extra=""):
        self.launch(extra)
        end = time.monotonic() + 10
        while not self.answers():
            assert time.monotonic() < end and self.process.poll() is None, "charon did not start:\n" + self.log()
            time.sleep(0.02)

    def answers(self):
        """Whether it listens on both sockets: the feed is there before VICI is."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.dir / "vici.sock")) == 0

    def load(self, **options):
        settings = dict(name="tunnel", version=2, local=self.local, remote=self.remote, encap="no", mobike="no", dpd="0s",
                        local_id=self.name + ".example", remote_id=self.lab.other(self).name + ".example",
                        mode="tunnel", local_ts=self.local_ts, remote_ts=self.remote_ts, rekey="0", life="0",
                        esp="aes256gcm16-x25519-esn", start_action="none")
        settings.update(options)
        (self.dir / "swanctl.conf").write_text(SWANCTL_CONF.format(**settings))
        self.swanctl("--load-all", "--file", self.dir / "swanctl.conf")

    def swanctl(self, *arguments, check=True, timeout=20):
        result = subprocess.run(["swanctl", *(str(argument) for argument in arguments), "--uri",
                                 f"unix://{self.dir}/vici.sock"], capture_output=True, text=True, timeout=timeout)
        assert not check or result.returncode == 0, result.stdout + result.stderr + self.log()[-3000:]
        return result.stdout + result.stderr

    def rekey(self):
        """Rekeys the tunnel's CHILD_SA, once there is just one: one in an exchange is left alone by charon, in silence."""
        end = time.monotonic() + 5
        while (states := re.findall(r"reqid \d+, (\w+), TUNNEL", self.swanctl("--list-sas"))).count("INSTALLED") != 1 or \
                {"INSTALLING", "UPDATING", "REKEYING"} & set(states):
            assert time.monotonic() < end, f"{self.name} has no CHILD_SA to rekey: {states}"
            time.sleep(0.02)
        return self.swanctl("--rekey", "--child", "tunnel")

    def log(self):
        path = self.dir / "charon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, *texts, timeout=5.0, after=0):
        """Which of the texts is in the log, behind as many characters."""
        end = time.monotonic() + timeout
        while not (found := next((text for text in texts if text in self.log()[after:]), None)):
            assert time.monotonic() < end, f"{texts} never came in {self.name}'s log:\n" + self.log()[-3000:]
            time.sleep(0.02)
        return found

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        (self.dir / "vici.sock").unlink(missing_ok=True)
        if number == signal.SIGKILL:
            assert self.feed.exists()  # so that a start over a stale socket is what is tested


class Lab:
    def __init__(self, directory, plugin):
        self.prefix = f"sppl{os.getpid()}"
        self.dir = pathlib.Path(directory)
        self.plugins = self.dir / "plugins"
        shutil.copytree("/usr/lib/ipsec/plugins", self.plugins)
        shutil.copy(plugin, self.plugins)
        self.a = Charon(self, "a", "192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16")
        self.b = Charon(self, "b", "192.0.2.2", "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16")
        self.readers = []

    def other(self, charon):
        return self.b if charon is self.a else self.a

    def up(self):
        for side in (self.a, self.b):
            run("ip", "netns", "add", side.namespace)
            run("ip", "-n", side.namespace, "link", "set", "lo", "up")
        run("ip", "-n", self.a.namespace, "link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns",
            self.b.namespace)
        for side in (self.a, self.b):
            run("ip", "-n", side.namespace, "address", "add", side.local + "/24", "dev", "wan")
            run("ip", "-n", side.namespace, "link", "set", "wan", "up")

    def down(self):
        """Leaves nothing behind, then complains about a feed that broke its rules."""
        for side in (self.a, self.b):
            side.stop()
            subprocess.run(["ip", "netns", "delete", side.namespace], capture_output=True)
        for reader in self.readers:
            reader.close()
