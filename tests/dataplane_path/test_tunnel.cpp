// SPDX-License-Identifier: BSD-3-Clause
// Packets through whole gateways: into a tunnel, out of it, and on.
#include <functional>

#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

class TunnelTest : public PathTest {};

TEST_F(TunnelTest, CarriesAPacketFromLanToLan) {
  SiteA a;
  SiteB b;
  a.add_sas();
  b.add_sas();
  const Bytes packet = ipv4_of_size(300);
  a.from_lan(packet);
  a.gateway.poll();
  const std::vector<Bytes> esp = a.gateway.sent(kPublicPort);
  ASSERT_EQ(esp.size(), 1u);
  const auto opened = open(a.outbound, 0, without_ethernet(esp[0]));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner, forwarded(packet));
  EXPECT_EQ(opened->sequence_low, 1u);

  b.from_outside(without_ethernet(esp[0]));
  b.gateway.poll();
  const std::vector<Bytes> lan = b.gateway.sent(kLanPort);
  ASSERT_EQ(lan.size(), 1u);
  EXPECT_EQ(without_ethernet(lan[0]), forwarded(packet, 2));
  EXPECT_EQ(std::memcmp(lan[0].data(), mac_of(0x80 + kHostNeighbour).addr_bytes, 6), 0);
  EXPECT_EQ(std::memcmp(lan[0].data() + 6, b.gateway.mac(kLanPort).addr_bytes, 6), 0);
  EXPECT_EQ(a.gateway.all_drops() + b.gateway.all_drops(), 0u);
  EXPECT_EQ(b.gateway.inbound_row(4).packets, 1u);
  EXPECT_EQ(a.gateway.outbound_row(4).bytes, 300u);
}

TEST_F(TunnelTest, ForwardsBetweenNeighboursOfOneVrfInClear) {
  SiteA a;
  a.gateway.add_port(kOtherLanPort, kVrf, 0x0a030001);
  a.gateway.add_neighbour(7, kOtherLanPort, 0x0a030002);
  a.gateway.add_group(7, kVrf, {{api::MemberKind::kNeighbour, 1, 1, 7}});
  a.gateway.add_route(kVrf, 0x0a030002, 32, 7);
  const Bytes packet = ipv4_of_size(100, {kHostA, 0x0a030002});
  a.from_lan(packet);
  a.gateway.poll();
  const auto sent = a.gateway.sent(kOtherLanPort);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(without_ethernet(sent[0]), forwarded(packet));
}

// RFC 1812 section 5.2.2: fragments get checksums of their own, of a header that is right.
TEST_F(TunnelTest, FragmentsMakeNoWrongChecksumRight) {
  SiteB b;
  b.add_sas();
  b.gateway.port(kLanPort).mtu_bytes = 600;
  b.gateway.add_route(kVrf, 0x0a030000, 24, kGroupTunnel);
  uint64_t sequence = 0;
  for (const uint32_t destination : {kHostB, kLanB | 77, 0x0a030001u}) {  // a neighbour, none yet, a tunnel
    for (const uint16_t flags : {uint16_t{0}, kDf}) {
      SCOPED_TRACE(destination);
      Bytes wrong = ipv4_of_size(1480, {kHostA, destination, 17, 0, 64, 7, flags});
      wrong[10] ^= 1;
      b.from_outside(seal(b.inbound, ++sequence, wrong));
      b.gateway.poll();
      EXPECT_EQ(b.gateway.drops(api::DropReason::kIpBadHeader), sequence);
      EXPECT_EQ(b.gateway.all_drops(), sequence);
      EXPECT_TRUE(b.gateway.sent(kLanPort).empty());
      EXPECT_TRUE(b.gateway.sent(kPublicPort).empty());
      EXPECT_EQ(b.gateway.exception(), nullptr);
    }
  }
}

TEST_F(TunnelTest, SendsATunnelsPacketOnThroughAnotherTunnel) {
  SiteA a;
  a.add_sas();
  OracleSa third = a.outbound;
  third.spi = 0x77000009;
  third.destination = 0xc6336403;
  a.gateway.add_tunnel(2, kVrf, kPeerNeighbour);
  a.gateway.add_outbound(third, 9, 2);
  a.gateway.add_group(9, kVrf, {{api::MemberKind::kTunnel, 1, 1, 2}});
  a.gateway.add_route(kVrf, 0x0a090000, 16, 9);
  const Bytes packet = ipv4_of_size(100, {kHostB, 0x0a090001});
  a.from_outside(seal(a.inbound, 1, packet));
  a.gateway.poll();
  const auto sent = a.gateway.sent(kPublicPort);
  ASSERT_EQ(sent.size(), 1u);
  const auto opened = open(third, 0, without_ethernet(sent[0]));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner, forwarded(packet));
}

TEST_F(TunnelTest, HandsOverToTheHomeWorkerAndKeepsTheOrder) {
  SiteA a({.workers = 2, .slot = 5});
  SiteB b({.workers = 2, .slot = 5});
  a.add_sas();
  b.add_sas();
  std::vector<Bytes> packets;
  for (size_t i = 0; i < 150; ++i)
    packets.push_back(ipv4_of_size(60 + i));
  for (const Bytes& packet : packets)
    a.from_lan(packet, 0);
  a.gateway.poll(6);
  EXPECT_EQ(a.gateway.sent_by_queue(kPublicPort), (std::vector<uint32_t>{0, 150}));
  EXPECT_EQ(a.gateway.counters(0).handed_over, 150u);
  uint32_t sequence = 0;
  for (const Bytes& frame : a.gateway.sent(kPublicPort)) {
    const auto opened = open(a.outbound, 0, without_ethernet(frame));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->sequence_low, ++sequence);
    EXPECT_EQ(opened->inner, forwarded(packets[sequence - 1]));
    b.from_outside(without_ethernet(frame), 0);
  }
  b.gateway.poll(6);
  EXPECT_EQ(b.gateway.sent_by_queue(kLanPort), (std::vector<uint32_t>{0, 150}));
  const auto sent = b.gateway.sent(kLanPort);
  for (size_t i = 0; i < sent.size(); ++i)
    EXPECT_EQ(without_ethernet(sent[i]), forwarded(packets[i], 2));
  EXPECT_EQ(a.gateway.all_drops() + b.gateway.all_drops(), 0u);
}

TEST_F(TunnelTest, DecryptsABurstThatMixesSasAndVrfs) {
  SiteA a;
  a.add_sas();
  a.gateway.add_vrf(kOtherVrf);
  a.gateway.add_port(kOtherLanPort, kOtherVrf, kLanA | 1);
  a.gateway.add_neighbour(8, kOtherLanPort, kHostA);
  a.gateway.add_group(8, kOtherVrf, {{api::MemberKind::kNeighbour, 1, 1, 8}});
  a.gateway.add_route(kOtherVrf, kHostA, 32, 8);
  a.gateway.add_tunnel(2, kOtherVrf, kPeerNeighbour);
  OracleSa other = a.inbound;
  other.spi = 0x45600009;
  other.key = Bytes(36, 0x77);
  a.gateway.add_inbound(other, 2);
  for (uint64_t i = 1; i <= 20; ++i) {
    a.from_outside(seal(a.inbound, i, ipv4_of_size(100 + i, {kHostB, kHostA})));
    a.from_outside(seal(other, i, ipv4_of_size(200 + i, {kHostB, kHostA})));
  }
  a.gateway.poll();
  const auto first = a.gateway.sent(kLanPort), second = a.gateway.sent(kOtherLanPort);
  ASSERT_EQ(first.size(), 20u);
  ASSERT_EQ(second.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(without_ethernet(first[i]), forwarded(ipv4_of_size(101 + i, {kHostB, kHostA})));
    EXPECT_EQ(without_ethernet(second[i]), forwarded(ipv4_of_size(201 + i, {kHostB, kHostA})));
  }
}

struct InboundDrop {
  const char* description;
  api::DropReason reason;
  std::function<Bytes(const Site&)> packet;
};

TEST_F(TunnelTest, DropsWhatIsNotRightFromOutside) {
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  const auto sealed_by = [&](std::function<void(OracleSa&)> change) {
    return [&inner, change](const Site& site) {
      OracleSa sa = site.inbound;
      change(sa);
      return seal(sa, 1, inner);
    };
  };
  const std::vector<InboundDrop> cases = {
      {"an SPI nobody has", api::DropReason::kUnknownSpi, sealed_by([](OracleSa& sa) { sa.spi += 1; })},
      {"a live slot's other SPI", api::DropReason::kUnknownSpi,
       sealed_by([](OracleSa& sa) { sa.spi ^= 1 << 24; })},
      {"a slot beyond the table", api::DropReason::kUnknownSpi,
       sealed_by([](OracleSa& sa) { sa.spi |= api::kSlotMask; })},
      {"another key", api::DropReason::kIcvFailed, sealed_by([](OracleSa& sa) { sa.key[0] ^= 1; })},
      {"sequence number zero", api::DropReason::kReplay,
       [&](const Site& site) { return seal(site.inbound, 0, inner); }},
      {"only an ESP header", api::DropReason::kEspTooShort,
       [&](const Site& site) {
         Bytes esp(8);
         put32(esp, 0, site.inbound.spi);
         return ipv4(esp, {kPublicB, kPublicA, 50});
       }},
      {"half an SPI", api::DropReason::kEspTooShort,
       [&](const Site&) {
         return ipv4(Bytes(2), {kPublicB, kPublicA, 50});
       }},
      {"cleartext to the LAN", api::DropReason::kCleartextPublic, [&](const Site&) { return inner; }},
      {"cleartext to the far LAN", api::DropReason::kCleartextPublic,
       [&](const Site&) {
         return ipv4_of_size(100, {kPublicB, kHostB});
       }},
      {"cleartext to nobody we know", api::DropReason::kNotForUs,
       [&](const Site&) {
         return ipv4_of_size(100, {kPublicB, 0xc0000201});
       }},
      {"no route behind the tunnel", api::DropReason::kNoRoute,
       [&](const Site& site) {
         return seal(site.inbound, 1, ipv4_of_size(100, {kHostB, 0x0a0b0c0d}));
       }},
      {"a dummy", api::DropReason::kDummy,
       [&](const Site& site) {
         return seal(site.inbound, 1, inner, SealOptions{59, 0, {}, {}, {}});
       }},
  };
  for (const InboundDrop& test : cases) {
    SCOPED_TRACE(test.description);
    SiteA a;
    a.add_sas();
    a.from_outside(test.packet(a));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.drops(test.reason), 1u);
    EXPECT_EQ(a.gateway.sent(kLanPort).size(), 0u);
    EXPECT_EQ(a.gateway.exception(), nullptr);
  }
}

TEST_F(TunnelTest, NoRouteLeadsToMoreThanOneHost) {
  SiteB b;
  b.add_sas();
  b.gateway.add_route(kVrf, 0, 0, kGroupHost);
  b.gateway.add_route(kVrf, 0x80000000, 1, kGroupHost);
  uint64_t sequence = 0;
  for (const uint32_t destination :
       {0xdfffffffu, 0xe0000000u, 0xe0000005u, 0xefffffffu, 0xf0000000u, 0xffffffffu})
    b.from_outside(seal(b.inbound, ++sequence, ipv4_of_size(100, {kHostA, destination})));
  b.gateway.poll();
  std::vector<uint32_t> sent;
  for (const Bytes& frame : b.gateway.sent(kLanPort))
    sent.push_back(get32(without_ethernet(frame), 16));
  EXPECT_EQ(sent, (std::vector<uint32_t>{0xdfffffff, 0xf0000000}));
  EXPECT_EQ(b.gateway.drops(api::DropReason::kNoRoute), 4u);
  EXPECT_EQ(b.gateway.all_drops(), 4u);
  EXPECT_TRUE(b.gateway.sent(kPublicPort).empty()) << "no ICMP error about them";
}

TEST_F(TunnelTest, DropsAReplayInTheSameBurstAndLater) {
  SiteA a;
  a.add_sas();
  const Bytes packet = seal(a.inbound, 9, ipv4_of_size(100, {kHostB, kHostA}));
  a.from_outside(packet);
  a.from_outside(packet);
  a.gateway.poll();
  a.from_outside(packet);
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kReplay), 2u);
  EXPECT_EQ(a.gateway.inbound_row(4).replayed, 2u);
  EXPECT_EQ(a.gateway.inbound_row(4).right_edge, 9u);
}

TEST_F(TunnelTest, KeepsToTheSelectorsInBothDirections) {
  const api::Selector local = range(kLanA, kLanA | 127), remote = range(kLanB, kLanB | 127);
  SelectorSet selectors;
  ASSERT_EQ(selectors.assign({&local, 1}, {&remote, 1}), api::Error::kNone);
  SiteA a;
  a.add_sas(&selectors);
  a.from_lan(ipv4_of_size(100, {kHostA, kHostB}));
  a.from_lan(ipv4_of_size(100, {kHostA, kLanB | 200}));
  a.from_outside(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA})));
  a.from_outside(seal(a.inbound, 2, ipv4_of_size(100, {kLanB | 200, kHostA})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kPolicyOutbound), 1u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kPolicyInbound), 1u);
  EXPECT_EQ(a.gateway.inbound_row(4).policy_dropped, 1u);
  EXPECT_EQ(a.gateway.outbound_row(4).policy_dropped, 1u);
  // The decrypted packet, and to the LAN's sender that communication is prohibited.
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 2u);

  // An error from a router outside the selectors about a packet inside them.
  Bytes error(8);
  error[0] = 11;
  const Bytes quoted = ipv4_of_size(28, {kHostA, kHostB});
  error.insert(error.end(), quoted.begin(), quoted.end());
  a.from_outside(seal(a.inbound, 3, ipv4(error, {kLanB | 200, kHostA, 1})));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
}

TEST_F(TunnelTest, TellsOnceOfAPeerThatMoved) {
  SiteA a({.encap = true});
  a.add_sas();
  a.inbound_sa->remote = uint64_t{rte_cpu_to_be_32(kPublicB)} << 32 | 4500;
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  WorkerEvent event;
  a.from_outside(seal(a.inbound, 5, inner));
  a.gateway.poll();
  EXPECT_FALSE(a.gateway.rings->pop_event(0, event));
  OracleSa moved = a.inbound;
  moved.source = 0xc6336463;
  moved.source_port = 61000;
  a.from_outside(seal(moved, 4, inner));  // older than the newest: no proof of where the peer is now
  a.gateway.poll();
  EXPECT_FALSE(a.gateway.rings->pop_event(0, event));
  a.from_outside(seal(moved, 6, inner));
  a.from_outside(seal(moved, 7, inner));
  OracleSa forged = moved;
  forged.key[3] ^= 1;
  forged.source_port = 61001;
  a.from_outside(seal(forged, 8, inner));
  a.gateway.poll();
  ASSERT_TRUE(a.gateway.rings->pop_event(0, event));
  EXPECT_EQ(event.kind, EventKind::kPeerMoved);
  EXPECT_EQ(event.spi, a.inbound.spi);
  EXPECT_EQ(event.slot, 4u);
  EXPECT_EQ(ipv4_of(event.remote), 0xc6336463u);
  EXPECT_EQ(event.remote_port, 61000);
  while (a.gateway.rings->pop_event(0, event))
    EXPECT_EQ(event.kind, EventKind::kPacketAudited) << "of the forged one alone";
}

TEST_F(TunnelTest, TellsAgainOfAPeerThatNobodyFollowed) {
  SiteA a({.encap = true});
  a.add_sas();
  const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
  OracleSa moved = a.inbound;
  moved.source_port = 61000;
  uint64_t sequence = 0;
  const auto told_ports = [&] {
    a.from_outside(seal(moved, ++sequence, inner));
    a.gateway.poll();
    std::vector<uint16_t> ports;
    for (WorkerEvent event; a.gateway.rings->pop_event(0, event);)
      ports.push_back(event.remote_port);
    return ports;
  };
  EXPECT_EQ(told_ports(), std::vector<uint16_t>{61000});
  EXPECT_EQ(told_ports(), std::vector<uint16_t>{});
  a.inbound_sa->reported_ns -= 1'000'000'000;  // a second passes
  EXPECT_EQ(told_ports(), std::vector<uint16_t>{61000});
  moved.source_port = 61001;
  EXPECT_EQ(told_ports(), std::vector<uint16_t>{});  // a peer that jumps about makes no flood
  a.inbound_sa->reported_ns -= 100'000'000;
  EXPECT_EQ(told_ports(), std::vector<uint16_t>{61001});
  a.inbound_sa->remote = uint64_t{rte_cpu_to_be_32(moved.source)} << 32 | 61001;  // sallyportd follows
  a.inbound_sa->reported_ns -= 1'000'000'000;
  EXPECT_EQ(told_ports(), std::vector<uint16_t>{});
}

TEST_F(TunnelTest, TakesBothEncapsulationsAndFollowsOnlyWhereUdpIsUsed) {
  for (const bool negotiated : {false, true}) {
    SiteA a({.encap = negotiated});
    a.add_sas();
    OracleSa other = a.inbound;
    other.encap = !negotiated;
    other.source = 0xc6336463;  // from elsewhere, too
    a.from_outside(seal(other, 1, ipv4_of_size(100, {kHostB, kHostA})));
    a.gateway.poll();
    EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
    EXPECT_EQ(a.gateway.all_drops(), 0u);
    WorkerEvent event;
    EXPECT_FALSE(a.gateway.rings->pop_event(0, event));
  }
}

TEST_F(TunnelTest, TellsOfLifetimesInBothDirections) {
  SiteA a;
  a.add_sas(nullptr, {.soft_bytes = 0, .hard_bytes = 0, .soft_packets = 2, .hard_packets = 3});
  for (uint64_t i = 1; i <= 5; ++i) {
    a.from_lan(ipv4_of_size(100));
    a.from_outside(seal(a.inbound, i, ipv4_of_size(100, {kHostB, kHostA})));
  }
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kPublicPort).size(), 3u);
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 3u);
  EXPECT_EQ(a.gateway.drops(api::DropReason::kHardLifetime), 4u);
  std::array<uint32_t, 2> soft{}, hard{};
  WorkerEvent event;
  while (a.gateway.rings->pop_event(0, event)) {
    EXPECT_EQ(event.kind, EventKind::kSaExpired);
    EXPECT_EQ(event.cause, static_cast<uint8_t>(api::ExpireCause::kPackets));
    ++(event.hard != 0 ? hard : soft).at(event.outbound);
  }
  EXPECT_EQ(soft, (std::array<uint32_t, 2>{1, 1}));
  EXPECT_EQ(hard, (std::array<uint32_t, 2>{1, 1}));
}

}  // namespace

}  // namespace sallyport::dataplane::testing
