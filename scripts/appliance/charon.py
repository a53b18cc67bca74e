# SPDX-License-Identifier: BSD-3-Clause
"""charon for one gateway: its strongswan.conf, its plugins, and the command that starts it."""

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

from .fault import Fault
from .programs import CHARON, PLUGIN, SYSTEM_PLUGINS

VERSION = "5.9.8"
PLUGINS = ("random nonce aes sha1 sha2 hmac kdf drbg gcm ccm ctr cmac xcbc pem pkcs1 pkcs7 pkcs8 pkcs12 x509 pubkey "
           "revocation constraints curve25519 gmp openssl chapoly curl kernel-sallyport! kernel-netlink socket-default "
           "vici counters")
APPARMOR_PROFILES = Path("/sys/kernel/security/apparmor/profiles")

# One address may have that many half-open IKE_SAs (block_threshold): many clients are behind one NAT, and after an outage every
# tunnel of a peer is negotiated at once. strongSwan's 5 would shut all of them out for half_open_timeout if a few answers got lost.
# Retransmissions: after 2, 4.6, 8, 12.4 and 18.1 s, given up after 25.5 s; the second unanswered one already marks a tunnel
# down. Without kernel-sallyport charon must not start: kernel-netlink would take over silently.
CONFIG = """\
charon-systemd {{
  load_modular = no
  load = {plugins}
  install_routes = no
  process_route = no
  install_virtual_ip = no
  replay_window = 1024
  retransmit_timeout = 2.0
  retransmit_base = 1.3
  retransmit_tries = 5
  delete_rekeyed_delay = 5
  make_before_break = yes
  ikesa_table_size = 1024
  ikesa_table_segments = 16
  half_open_timeout = 30
  block_threshold = 100
  send_vendor_id = no
{interfaces}  filelog {{
    main {{
      path = {log}
      append = yes
      flush_line = yes
      time_format = %Y-%m-%dT%H:%M:%S
      default = 1
    }}
  }}
  syslog {{
    daemon {{
      default = -1
    }}
    auth {{
      default = -1
    }}
  }}
  plugins {{
    kernel-sallyport {{
      socket = {feed}
    }}
    vici {{
      socket = unix://{vici}
    }}
  }}
}}
include {extra}
"""


def installed_version():
    """Of the installed strongSwan, from the package database or, without one, from charon's library."""
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "charon-systemd"],
                           capture_output=True, text=True) if shutil.which("dpkg-query") else None
    if asked and asked.returncode == 0 and asked.stdout:
        return asked.stdout.split("-")[0]
    asked = subprocess.run(["swanctl", "--version"], capture_output=True, text=True) if shutil.which("swanctl") else None
    words = asked.stdout.split() if asked else []
    return next((word for word in words if word[0].isdigit()), "")


def check():
    if not os.access(CHARON, os.X_OK):
        raise Fault(f"charon is not installed: no {CHARON}", "apt-get install charon-systemd, or scripts/setup")
    version = installed_version()
    if version != VERSION:
        raise Fault(f"charon: strongSwan {version or 'of unknown version'} is installed, the kernel-sallyport plugin is "
                    f"built for {VERSION}", f"install charon-systemd {VERSION}, or rebuild the plugin for this version")


def unconfined():
    """What to put before charon's command where AppArmor holds it to the default paths."""
    try:
        enforced = f"{CHARON} (enforce)" in APPARMOR_PROFILES.read_text()
    except OSError:
        return []
    if not enforced:
        return []
    if not shutil.which("aa-exec"):
        raise Fault(f"charon: AppArmor confines {CHARON} to /run/charon.*, so it can't use the run directory",
                    f"aa-complain {CHARON}, or apt-get install apparmor for aa-exec")
    return ["aa-exec", "-p", "unconfined", "--"]


def write_config(run_dir, public_ports):
    extra = run_dir / "strongswan.d"
    extra.mkdir(mode=0o700, exist_ok=True)
    (extra / run_dir.OWN_STRONGSWAN).write_text("# charon's settings of your own go into another file here; they win over ../strongswan.conf\n")
    interfaces = f"  interfaces_use = {','.join(public_ports)}\n" if public_ports else ""
    (run_dir / "strongswan.conf").write_text(CONFIG.format(
        plugins=PLUGINS, interfaces=interfaces, log=run_dir / "charon.log", feed=run_dir / "feed.sock",
        vici=run_dir / "vici.sock", extra=extra / "*.conf"))


def is_installed(plugin):
    system = SYSTEM_PLUGINS / PLUGIN
    return system.exists() and filecmp.cmp(plugin, system, shallow=False)


def command(run_dir, plugin, in_netns):
    """Also lays out the plugins. With a netns, or an uninstalled plugin, charon sees them in a mount namespace of its own."""
    environment = ["env", "-u", "NOTIFY_SOCKET", f"STRONGSWAN_CONF={run_dir / 'strongswan.conf'}",
                   f"SWANCTL_DIR={run_dir / 'swanctl'}"]
    if not in_netns and is_installed(plugin):
        return [*environment, *unconfined(), str(CHARON)]
    plugins = run_dir / "plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    shutil.copytree(SYSTEM_PLUGINS, plugins)
    (plugins / PLUGIN).unlink(missing_ok=True)
    shutil.copy2(plugin, plugins / PLUGIN)
    bind_and_run = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", *environment, "sh", "-c", bind_and_run,
            str(plugins), str(SYSTEM_PLUGINS), *unconfined(), str(CHARON)]
