# SPDX-License-Identifier: BSD-3-Clause
"""Talks Lua to a running Pktgen-DPDK (started with -G) over its TCP socket, one call at a time."""
import json
import re
import socket
import time

LUA_PORT = 22022
STATISTICS_S = 2.5  # Pktgen renews its counters once a second

END = "<sallyport-end>"


class PktgenError(RuntimeError):
    pass


class Pktgen:
    """One connection. Ports are Pktgen's numbers."""

    def __init__(self, host="localhost", port=LUA_PORT, timeout_s=30.0):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.pending = ""

    def close(self):
        self.socket.close()

    def call(self, lua):
        """Runs a chunk of Lua on one line; returns what it returned, as text."""
        line = (f'do local ok, r = pcall(function() {lua} end); '
                f'io.write(ok and "ok " or "error ", tostring(r), "{END}"); io.flush() end\n')
        self.socket.sendall(line.encode())
        while END not in self.pending:
            received = self.socket.recv(65536)
            if not received:
                raise PktgenError(f"pktgen closed the connection during: {lua}")
            self.pending += received.decode(errors="replace")
        answer, self.pending = self.pending.split(END, 1)
        status, _, value = answer.partition(" ")
        if status != "ok":
            raise PktgenError(f"{lua}: {value.strip()}")
        return value

    def counters(self, port):
        """Frames sent and received by the port since Pktgen started."""
        text = self.call(f'local s = pktgen.portStats("{port}", "port")[{port}]; '
                         'return string.format("[%d,%d]", s.opackets, s.ipackets)')
        return tuple(json.loads(text))

    def bytes_received(self, port):
        return int(self.call(f'return pktgen.portStats("{port}", "port")[{port}].ibytes'))

    def link_mbps(self, port):
        """0: no link. Pktgen says <UP-10000-FD>."""
        found = re.search(r"UP-(\d+)", self.call(f'return pktgen.linkState("{port}")[{port}]'))
        return int(found[1]) if found else 0

    def set(self, ports, what, value):
        self.call(f'pktgen.set("{ports}", "{what}", {value})')

    def start(self, ports):
        self.call(f'pktgen.start("{ports}")')

    def stop(self, ports):
        self.call(f'pktgen.stop("{ports}")')

    def set_addresses(self, port, mac, source, destination):
        """Of single frames, which the stamped ones for latency copy."""
        self.call(f'pktgen.set_mac("{port}", "dst", "{mac}")')
        self.call(f'pktgen.set_ipaddr("{port}", "src", "{source}/32")')
        self.call(f'pktgen.set_ipaddr("{port}", "dst", "{destination}")')
        self.call(f'pktgen.set_proto("{port}", "udp")')

    def set_ranges(self, port, mac, source, destination, flows, destinations, first_port):
        """UDP from `flows` source ports to `destinations` addresses, in turn."""
        self.call(f'pktgen.range.dst_mac("{port}", "start", "{mac}")')
        self.call(f'pktgen.range.ip_proto("{port}", "udp")')
        self._range(port, "src_ip", f'"{source}"', f'"{source}"', '"0.0.0.0"')
        self._range(port, "dst_ip", f'"{destination}"', f'"{destination + destinations - 1}"', '"0.0.0.1"')
        self._range(port, "src_port", first_port, first_port + flows - 1, 1)
        self._range(port, "dst_port", 9, 9, 0)
        self.call(f'pktgen.set_range("{port}", "on")')

    def _range(self, port, what, least, most, step):
        for name, value in (("start", least), ("inc", step), ("min", least), ("max", most)):
            self.call(f'pktgen.range.{what}("{port}", "{name}", {value})')

    def set_size(self, port, frame_bytes, ranges):
        self.set(port, "size", frame_bytes)
        if ranges:
            self._range(port, "pkt_size", frame_bytes, frame_bytes, 0)

    def start_latency(self, ports, receiver, interval_us, samples, samples_per_s, path):
        """A stamped frame every interval; some of their times go to the file when stopped."""
        self.call(f'pktgen.latency("{ports}", "enable"); pktgen.latency("{ports}", "rate", {interval_us})')
        self.call(f'pktgen.latsampler_params("{receiver}", "simple", {samples}, {samples_per_s}, "{path}")')
        self.call(f'pktgen.latsampler("{receiver}", "on")')

    def stop_latency(self, ports, receiver):
        self.call(f'pktgen.latsampler("{receiver}", "off")')
        self.call(f'pktgen.latency("{ports}", "disable")')

    def settle(self):
        """Until what was on its way has arrived and is in the counters."""
        time.sleep(STATISTICS_S)

    def quit(self):
        try:
            self.call("pktgen.quit()")
        except (PktgenError, OSError):
            pass  # it may leave without an answer
