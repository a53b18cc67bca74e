// SPDX-License-Identifier: BSD-3-Clause
// One row of the instruction count: sends bursts through a rig's worker and lets callgrind see poll_once()
// alone. For bench/instructions, which runs it under valgrind. usage: count_instructions outbound|inbound
// AES_BITS BYTES SAS BURSTS
#include <rte_eal.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "bench/path_rig.h"

namespace sallyport::bench {
namespace {

constexpr uint32_t kFrames = 64;

struct Row {
  bool inbound;
  uint32_t ip_bytes, sas, bursts;

  // Some, and each SA's first packet, which has more to do than the others.
  uint32_t warm_up_bursts() const { return 4 + (sas + kFrames - 1) / kFrames; }
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "count_instructions: %s\n", what);
  std::exit(1);
}

void counted_poll(dataplane::Worker& worker, bool counted) {
  if (counted) CALLGRIND_TOGGLE_COLLECT;
  worker.poll_once();
  if (counted) CALLGRIND_TOGGLE_COLLECT;
}

void run_burst(PathRig& ours, PathRig& peer, rte_mempool* pool, const Row& row, uint32_t burst) {
  std::array<rte_mbuf*, kFrames> frames;
  const bool counted = burst >= row.warm_up_bursts();
  if (rte_pktmbuf_alloc_bulk(pool, frames.data(), kFrames) != 0) fail("out of packet buffers");
  for (uint32_t i = 0; i < kFrames; ++i)
    ours.write_lan_frame(frames[i], (burst * kFrames + i) % row.sas, row.ip_bytes);
  // What comes due by the clock (expiry, the clock's own setting) falls into some runs' counts and not into
  // others': an empty poll right before takes it.
  ours.worker().poll_once();
  ours.into_lan(frames);
  counted_poll(ours.worker(), counted && !row.inbound);
  if (ours.from_wan(frames) != kFrames) fail("a packet was not sent");
  for (rte_mbuf* frame : frames)
    peer.address_to_wan(frame);
  peer.worker().poll_once();
  peer.into_wan(frames);
  counted_poll(peer.worker(), counted && row.inbound);
  if (peer.from_lan(frames) != kFrames) fail("a packet was not delivered");
  rte_pktmbuf_free_bulk(frames.data(), kFrames);
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  using namespace sallyport::bench;
  if (argc != 6) fail("usage: count_instructions outbound|inbound AES_BITS BYTES SAS BURSTS");
  std::vector<const char*> arguments = {
      argv[0], "--no-huge", "-m", "512", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=*:error"};
  if (rte_eal_init(static_cast<int>(arguments.size()), const_cast<char**>(arguments.data())) < 0)
    fail("EAL did not start");
  const auto number = [&](int i) { return static_cast<uint32_t>(std::strtoul(argv[i], nullptr, 10)); };
  const Row row{std::string_view(argv[1]) == "inbound", number(3), number(4), number(5)};
  rte_mempool* pool = make_rig_pool("frames", 1023);
  PathRig ours({.sas = row.sas, .aes_bits = number(2)}, pool);
  PathRig peer({.sas = row.sas, .aes_bits = number(2), .is_peer = true}, pool);
  for (uint32_t burst = 0; burst < row.warm_up_bursts() + row.bursts; ++burst)
    run_burst(ours, peer, pool, row, burst);
  if (ours.drops() + peer.drops() != 0) fail("packets were dropped");
}
