// SPDX-License-Identifier: BSD-3-Clause
// Finding an inbound SA by SPI (and installing one), in tables of one to 100,000 SAs, in random order. The
// SAs' own memory is part of it: the SPI is compared there.
#include <algorithm>
#include <random>
#include <vector>

#include "bench/bench_eal.h"
#include "dataplane/sa/sa.h"
#include "dataplane/sa/sa_table.h"

namespace sallyport::bench {
namespace {

using namespace dataplane;

constexpr uint32_t kLeastLookups = 1024;  // in one timed loop

void find_sa(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  std::vector<InboundSa> sas(count);
  SaTable<InboundSa> table(count);
  std::vector<uint32_t> order;
  for (uint32_t slot = 0; slot < count; ++slot) {
    sas[slot].spi = slot | 0x5a500000;
    table.publish(slot, &sas[slot]);
  }
  for (uint32_t i = 0; i < std::max(count, kLeastLookups); ++i)
    order.push_back(sas[i % count].spi);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    clock.start();
    for (const uint32_t spi : order)
      benchmark::DoNotOptimize(table.find(spi));
    clock.stop(state);
  }
  clock.report(state, order.size());
}
BENCHMARK(find_sa)
    ->Name("find_sa")
    ->ArgName("sas")
    ->Arg(1)
    ->Arg(1000)
    ->Arg(10000)
    ->Arg(100000)
    ->UseManualTime();

// Building and destroying an inbound SA with a replay window of 1024: memory, key schedule, row.
void install_sa(benchmark::State& state) {
  constexpr uint32_t kSas = 1000;
  const auto engine = CryptoEngine::create();
  std::vector<api::InboundRow> rows(kSas);
  std::vector<InboundSaPtr> sas(kSas);
  api::SetInboundSa message{};
  message.replay_window = 1024;
  message.keys.algorithm = api::Algorithm::kAes256Gcm16;
  message.keys.key_bytes = 36;
  message.local.family = message.remote.family = api::Family::kIpv4;
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    clock.start();
    for (uint32_t i = 0; i < kSas; ++i) {
      message.spi = 0x5a500000 + i;
      create_inbound_sa(message, rows[i], *engine, SOCKET_ID_ANY, sas[i]);
    }
    clock.stop(state);
    if (sas.back() == nullptr) state.SkipWithError("an SA was refused");
    for (InboundSaPtr& sa : sas)
      sa.reset();
  }
  clock.report(state, kSas);
}
BENCHMARK(install_sa)->Name("install_sa")->UseManualTime();

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  return sallyport::bench::run_benchmarks(argc, argv);
}
