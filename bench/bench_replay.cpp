// SPDX-License-Identifier: BSD-3-Clause
// The replay window's cost per packet: ESN inference, check and advance, in order and shuffled within 32
// packets.
#include <algorithm>
#include <random>
#include <vector>

#include "bench/bench_eal.h"
#include "dataplane/sa/replay_window.h"

namespace sallyport::bench {
namespace {

using dataplane::ReplayWindow;

constexpr uint32_t kNumbers = 8192, kShuffled = 32;

void replay(benchmark::State& state) {
  const auto packets = static_cast<uint32_t>(state.range(0));
  std::vector<uint32_t> steps(kNumbers);
  for (uint32_t i = 0; i < kNumbers; ++i)
    steps[i] = i + 1;
  if (state.range(1) != 0) {
    std::mt19937 random(1);
    for (uint32_t i = 0; i < kNumbers; i += kShuffled) {
      std::shuffle(steps.begin() + i, steps.begin() + i + kShuffled, random);
    }
  }
  std::vector<uint64_t> storage(ReplayWindow::words_for(packets));
  ReplayWindow window;
  window.open(packets, 0, storage);
  uint64_t base = 0, accepted = 0;
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    clock.start();
    for (const uint32_t step : steps) {
      const uint64_t number = window.infer_esn(static_cast<uint32_t>(base + step));
      if (window.check_replay(number)) accepted += window.advance_replay(number);
    }
    clock.stop(state);
    base += kNumbers;
  }
  if (accepted != base) state.SkipWithError("a fresh number was refused");
  clock.report(state, kNumbers);
}
BENCHMARK(replay)
    ->Name("replay")
    ->ArgNames({"window", "shuffled"})
    ->ArgsProduct({{32, 64, 1024, 4096}, {0, 1}})
    ->UseManualTime();

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  return sallyport::bench::run_benchmarks(argc, argv);
}
