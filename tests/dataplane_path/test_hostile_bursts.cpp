// SPDX-License-Identifier: BSD-3-Clause
// One hostile frame in the middle of a burst of good ones: it goes, under its own reason, and nothing else
// notices.
#include <functional>

#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;

constexpr uint32_t kOtherSlot = 0;  // the slot of SPI 0, too

enum class Verified { kNo, kYes };

struct HostileCase {
  const char* description;
  DropReason reason;
  std::function<Bytes(const Site&)> packet;
  Verified verified = Verified::kNo;
};

// A gateway with two inbound SAs; each gets packets 1 and 2 around the hostile frame.
class HostileBurst {
 public:
  HostileBurst() : other(site.inbound) {
    site.add_sas();
    other.spi = 0x45600000 | kOtherSlot;
    other.key = Bytes(36, 0x77);
    site.gateway.add_tunnel(2, kVrf, kPeerNeighbour);
    site.gateway.add_inbound(other, 2);
  }

  void receive_good(uint64_t sequence) {
    for (const OracleSa& sa : {site.inbound, other}) {
      good.push_back(ipv4_of_size(100 + good.size(), {kHostB, kHostA}));
      site.from_outside(seal(sa, sequence, good.back()));
    }
  }
  void expect_good() {
    const auto sent = site.gateway.sent(kLanPort);
    ASSERT_EQ(sent.size(), good.size());
    for (size_t i = 0; i < sent.size(); ++i)
      EXPECT_EQ(without_ethernet(sent[i]), forwarded(good[i]));
    EXPECT_TRUE(site.gateway.sent(kPublicPort).empty());
    EXPECT_EQ(site.gateway.exception(), nullptr);
  }
  void expect_row(uint32_t slot, uint64_t right_edge, uint64_t icv_failed) {
    const api::InboundRow& row = site.gateway.inbound_row(slot);
    EXPECT_EQ(row.right_edge, right_edge);
    EXPECT_EQ(row.icv_failed, icv_failed);
    EXPECT_EQ(row.replayed, 0u);
    EXPECT_EQ(row.policy_dropped, 0u);
  }
  void expect_dropped(rte_mbuf* frame, DropReason reason, Verified verified = Verified::kNo) {
    receive_good(1);
    site.gateway.receive(kPublicPort, frame);
    receive_good(2);
    site.gateway.poll();
    EXPECT_EQ(site.gateway.drops(reason), 1u);
    EXPECT_EQ(site.gateway.all_drops(), 1u);
    expect_good();
    expect_row(4, verified == Verified::kYes ? 3 : 2, reason == DropReason::kIcvFailed ? 1 : 0);
    expect_row(kOtherSlot, 2, 0);
  }
  void expect_dropped(const Bytes& packet, DropReason reason, Verified verified = Verified::kNo) {
    expect_dropped(to_packet(ethernet(packet, site.gateway.mac(kPublicPort))), reason, verified);
  }

  SiteA site;
  OracleSa other;
  std::vector<Bytes> good;
};

class HostileBurstTest : public PathTest {
 protected:
  static void run(const std::vector<HostileCase>& cases) {
    for (const HostileCase& test : cases) {
      SCOPED_TRACE(test.description);
      HostileBurst burst;
      burst.expect_dropped(test.packet(burst.site), test.reason, test.verified);
    }
  }
};

// Header, IV, one unit of text with pad length and next header, ICV.
constexpr size_t kLeastEsp = 8 + 8 + 4 + 16;

// ESP cut to so many bytes, with headers in front that agree.
Bytes cut_esp(OracleSa sa, size_t bytes) {
  const Bytes whole = seal(sa, 3, ipv4_of_size(40, {kHostB, kHostA}));
  const size_t outer_bytes = sa.encap ? 28 : 20;
  Bytes cut(whole.begin(), whole.begin() + static_cast<long>(outer_bytes + bytes));
  put16(cut, 2, static_cast<uint32_t>(cut.size()));
  cut = with_checksum(cut);
  if (sa.encap) put16(cut, 24, static_cast<uint32_t>(8 + bytes));
  cut.resize(std::max<size_t>(cut.size(), 46));  // the link layer pads
  return cut;
}

TEST_F(HostileBurstTest, EspTooShortForAnything) {
  for (const bool encap : {false, true}) {
    for (size_t bytes = 0; bytes < kLeastEsp; ++bytes) {
      SCOPED_TRACE(::testing::Message() << bytes << (encap ? " in UDP" : ""));
      HostileBurst burst;
      OracleSa sa = burst.site.inbound;
      sa.encap = encap;
      const bool no_spi = encap && bytes < 4;
      burst.expect_dropped(cut_esp(sa, bytes), no_spi ? DropReason::kUdpBadLength : DropReason::kEspTooShort);
    }
  }
}

TEST_F(HostileBurstTest, SpisOfNoSa) {
  const auto with_spi = [](uint32_t spi) {
    return [spi](const Site& site) {
      OracleSa sa = site.inbound;
      sa.spi = spi;
      return seal(sa, 3, ipv4_of_size(100, {kHostB, kHostA}));
    };
  };
  run({
      {"SPI 0, in whose slot another lives", DropReason::kUnknownSpi, with_spi(0)},
      {"SPI 4, in whose slot another lives", DropReason::kUnknownSpi, with_spi(4)},
      {"SPI 255", DropReason::kUnknownSpi, with_spi(255)},
      {"an SPI that nobody has", DropReason::kUnknownSpi, with_spi(0x77000030)},
      {"all ones", DropReason::kUnknownSpi, with_spi(0xffffffff)},
  });
}

// In the first place of a burst, where there is no packet before it to compare with.
TEST_F(HostileBurstTest, SpiZeroFirstIsNobodys) {
  HostileBurst burst;
  OracleSa zero = burst.other;
  zero.spi = 0;
  for (uint64_t sequence = 1; sequence <= 3; ++sequence)
    burst.site.from_outside(seal(zero, sequence, ipv4_of_size(100, {kHostB, kHostA})));
  burst.site.gateway.poll();
  EXPECT_TRUE(burst.site.gateway.sent(kLanPort).empty());
  EXPECT_EQ(burst.site.gateway.drops(DropReason::kUnknownSpi), 3u);
  EXPECT_EQ(burst.site.gateway.all_drops(), 3u);
  burst.expect_row(kOtherSlot, 0, 0);
}

Bytes changed(Bytes packet, size_t at, uint16_t value) {
  put16(packet, at, value);
  return packet;
}

Bytes good_esp(const Site& site) {
  return seal(site.inbound, 3, ipv4_of_size(100, {kHostB, kHostA}));
}

TEST_F(HostileBurstTest, OuterHeaders) {
  const auto outer = [](size_t at, uint16_t value) {
    return [at, value](const Site& site) { return changed(good_esp(site), at, value); };
  };
  run({
      {"total length 0", DropReason::kIpBadHeader, outer(2, 0)},
      {"total length below the header's", DropReason::kIpBadHeader, outer(2, 19)},
      {"total length beyond the frame", DropReason::kIpBadHeader, outer(2, 1400)},
      {"total length of all ones", DropReason::kIpBadHeader, outer(2, 0xffff)},
      {"header length 0", DropReason::kIpBadHeader, outer(0, 0x4000)},
      {"header length 16", DropReason::kIpBadHeader, outer(0, 0x4400)},
      {"version 6 in an IPv4 frame", DropReason::kIpBadHeader, outer(0, 0x6500)},
      {"half a header", DropReason::kIpBadHeader,
       [](const Site& site) {
         const Bytes esp = good_esp(site);
         return Bytes(esp.begin(), esp.begin() + 10);
       }},
      {"nothing", DropReason::kIpBadHeader, [](const Site&) { return Bytes{}; }},
  });
}

// All but ESP right behind a plain header, for whose other fields the ICV vouches.
TEST_F(HostileBurstTest, WrongHeaderChecksums) {
  const auto wrong = [](const Bytes& packet) { return changed(packet, 10, get16(packet, 10) ^ 0x0100); };
  const auto own = [](uint8_t protocol, uint16_t fragment) {
    return ipv4_of_size(60, {kPublicB, kPublicA, protocol, 0, 64, 7, fragment});
  };
  const auto is = [](const Bytes& packet) { return [packet](const Site&) { return packet; }; };
  run({
      {"ESP in UDP", DropReason::kIpBadHeader,
       [&](const Site& site) {
         OracleSa sa = site.inbound;
         sa.encap = true;
         return wrong(seal(sa, 3, ipv4_of_size(100, {kHostB, kHostA})));
       }},
      {"a fragment of ESP", DropReason::kIpBadHeader, is(wrong(own(50, 0x2000)))},
      {"a later one", DropReason::kIpBadHeader, is(wrong(own(50, 0x0004)))},
      {"ICMP", DropReason::kIpBadHeader, is(wrong(own(1, 0)))},
      {"UDP", DropReason::kIpBadHeader, is(wrong(own(17, 0)))},
      {"for another", DropReason::kIpBadHeader, is(wrong(ipv4_of_size(60, {kPublicB, kHostA})))},
  });
}

// Where the device looked at it, ours is not asked.
TEST_F(HostileBurstTest, TheDevicesVerdictOnAChecksumCounts) {
  SiteA a({.encap = true});
  a.add_sas();
  const auto receive = [&](const Bytes& packet, uint64_t verdict) {
    rte_mbuf* frame = to_packet(ethernet(packet, a.gateway.mac(kPublicPort)));
    frame->ol_flags |= verdict;
    a.gateway.receive(kPublicPort, frame);
    a.gateway.poll();
    return a.gateway.sent(kLanPort).size();
  };
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  const Bytes wrong = changed(seal(a.inbound, 1, inner), 10, 0x1234);
  EXPECT_EQ(receive(wrong, RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN), 0u);
  EXPECT_EQ(receive(seal(a.inbound, 2, inner), RTE_MBUF_F_RX_IP_CKSUM_BAD), 0u);
  EXPECT_EQ(a.gateway.drops(DropReason::kIpBadHeader), 2u);
  EXPECT_EQ(receive(wrong, RTE_MBUF_F_RX_IP_CKSUM_GOOD), 1u);
  const Bytes absent = changed(seal(a.inbound, 3, inner), 10, 0);
  EXPECT_EQ(receive(absent, RTE_MBUF_F_RX_IP_CKSUM_NONE), 1u) << "not in the packet, but known to be right";
  EXPECT_EQ(a.gateway.all_drops(), 2u);
}

TEST_F(HostileBurstTest, EspInUdp) {
  const auto in_udp = [](size_t at, uint16_t value) {
    return [at, value](const Site& site) {
      OracleSa sa = site.inbound;
      sa.encap = true;
      return changed(seal(sa, 3, ipv4_of_size(100, {kHostB, kHostA})), at, value);
    };
  };
  run({
      {"another port", DropReason::kNotForUs, in_udp(22, 4501)},
      {"a UDP length of 0", DropReason::kUdpBadLength, in_udp(24, 0)},
      {"a UDP length below the header's", DropReason::kUdpBadLength, in_udp(24, 7)},
      {"a UDP length beyond the packet", DropReason::kUdpBadLength, in_udp(24, 1400)},
      {"an SPI of another SA's slot", DropReason::kUnknownSpi, in_udp(28, 0x0001)},
  });
}

TEST_F(HostileBurstTest, WhatOnlyDecryptionShows) {
  const auto inner = [](size_t at, uint16_t value) {
    return [at, value](const Site& site) {
      return seal(site.inbound, 3, changed(ipv4_of_size(100, {kHostB, kHostA}), at, value));
    };
  };
  const auto with = [](const SealOptions& options) {
    return [options](const Site& site) {
      return seal(site.inbound, 3, ipv4_of_size(100, {kHostB, kHostA}), options);
    };
  };
  run({
      {"inner total length 0", DropReason::kInnerBadHeader, inner(2, 0), Verified::kYes},
      {"inner total length beyond the payload", DropReason::kInnerBadHeader, inner(2, 101), Verified::kYes},
      {"inner header length 16", DropReason::kInnerBadHeader, inner(0, 0x4400), Verified::kYes},
      {"inner header length 0", DropReason::kInnerBadHeader, inner(0, 0x4000), Verified::kYes},
      {"an inner version that is none", DropReason::kNextHeader, inner(0, 0x7500), Verified::kYes},
      {"next header of transport mode", DropReason::kNextHeader, with({.next_header = 6}), Verified::kYes},
      {"pad length beyond the payload", DropReason::kPadLength, with({.pad_length_says = 255}),
       Verified::kYes},
      {"a dummy", DropReason::kDummy, with({.next_header = 59}), Verified::kYes},
      {"CE outside, Not-ECT inside", DropReason::kEcn, with({.outer_tos = 3}), Verified::kYes},
  });
}

TEST_F(HostileBurstTest, Forgeries) {
  run({
      {"another key", DropReason::kIcvFailed,
       [](const Site& site) {
         OracleSa sa = site.inbound;
         sa.key[5] ^= 1;
         return seal(sa, 3, ipv4_of_size(100, {kHostB, kHostA}));
       }},
      {"a number far ahead that was not sealed", DropReason::kIcvFailed,
       [](const Site& site) { return changed(good_esp(site), 24, 0x7fff); }},
      {"an ICV of zeros", DropReason::kIcvFailed,
       [](const Site& site) {
         Bytes esp = good_esp(site);
         std::fill(esp.end() - 16, esp.end(), 0);
         return esp;
       }},
  });
}

TEST_F(HostileBurstTest, CleartextFromOutside) {
  const auto clear = [](uint32_t destination, uint8_t protocol) {
    return [destination, protocol](const Site&) {
      return ipv4_of_size(100, {kPublicB, destination, protocol});
    };
  };
  run({
      {"to a protected host", DropReason::kCleartextPublic, clear(kHostA, 17)},
      {"ICMP to a protected host", DropReason::kCleartextPublic, clear(kHostA, 1)},
      {"to a client's virtual address behind a tunnel", DropReason::kCleartextPublic, clear(kHostB, 6)},
      {"to the gateway's own protected address", DropReason::kCleartextPublic, clear(kLanA | 1, 17)},
      {"ESP to a protected host", DropReason::kCleartextPublic, clear(kHostA, 50)},
      {"TCP to the gateway", DropReason::kNotForUs, clear(kPublicA, 6)},
      {"IP in IP to the gateway", DropReason::kNotForUs, clear(kPublicA, 4)},
      {"AH to the gateway", DropReason::kNotForUs, clear(kPublicA, 51)},
      {"to a stranger", DropReason::kNotForUs, clear(0xc0000201, 17)},
  });
}

rte_mbuf* of_two_segments(size_t bytes) {
  rte_mbuf* head = to_packet(Bytes(bytes / 2, 0x45));
  EXPECT_EQ(rte_pktmbuf_chain(head, to_packet(Bytes(bytes - bytes / 2))), 0);
  return head;
}

// A frame of two segments for an IPv4 packet from the LAN, or of ESP from outside.
rte_mbuf* oversize(const Ipv4Fields& fields, const rte_ether_addr& mac) {
  constexpr uint32_t kBytes = 3600;
  Bytes packet = ipv4(Bytes(20), fields);
  put16(packet, 2, kBytes - 14);
  put16(packet, 10, 0);
  put16(packet, 10, internet_checksum(packet, 0, 20));
  const Bytes start = ethernet(packet, mac);
  rte_mbuf* frame = of_two_segments(kBytes);
  std::memcpy(rte_pktmbuf_mtod(frame, void*), start.data(), start.size());
  return frame;
}

TEST_F(HostileBurstTest, AFrameLargerThanABufferHasNoRoom) {
  HostileBurst burst;
  Gateway& gateway = burst.site.gateway;
  burst.expect_dropped(oversize({kPublicB, kPublicA, 50}, gateway.mac(kPublicPort)), DropReason::kNoRoom);
  gateway.receive(kLanPort, oversize({kHostA, kHostB}, gateway.mac(kLanPort)));
  gateway.poll();
  EXPECT_EQ(gateway.drops(DropReason::kNoRoom), 2u);
  EXPECT_EQ(gateway.all_drops(), 2u);
}

// Segments that would fit into one buffer, if there were any.
TEST_F(HostileBurstTest, WithoutBuffersACopyIsNotMade) {
  SiteA a;
  a.add_sas();
  rte_mbuf* frame = to_packet(ethernet(ipv4_of_size(200), a.gateway.mac(kLanPort)));
  rte_mbuf* tail = to_packet(Bytes());
  ASSERT_EQ(rte_pktmbuf_chain(frame, tail), 0);
  a.gateway.receive(kLanPort, frame);
  std::vector<PacketPtr> taken;
  while (rte_mbuf* packet = rte_pktmbuf_alloc(packet_pool()))
    taken.emplace_back(packet);
  a.gateway.poll();
  taken.clear();
  EXPECT_EQ(a.gateway.drops(DropReason::kNoMbuf), 1u);
  EXPECT_EQ(a.gateway.all_drops(), 1u);
}

TEST_F(HostileBurstTest, AnSaOfTheBurstIsGone) {
  HostileBurst burst;
  Gateway& gateway = burst.site.gateway;
  gateway.world.inbound_sas.publish(kOtherSlot, nullptr);
  for (uint64_t sequence = 1; sequence <= 3; ++sequence)
    burst.receive_good(sequence);
  gateway.poll();
  const auto sent = gateway.sent(kLanPort);
  ASSERT_EQ(sent.size(), 3u);
  for (size_t i = 0; i < sent.size(); ++i)
    EXPECT_EQ(without_ethernet(sent[i]), forwarded(burst.good[2 * i]));
  EXPECT_EQ(gateway.drops(DropReason::kUnknownSpi), 3u);
  EXPECT_EQ(gateway.all_drops(), 3u);
  burst.expect_row(kOtherSlot, 0, 0);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
