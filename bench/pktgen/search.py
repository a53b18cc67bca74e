# SPDX-License-Identifier: BSD-3-Clause
"""The search for the highest rate without loss (RFC 2544 section 26.1). Pure: what a trial is, the caller says."""
import dataclasses

TESTER_SHARE = 0.99  # of the rate asked for, that the tester must really have sent for a trial to count


@dataclasses.dataclass(frozen=True)
class Trial:
    """What one trial gave: frames asked for per second, frames sent and received, and how long it sent."""
    rate_pps: float
    sent: int
    received: int
    seconds: float

    @property
    def sent_pps(self):
        return self.sent / self.seconds

    @property
    def lost(self):
        """Never negative: a received frame too many (ARP, say) makes up for no lost one of another trial."""
        return max(0, self.sent - self.received)

    @property
    def was_offered(self):
        """False: the tester, or what stands between, could not send at that rate."""
        return self.sent_pps >= TESTER_SHARE * self.rate_pps

    def passes(self, tolerated_loss=0.0):
        """With every frame received, or all but `tolerated_loss` of them (a fraction)."""
        return self.was_offered and self.sent > 0 and self.lost <= tolerated_loss * self.sent


def highest_passing(run_trial, line_rate_pps, resolution=0.005, tolerated_loss=0.0):
    """Tries the line rate, then bisects until the best that passed and the least that failed are `resolution` of the
    line rate apart. Returns (the passed Trial with the highest rate, or None; all trials in their order).

    run_trial(rate_pps) -> Trial. RFC 2544 wants the number from a trial that was run, so no rate between is claimed.
    """
    trials = []

    def passes(rate_pps):
        trials.append(run_trial(rate_pps))
        return trials[-1].passes(tolerated_loss)

    if passes(line_rate_pps):
        return trials[-1], trials
    best, good, bad = None, 0.0, line_rate_pps
    while bad - good > resolution * line_rate_pps:
        middle = (good + bad) / 2
        if passes(middle):
            best, good = trials[-1], middle
        else:
            bad = middle
    return best, trials


def percentile(sorted_values, percent):
    """The least value that at least `percent` of all don't exceed. None without values."""
    if not sorted_values:
        return None
    rank = -(-len(sorted_values) * percent // 100)  # rounded up
    return sorted_values[max(0, int(rank) - 1)]


def line_rate_pps(link_bps, frame_bytes):
    """Frames per second of that size, CRC included, on Ethernet: 20 bytes between frames."""
    return link_bps / ((frame_bytes + 20) * 8)
