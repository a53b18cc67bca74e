// SPDX-License-Identifier: BSD-3-Clause
// A flow keeps its order while its tunnel's outbound SA changes to another slot of the same home worker, with
// two workers that run on threads of their own.
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kPackets = 6000, kAhead = 256, kPacketsPerSa = 500;
constexpr std::array<uint32_t, 3> kSlots = {5, 7, 9};  // all of worker 1

Bytes numbered(uint32_t number) {
  Bytes packet = ipv4_of_size(100);
  put32(packet, 40, number);
  return packet;
}

TEST_F(PathTest, OrderIsKeptWhenTheOutboundSaChanges) {
  SiteA a({.workers = 2, .slot = kSlots[0]});
  std::array<OracleSa, kSlots.size()> sas;
  for (uint32_t i = 0; i < kSlots.size(); ++i) {
    sas[i] = a.outbound;
    sas[i].spi = 0x41000000 + i;
    sas[i].key = Bytes(20, static_cast<uint8_t>(0x30 + i));
    a.gateway.add_outbound(sas[i], kSlots[i], kTunnel);
  }
  std::array<uint64_t, kSlots.size()> by_sa{};
  uint32_t offered = 0, received = 0;
  const auto take = [&] {
    for (const Bytes& frame : a.gateway.sent(kPublicPort)) {
      const Bytes packet = without_ethernet(frame);
      const uint32_t sa = get32(packet, 20) - sas[0].spi;
      ASSERT_LT(sa, sas.size());
      const auto opened = open(sas[sa], 0, packet);
      ASSERT_TRUE(opened);
      ASSERT_EQ(get32(opened->inner, 40), received) << "out of order";
      ++by_sa[sa];
      ++received;
    }
  };
  {
    // Worker 0 receives and hands over, worker 1 encrypts and sends.
    const RunningWorkers running(a.gateway);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (received < kPackets && std::chrono::steady_clock::now() < deadline && !HasFatalFailure()) {
      for (uint32_t i = 0; i < 16 && offered < kPackets && offered - received < kAhead; ++i, ++offered) {
        if (offered % kPacketsPerSa == 0)
          a.tunnel->outbound_slot = kSlots[offered / kPacketsPerSa % kSlots.size()];
        a.from_lan(numbered(offered), 0);
      }
      take();
    }
  }
  take();
  EXPECT_EQ(received, kPackets);
  EXPECT_EQ(a.gateway.all_drops(), 0u);
  EXPECT_EQ(a.gateway.counters(0).handed_over, kPackets);
  for (const uint64_t packets : by_sa)
    EXPECT_GT(packets, 0u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
