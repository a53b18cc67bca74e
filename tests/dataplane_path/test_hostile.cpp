// SPDX-License-Identifier: BSD-3-Clause
// Input that broke other gateways: odd buffers, odd headers, fragments that make no packet. Every test also
// checks that no packet buffer is lost.
#include <random>

#include "dataplane/path/context.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

class HostileTest : public PathTest {};

// A packet of several segments, cut at these offsets.
rte_mbuf* in_segments(const Bytes& bytes, std::vector<size_t> cuts) {
  cuts.push_back(bytes.size());
  rte_mbuf* head = nullptr;
  size_t from = 0;
  for (const size_t to : cuts) {
    rte_mbuf* segment = to_packet(
        Bytes(bytes.begin() + static_cast<ptrdiff_t>(from), bytes.begin() + static_cast<ptrdiff_t>(to)));
    if (head == nullptr) {
      head = segment;
    } else {
      EXPECT_EQ(rte_pktmbuf_chain(head, segment), 0);
    }
    from = to;
  }
  return head;
}

Bytes fragmentation_needed(const Bytes& quoted, uint16_t mtu) {
  Bytes icmp(8);
  icmp[0] = 3;
  icmp[1] = 4;
  put16(icmp, 6, mtu);
  icmp.insert(icmp.end(), quoted.begin(), quoted.end());
  put16(icmp, 2, internet_checksum(icmp, 0, icmp.size()));
  return ipv4(icmp, {0xc6336409, kPublicA, 1});
}

TEST_F(HostileTest, ForwardsEspWhereverItsSegmentsAreCut) {
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  const size_t frame_bytes = 14 + seal(SiteA().inbound, 1, inner).size();
  for (size_t cut = 1; cut < frame_bytes; ++cut) {
    SCOPED_TRACE(cut);
    SiteA a;
    a.add_sas();
    const Bytes frame = ethernet(seal(a.inbound, 1, inner), a.gateway.mac(kPublicPort));
    a.gateway.receive(kPublicPort, in_segments(frame, {cut}));
    a.gateway.poll();
    const auto sent = a.gateway.sent(kLanPort);
    ASSERT_EQ(sent.size(), 1u);
    ASSERT_EQ(without_ethernet(sent[0]), forwarded(inner));
    if (cut > 70) cut += 6;  // header by header first, then not every byte
  }
}

TEST_F(HostileTest, QuotesWhatCameInSegments) {
  SiteA a;
  a.add_sas();
  const Bytes packet = ipv4_of_size(400, {kHostA, kHostB, 17, 0, 1});
  a.gateway.receive(kLanPort, in_segments(ethernet(packet, a.gateway.mac(kLanPort)), {14 + 20, 200, 300}));
  a.gateway.poll();
  const auto told = a.gateway.sent(kLanPort);
  ASSERT_EQ(told.size(), 1u);
  const Bytes icmp = without_ethernet(told[0]);
  EXPECT_EQ(icmp.at(20), 11);
  EXPECT_EQ(Bytes(icmp.begin() + 28, icmp.end()), packet);
}

TEST_F(HostileTest, ReadsAnIcmpErrorThatCameInSegments) {
  SiteA a;
  a.add_sas();
  Bytes quoted = ipv4_of_size(200, {kPublicA, kPublicB, 50});
  put32(quoted, 20, a.outbound.spi);
  const Bytes frame = ethernet(fragmentation_needed(quoted, 1300), a.gateway.mac(kPublicPort));
  a.gateway.receive(kPublicPort, in_segments(frame, {110}));
  a.gateway.poll();
  const PacketPtr punted = a.gateway.exception();
  ASSERT_NE(punted, nullptr);
  EXPECT_EQ(meta_of(punted.get()).kind, MetaKind::kPathMtuIcmp);
  EXPECT_EQ(punted->nb_segs, 1);
}

TEST_F(HostileTest, LeavesBuffersOfOthersAlone) {
  SiteA a;
  a.add_sas();
  const Bytes frame = ethernet(ipv4_of_size(100), a.gateway.mac(kLanPort));
  const Bytes esp =
      ethernet(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA})), a.gateway.mac(kPublicPort));
  const PacketPtr shared(to_packet(frame)), shared_esp(to_packet(esp));
  rte_mbuf_refcnt_update(shared.get(), 1);
  rte_mbuf_refcnt_update(shared_esp.get(), 1);
  a.gateway.receive(kLanPort, shared.get());
  a.gateway.receive(kPublicPort, shared_esp.get());
  rte_mbuf* indirect = rte_pktmbuf_clone(shared.get(), packet_pool());
  ASSERT_NE(indirect, nullptr);
  a.gateway.receive(kLanPort, indirect);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 2u);
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
  EXPECT_EQ(to_bytes(shared.get()), frame);
  EXPECT_EQ(to_bytes(shared_esp.get()), esp);
  EXPECT_EQ(rte_mbuf_refcnt_read(shared.get()), 1);
}

TEST_F(HostileTest, GrowsAPacketThatFillsItsBuffer) {
  SiteA a;
  a.add_sas();
  a.tunnel->path_mtu_bytes = 9000;
  const Bytes packet = ipv4_of_size(1900);
  rte_mbuf* frame = to_packet(ethernet(packet, a.gateway.mac(kLanPort)));
  // Right up to the buffer's end: no room for padding, trailer and ICV.
  auto* start = rte_pktmbuf_mtod(frame, uint8_t*);
  const auto move = static_cast<uint16_t>(rte_pktmbuf_tailroom(frame));
  std::memmove(start + move, start, frame->data_len);
  frame->data_off = static_cast<uint16_t>(frame->data_off + move);
  a.gateway.receive(kLanPort, frame);
  // Nor any room in front.
  rte_mbuf* early = to_packet(ethernet(packet, a.gateway.mac(kLanPort)));
  std::memmove(early->buf_addr, rte_pktmbuf_mtod(early, uint8_t*), early->data_len);
  early->data_off = 0;
  a.gateway.receive(kLanPort, early);
  a.gateway.poll();
  const auto sent = a.gateway.sent(kPublicPort);
  ASSERT_EQ(sent.size(), 2u);
  for (const Bytes& esp : sent) {
    const auto opened = open(a.outbound, 0, without_ethernet(esp));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->inner, forwarded(packet));
  }
}

struct OptionCase {
  const char* description;
  Bytes options;
  bool passes;
};

TEST_F(HostileTest, ForwardsOptionsButNoSourceRoutes) {
  const std::vector<OptionCase> cases = {
      {"router alert", {148, 4, 0, 0}, true},
      {"end of options, then anything", {0, 131, 255, 1}, true},
      {"record route", {7, 7, 4, 0, 0, 0, 0, 0}, true},
      {"loose source route", {131, 7, 4, 10, 2, 0, 9, 0}, false},
      {"strict source route behind a nop", {1, 137, 7, 4, 10, 2, 0, 9}, false},
      {"an option without its length", {1, 1, 1, 7}, false},
      {"an option of length zero", {7, 0, 0, 0}, false},
      {"an option beyond the header", {7, 5, 0, 0}, false},
  };
  for (const OptionCase& test : cases) {
    SCOPED_TRACE(test.description);
    SiteA a;
    a.add_sas();
    const Bytes out = with_options(ipv4_of_size(100), test.options);
    const Bytes in = with_options(ipv4_of_size(100, {kHostB, kHostA}), test.options);
    a.from_lan(out);
    a.from_outside(seal(a.inbound, 1, in));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.sent(kPublicPort).size(), test.passes ? 1u : 0u);
    EXPECT_EQ(a.gateway.sent(kLanPort).size(), test.passes ? 1u : 0u);
    EXPECT_EQ(a.gateway.drops(api::DropReason::kIpOptions), test.passes ? 0u : 2u);
    EXPECT_EQ(a.gateway.all_drops(), test.passes ? 0u : 2u);
  }
}

TEST_F(HostileTest, DoesNotRouteWhatTheLinkLayerSentToMany) {
  const rte_ether_addr broadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, multicast{{0x01, 0, 0x5e, 0, 0, 5}};
  for (const rte_ether_addr& destination : {broadcast, multicast}) {
    SiteA a;
    a.add_sas();
    a.gateway.receive(kLanPort, ethernet(ipv4_of_size(100), destination));
    a.gateway.receive(kPublicPort,
                      ethernet(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA})), destination));
    a.gateway.receive(kLanPort, ethernet(ipv4_of_size(100, {kHostA, 0xe0000005}), destination));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(api::DropReason::kNotForUs), 2u);
    EXPECT_TRUE(a.gateway.sent(kPublicPort).empty());
    EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
    EXPECT_NE(a.gateway.exception(), nullptr);  // OSPF's hello goes to the gateway itself
  }
}

struct InnerCase {
  const char* description;
  api::DropReason reason;
  Bytes inner;
};

TEST_F(HostileTest, DropsDecryptedPacketsWithWrongHeaders) {
  const auto changed = [](size_t at, uint32_t value) {
    Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
    put16(inner, at, value);
    return inner;
  };
  const std::vector<InnerCase> cases = {
      {"total length 0", api::DropReason::kInnerBadHeader, changed(2, 0)},
      {"total length below the header", api::DropReason::kInnerBadHeader, changed(2, 19)},
      {"total length beyond the packet", api::DropReason::kInnerBadHeader, changed(2, 101)},
      {"a header of 16 bytes", api::DropReason::kInnerBadHeader, changed(0, 0x4400)},
      {"a header beyond the packet", api::DropReason::kInnerBadHeader, ipv4_of_size(24)},
      {"half a header", api::DropReason::kInnerBadHeader, Bytes(10, 0x45)},
      {"nothing", api::DropReason::kInnerBadHeader, {}},
      {"version 6", api::DropReason::kNextHeader, changed(0, 0x6500)},
  };
  for (InnerCase test : cases) {
    SCOPED_TRACE(test.description);
    if (test.inner.size() == 24) test.inner[0] = 0x4f;
    SiteA a;
    a.add_sas();
    a.from_outside(seal(a.inbound, 1, test.inner, {.next_header = 4}));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(test.reason), 1u);
    EXPECT_EQ(a.gateway.all_drops(), 1u);
    EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
  }
}

// Fragments at random offsets and of random lengths: whatever they make, nothing may leak or be delivered.
TEST_F(HostileTest, SurvivesFragmentsThatOverlapOrEndTwice) {
  SiteA a;
  a.add_sas();
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 12; ++i) {
      const uint16_t offset =
          static_cast<uint16_t>(random() % 4 == 0 ? 0x1fff - random() % 4 : random() % 20);
      const uint16_t more = random() % 3 != 0 ? 0x2000 : 0;
      const uint8_t protocol = random() % 2 == 0 ? 50 : 17;
      Bytes fragment = ipv4_of_size(20 + random() % 1400,
                                    {kPublicB, kPublicA, protocol, 0, 64, static_cast<uint16_t>(random() % 3),
                                     static_cast<uint16_t>(offset | more)});
      if (random() % 4 == 0) fragment = with_options(fragment, Bytes(4 * (1 + random() % 10), 1));
      a.from_outside(fragment);
    }
    a.gateway.poll(2);
  }
  while (a.gateway.exception() != nullptr) {
  }
  EXPECT_TRUE(a.gateway.sent(kLanPort).empty());
  a.from_outside(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
}

TEST_F(HostileTest, CountsWhatAFullHandoverRingLoses) {
  SiteA a({.workers = 2, .slot = 5});
  a.add_sas();
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 900; ++i)
      a.from_lan(ipv4_of_size(60), 0);
    for (int i = 0; i < 20; ++i)
      a.gateway.worker(0).poll_once();  // worker 1 does not run
  }
  EXPECT_GT(a.gateway.drops(api::DropReason::kHandoverRingFull), 0u);
  EXPECT_EQ(a.gateway.counters(0).handed_over + a.gateway.drops(api::DropReason::kHandoverRingFull), 3600u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kHandoverRingFull), a.gateway.all_drops());
}

TEST_F(HostileTest, DropsEspHandedOverToAnSaThatIsGone) {
  SiteA a({.workers = 2, .slot = 5});
  a.add_sas();
  a.from_outside(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA})), 0);
  a.from_lan(ipv4_of_size(100), 0);
  a.gateway.worker(0).poll_once();
  a.tunnel->outbound_slot = api::kNone;
  a.gateway.world.inbound_sas.publish(5, nullptr);
  a.gateway.world.outbound_sas.publish(5, nullptr);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.drops(api::DropReason::kUnknownSpi), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kNoOutboundSa), 1u);
  EXPECT_EQ(a.gateway.all_drops(), 2u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
