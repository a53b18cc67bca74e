# SPDX-License-Identifier: BSD-3-Clause
"""The tables, as text and CSV. Figures are medians of the passes in TSC cycles per packet; a spread is the distance from
the smallest to the largest pass, as part of the median."""
import csv
import dataclasses
import io
import statistics

from . import compare, sallyport, scene, secgw

GATE = {64: 1.55, 512: 1.45, 1400: 1.35, "imix": 1.5}  # how much faster than ipsec-secgw we want to be with AES-GCM
OTHERS_GATE = 1.0  # not slower
MANY_SAS_LIMIT = 1.25  # what many SAs may cost, in times of one


def median(values):
    return statistics.median(values)


def spread(values):
    return (max(values) - min(values)) / median(values)


@dataclasses.dataclass(frozen=True)
class Line:
    """The figures of a compared row."""
    ours: float
    ours_spread: float
    peer: float
    peer_spread: float
    io: float
    peer_io: float
    raw: float
    ratio: float  # of the medians
    best_ratio: float  # of the best passes: what is left of the ratio where the machine was noisy
    gate: float

    @property
    def overhead(self):
        return self.ours - self.io - self.raw

    @property
    def peer_overhead(self):
        return self.peer - self.peer_io - self.raw


def gate_of(row):
    return GATE[row.size] if row.cipher in scene.GCM else OTHERS_GATE


def on_debians_dpdk(result):
    return compare.DEBIAN_IO in result.cycles


def our_io(result):
    return median(result.cycles[compare.DEBIAN_IO if on_debians_dpdk(result) else compare.IO])


def line_of(result):
    ours, peer = result.cycles[sallyport.NAME], result.cycles[secgw.NAME]
    return Line(median(ours), spread(ours), median(peer), spread(peer), our_io(result), median(result.cycles[compare.IO]),
                median(result.cycles[compare.RAW]), median(peer) / median(ours), min(peer) / min(ours),
                gate_of(result.row))


def row_columns(row):
    return f"{row.direction:4}{scene.CIPHERS[row.cipher].name:19}{row.size:>5}{row.sas:>7}"


def compared_table(results):
    two_ios = any(on_debians_dpdk(result) for result in results)
    peers_io = " peer's " if two_ios else ""
    lines = [f"dir cipher              size    SAs | sallyport      ipsec-secgw     ratio  best  gate      |  I/O{peers_io}   raw | overhead  peer's"]
    for result in results:
        if result.fault:
            lines.append(f"{row_columns(result.row)} | no figure: {result.fault.splitlines()[0]}")
            continue
        line = line_of(result)
        verdict = "holds" if line.ratio >= line.gate else "short"
        lines.append(f"{row_columns(result.row)} | {line.ours:5.0f} (±{50 * line.ours_spread:4.1f}%) {line.peer:5.0f} "
                     f"(±{50 * line.peer_spread:4.1f}%) {line.ratio:6.2f} {line.best_ratio:5.2f} {line.gate:5.2f} {verdict} | {line.io:4.0f} "
                     f"{f'{line.peer_io:6.0f} ' if two_ios else ''}{line.raw:5.0f} | {line.overhead:8.0f} {line.peer_overhead:7.0f}")
    return lines


def many_sas_table(triples):
    lines = ["dir cipher              size    SAs | one SA         one SA, as many hosts   that many SAs   ratio to both  limit     |  I/O   raw"]
    for triple in triples:
        many = triple[-1]
        faults = [result.fault for result in triple if result.fault]
        if faults:
            lines.append(f"{row_columns(many.row)} | no figure: {faults[0].splitlines()[0]}")
            continue
        passes = [result.cycles[sallyport.NAME] for result in triple]
        figures = "   ".join(f"{median(values):5.0f} (±{50 * spread(values):4.1f}%)" for values in passes)
        one, hosts, all_of_them = map(median, passes)
        verdict = "holds" if all_of_them / one <= MANY_SAS_LIMIT else "short"
        lines.append(f"{row_columns(many.row)} | {figures}   {all_of_them / one:6.2f} {all_of_them / hosts:6.2f} {MANY_SAS_LIMIT:6.2f} {verdict} | "
                     f"{our_io(many):4.0f} {median(many.cycles[compare.RAW]):5.0f}")
    return lines


def text(heading, results, triples):
    parts = list(heading)
    if results:
        parts += ["", "Both gateways. TSC cycles per packet, median of the passes (half the spread).", *compared_table(results),
                  "", "size: bytes of the inner IP packet; imix: 7 x 64, 4 x 570, 1 x 1418. ratio: ipsec-secgw / sallyport,",
                  "of the medians; best: of the best passes.",
                  "I/O: testpmd on the same feed, with the gateway's DPDK. raw: IPsec-MB alone, buffers hot. overhead: cycles - I/O - raw."]
    if triples:
        parts += ["", "Many SAs in random order, sallyport alone; beside one SA with a feed of the same length, to one host or in random order",
                  "to as many hosts as there are SAs else.", *many_sas_table(triples)]
    return "\n".join(parts) + "\n"


def csv_text(results, triples):
    """Every pass of every contestant on a line of its own, and the medians can be computed from it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["direction", "cipher", "inner_bytes", "sas", "hosts", "feed_packets", "contestant", "pass", "cycles_per_packet"])
    for result in [*results, *(result for triple in triples for result in triple)]:
        row = result.row
        for name, values in result.cycles.items():
            for number, value in enumerate(values, 1):
                writer.writerow([row.direction, row.cipher, row.size, row.sas, row.hosts, row.packets, name, number, f"{value:.2f}"])
    return file.getvalue()
