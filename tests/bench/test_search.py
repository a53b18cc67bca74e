#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The RFC 2544 search against devices whose capacity is known."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "pktgen"))
import search  # noqa: E402

LINE = 1_000_000.0
SECONDS = 2.0


def device(capacity_pps, tester_pps=float("inf")):
    """A trial of something that forwards `capacity_pps` at most, sent by what sends `tester_pps` at most."""
    def run_trial(rate_pps):
        sent_pps = min(rate_pps, tester_pps)
        return search.Trial(rate_pps, round(sent_pps * SECONDS), round(min(sent_pps, capacity_pps) * SECONDS), SECONDS)
    return run_trial


class HighestPassing(unittest.TestCase):
    def test_finds_every_capacity_within_the_resolution(self):
        for capacity in (12_000, 123_456, 500_000, 500_001, 777_777, 999_000):
            with self.subTest(capacity=capacity):
                best, trials = search.highest_passing(device(capacity), LINE, resolution=0.005)
                self.assertLessEqual(best.rate_pps, capacity + 1)
                self.assertGreater(best.rate_pps, capacity - 0.005 * LINE - 1)
                self.assertEqual(best.lost, 0)
                self.assertIn(best, trials)

    def test_line_rate_takes_one_trial(self):
        best, trials = search.highest_passing(device(2 * LINE), LINE)
        self.assertEqual((best.rate_pps, len(trials)), (LINE, 1))

    def test_takes_no_more_trials_than_bisection_needs(self):
        _, trials = search.highest_passing(device(345_678), LINE, resolution=0.001)
        self.assertEqual(len(trials), 1 + 10)  # the line rate, then 2^-10 < 0.001

    def test_nothing_passes_through_what_is_cut(self):
        best, trials = search.highest_passing(device(0), LINE)
        self.assertIsNone(best)
        self.assertTrue(all(not trial.passes() for trial in trials))

    def test_never_claims_more_than_the_tester_sent(self):
        best, _ = search.highest_passing(device(2 * LINE, tester_pps=400_000), LINE)
        self.assertLessEqual(best.sent_pps, 400_000)
        self.assertGreater(best.rate_pps, 400_000 - 0.005 * LINE)
        self.assertLess(best.rate_pps, 400_000 / search.TESTER_SHARE + 1)

    def test_one_lost_frame_fails_unless_tolerated(self):
        trial = search.Trial(1000, 2000, 1999, SECONDS)
        self.assertFalse(trial.passes())
        self.assertTrue(trial.passes(tolerated_loss=0.001))

    def test_frames_of_others_make_up_for_nothing(self):
        self.assertEqual(search.Trial(1000, 2000, 2003, SECONDS).lost, 0)
        self.assertTrue(search.Trial(1000, 2000, 2003, SECONDS).passes())

    def test_silence_is_no_success(self):
        self.assertFalse(search.Trial(0, 0, 0, SECONDS).passes())


class Numbers(unittest.TestCase):
    def test_percentiles_are_values_that_were_measured(self):
        values = list(range(1, 1001))
        self.assertEqual([search.percentile(values, p) for p in (50, 99, 99.9, 100)], [500, 990, 999, 1000])
        self.assertEqual(search.percentile([7], 99.9), 7)
        self.assertIsNone(search.percentile([], 50))

    def test_line_rate_of_ten_gigabit(self):
        self.assertAlmostEqual(search.line_rate_pps(10e9, 64), 14_880_952, delta=1)
        self.assertAlmostEqual(search.line_rate_pps(10e9, 1518), 812_744, delta=1)


if __name__ == "__main__":
    unittest.main()
