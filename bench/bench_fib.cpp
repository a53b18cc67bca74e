// SPDX-License-Identifier: BSD-3-Clause
// Cycles per lookup in a VRF's forwarding table, in bursts of 32: few routes that stay in the cache, and many
// that don't.
#include <benchmark/benchmark.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <time.h>

#include <array>
#include <random>
#include <vector>

#include "dataplane/fib/fib.h"

namespace {

using sallyport::dataplane::Ipv4Fib;

constexpr uint32_t kBurst = 32, kAddresses = 1 << 16;

// CPU time of this thread, so that being preempted doesn't count.
double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Routes of /24 and /28 under 10.0.0.0/8, as many as asked for.
std::unique_ptr<Ipv4Fib> make_fib(uint32_t routes) {
  auto fib =
      Ipv4Fib::create({.vrf_id = 1, .max_routes = 65536, .tbl8s = 8192, .socket_id = -1, .qsbr = nullptr});
  for (uint32_t i = 0; fib != nullptr && i < routes; ++i) {
    fib->add(0x0a000000 | i << 8, i % 8 == 0 ? 28 : 24, i);
  }
  return fib;
}

void lookup(benchmark::State& state) {
  const auto routes = static_cast<uint32_t>(state.range(0));
  const auto fib = make_fib(routes);
  if (fib == nullptr) {
    state.SkipWithError("not enough memory for the table");
    return;
  }
  std::mt19937 random(1);
  std::vector<uint32_t> addresses(kAddresses);
  for (uint32_t& address : addresses)
    address = 0x0a000000 | (random() % routes) << 8 | random() % 16;
  std::array<uint32_t, kBurst> groups;
  uint32_t at = 0;
  const double start_s = thread_seconds();
  for (auto _ : state) {
    fib->lookup_burst(&addresses[at], groups.data(), kBurst);
    benchmark::DoNotOptimize(groups);
    at = (at + kBurst) % kAddresses;
  }
  const auto lookups = static_cast<double>(state.iterations()) * kBurst;
  state.counters["cycles/lookup"] =
      (thread_seconds() - start_s) * static_cast<double>(rte_get_tsc_hz()) / lookups;
  state.SetItemsProcessed(state.iterations() * kBurst);
}
BENCHMARK(lookup)->Arg(8)->Arg(1000)->Arg(60000);

}  // namespace

int main(int argc, char** argv) {
  const char* arguments[] = {"bench_fib",      "--no-huge",          "-m", "128", "--no-pci", "--no-shconf",
                             "--no-telemetry", "--log-level=*:error"};
  if (rte_eal_init(std::size(arguments), const_cast<char**>(arguments)) < 0) return 1;
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
