# SPDX-License-Identifier: BSD-3-Clause
"""Keeps the parts of one gateway running: brings them up in order, restarts one that dies, takes all down at the end."""

import os
import resource
import select
import signal
import subprocess
import time

from . import api, charon, parts
from .fault import Fault
from .parts import Part

START_PATIENCE_S = 40.0
STOP_PATIENCE_S = {"sallyportd": 5.0, "charon": 8.0, "dataplane": 5.0}


def make_parts(run_dir, programs, netns, prefix, dataplane_options, base_dir):
    commands = {
        "dataplane": [str(programs.dataplane), "--run-dir", str(run_dir), "--state", str(run_dir.state_file),
                      *dataplane_options],
        "charon": charon.command(run_dir, programs.plugin, in_netns=bool(netns)),
        "sallyportd": [str(programs.daemon), "--run-dir", str(run_dir), *(["--netns-prefix", prefix] if prefix else [])],
    }
    # Later the daemon remembers where the configuration came from, which an apply may change.
    only_first = {"sallyportd": ["--base-dir", str(base_dir)]}
    return [Part(name, run_dir, parts.in_netns(netns, command), only_first.get(name, ()))
            for name, command in commands.items()]


def clean_up(run_dir, programs, netns, prefix, keep_logs):
    """Mirrors, namespaces, rules and the run directory, once no part runs any more."""
    command = [str(programs.daemon), "--cleanup", "--run-dir", str(run_dir), *(["--netns-prefix", prefix] if prefix else [])]
    if not netns or os.path.exists(f"/run/netns/{netns}"):
        done = subprocess.run(parts.in_netns(netns, command), capture_output=True, text=True)
        if done.returncode != 0:
            raise Fault(f"sallyportd --cleanup: {(done.stderr or done.stdout).strip() or 'failed'}")
    run_dir.remove(keep_logs)


class Supervisor:
    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.parts = []
        self.stopping = False
        self.wake_read, wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def on_stop(self, *_):
        self.stopping = True

    def note(self, text):
        print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)

    def wait(self, seconds):
        """Until a child ended, a signal came, or the time is over."""
        select.select([self.wake_read], [], [], seconds)
        try:
            os.read(self.wake_read, 4096)
        except BlockingIOError:
            pass

    def bring_up(self, all_parts):
        """Starts every part and waits until each answers; raises Fault naming the one that doesn't."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self.parts = all_parts
        for part in self.parts:
            part.start()
        deadline = time.monotonic() + START_PATIENCE_S
        silent, why = "sallyportd", ""
        while silent:
            if self.stopping:
                raise Fault("stopped before it was up")
            for part in self.parts:
                if part.died():
                    raise Fault(f"{part.name} {part.how_it_ended()}: {part.last_words()}")
            if time.monotonic() > deadline:
                part = next(part for part in self.parts if part.name == silent)
                raise Fault(f"{silent} did not come up within {START_PATIENCE_S:.0f} s: {why or part.last_words()}")
            self.wait(0.05)
            silent, why = self.silent_part()

    def silent_part(self):
        """(name, why) of a part that is not ready yet; (None, "") once all are. Raises Fault for a port that can't be opened."""
        answer = api.get(self.run_dir / "api.sock", "/v1/gateway")
        ports = api.get(self.run_dir / "api.sock", "/v1/ports")
        if answer is None or ports is None:
            return "sallyportd", ""
        for name in ("dataplane", "charon"):
            if not answer[name]["connected"]:
                return name, answer[name].get("error") or ""
        if not answer["charon"]["plugin"]:
            return "charon", f"its kernel-sallyport plugin does not answer: {answer['charon'].get('error') or 'no reason given'}"
        for port in ports:
            if port["error"]:
                raise Fault(f"port {port['name']} ({port['device']}) can't be opened: {port['error']}")
        missing = [port["name"] for port in ports if not port["mac"]]
        return ("dataplane", f"port {missing[0]} is not open") if missing else (None, "")

    def run(self):
        """Until told to stop."""
        while not self.stopping:
            for part in self.parts:
                if part.died():
                    self.note(f"{part.name} {part.how_it_ended()}, restarted in "
                              f"{max(0.0, part.start_at - time.monotonic()):.1f} s: {part.last_words()}")
                if part.start_at is not None and time.monotonic() >= part.start_at:
                    part.start()
            pauses = [part.start_at - time.monotonic() for part in self.parts if part.start_at is not None]
            self.wait(max(0.0, min(pauses, default=3600.0)))

    def take_down(self):
        """charon first: its DELETEs still leave through the dataplane."""
        for name in ("charon", "sallyportd", "dataplane"):
            for part in self.parts:
                if part.name == name:
                    part.stop(STOP_PATIENCE_S[name])
