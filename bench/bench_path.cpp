// SPDX-License-Identifier: BSD-3-Clause
// The whole packet path of one worker, poll_once() from receive queue to transmit queue, with everything on
// that an operator has on: ESN, replay window 1024, counters, policy, path MTU. Ring devices, whose cost of
// about 10 cycles is in it; packets in random order of SAs. Inbound packets are those that the outbound rig
// sent, taken by its peer.
#include <memory>
#include <random>

#include "bench/bench_eal.h"
#include "bench/path_rig.h"
#include "dataplane/path/inbound.h"

namespace sallyport::bench {
namespace {

constexpr uint32_t kFrames = dataplane::kBurst;

struct Pair {
  explicit Pair(benchmark::State& state)
      : sas(static_cast<uint32_t>(state.range(2))),
        ip_bytes(static_cast<uint32_t>(state.range(1))),
        pool(make_rig_pool(("rig" + std::to_string(++made)).c_str(), 4095)),
        ours({.sas = sas, .aes_bits = static_cast<uint32_t>(state.range(0))}, pool) {}
  ~Pair() { rte_pktmbuf_free_bulk(frames.data(), live); }

  // New frames, the last burst's buffers back in the pool.
  void refill(const PathRig& rig) {
    rte_pktmbuf_free_bulk(frames.data(), live);
    if (rte_pktmbuf_alloc_bulk(pool, frames.data(), kFrames) != 0) std::abort();
    live = kFrames;
    for (rte_mbuf* frame : frames)
      rig.write_lan_frame(frame, static_cast<uint32_t>(random() % sas), ip_bytes);
  }

  static inline int made = 0;
  uint32_t sas, ip_bytes, live = 0;
  rte_mempool* pool;
  PathRig ours;
  std::minstd_rand random{1};
  std::array<rte_mbuf*, kFrames> frames{};
};

void outbound(benchmark::State& state) {
  Pair pair(state);
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    pair.refill(pair.ours);
    pair.ours.into_lan(pair.frames);
    clock.start();
    pair.ours.worker().poll_once();
    clock.stop(state);
    pair.live = pair.ours.from_wan(pair.frames);
    if (pair.live != kFrames) state.SkipWithError("a packet was not sent");
  }
  clock.report(state, kFrames);
}

void inbound(benchmark::State& state) {
  Pair pair(state);
  PathRig peer({.sas = pair.sas, .aes_bits = static_cast<uint32_t>(state.range(0)), .is_peer = true},
               pair.pool);
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    pair.refill(pair.ours);
    pair.ours.into_lan(pair.frames);
    pair.ours.worker().poll_once();
    if (pair.ours.from_wan(pair.frames) != kFrames) state.SkipWithError("a packet was not sent");
    for (rte_mbuf* frame : pair.frames)
      peer.address_to_wan(frame);
    peer.into_wan(pair.frames);
    clock.start();
    peer.worker().poll_once();
    clock.stop(state);
    pair.live = peer.from_lan(pair.frames);
    if (pair.live != kFrames) state.SkipWithError("a packet was not delivered");
  }
  clock.report(state, kFrames);
}

void rows(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"aes", "bytes", "sas"})->UseManualTime();
  for (const int64_t sas : {1, 10000})
    for (const int64_t aes : {128, 256})
      for (const int64_t bytes : {64, 512, 1400})
        bench->Args({aes, bytes, sas});
}

BENCHMARK(outbound)->Apply(rows);
BENCHMARK(inbound)->Apply(rows);

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  return sallyport::bench::run_benchmarks(argc, argv, sallyport::bench::Pages::kHuge, "1024");
}
