// SPDX-License-Identifier: BSD-3-Clause
// The records of what RFC 4303 calls auditable: each names the packet, and no flood of them gets far.
#include "dataplane/packet/addresses.h"
#include "dataplane/path/events.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

using api::AuditCause;

class AuditTest : public PathTest {
 protected:
  // The next event of that worker, which must be a record.
  static WorkerEvent record(Gateway& gateway, uint32_t worker = 0) {
    WorkerEvent event{};
    EXPECT_TRUE(gateway.rings->pop_event(worker, event));
    EXPECT_EQ(event.kind, EventKind::kPacketAudited);
    return event;
  }
  static bool is_silent(Gateway& gateway, uint32_t worker = 0) {
    WorkerEvent event{};
    return !gateway.rings->pop_event(worker, event);
  }
  static void expect_record(const WorkerEvent& event, AuditCause cause, const OracleSa& sa,
                            uint32_t sequence) {
    EXPECT_EQ(event.cause, static_cast<uint8_t>(cause));
    EXPECT_EQ(event.spi, sa.spi);
    EXPECT_EQ(event.sequence, sequence);
    EXPECT_TRUE(same_address(event.remote, source_of(sa)));
    EXPECT_TRUE(same_address(event.local, destination_of(sa)));
    EXPECT_EQ(event.unrecorded, 0u);
  }
};

// Sections 3.4.2, 3.4.3 and 3.4.4.1: SPI, addresses, sequence number and, for IPv6, the flow label.
TEST_F(AuditTest, NamesThePacketOfEachCause) {
  for (const auto outer : {api::Family::kIpv4, api::Family::kIpv6}) {
    for (const bool encap : {false, true}) {
      SCOPED_TRACE(::testing::Message() << static_cast<int>(outer) << (encap ? " in UDP" : ""));
      DualA a(outer, {.encap = encap});
      a.add_sas();
      OracleSa unknown = a.inbound, other_in_slot = a.inbound;
      unknown.spi = 0x77000030;
      other_in_slot.spi ^= 0x00100000;
      const Bytes inner = ipv4_of_size(100, {kHostB, kHostA});
      Bytes forged = seal(a.inbound, 4, inner);
      forged.back() ^= 1;
      const auto receive = [&](Bytes packet) {
        if (outer == api::Family::kIpv6) put32(packet, 0, 0x6000beef);  // a flow label
        a.from_outside(packet);
      };
      receive(seal(unknown, 0x01020304, inner));
      receive(seal(other_in_slot, 5, inner));
      receive(forged);
      receive(seal(a.inbound, 3, inner));
      receive(seal(a.inbound, 3, inner));  // in the same burst
      a.gateway.poll();
      receive(seal(a.inbound, 3, inner));  // and later
      a.gateway.poll();
      const uint32_t flow_label = outer == api::Family::kIpv6 ? 0xbeef : 0;
      const auto expect_next = [&](AuditCause cause, const OracleSa& sa, uint32_t sequence) {
        const WorkerEvent event = record(a.gateway);
        expect_record(event, cause, sa, sequence);
        EXPECT_EQ(event.flow_label, flow_label);
      };
      expect_next(AuditCause::kUnknownSpi, unknown, 0x01020304);
      expect_next(AuditCause::kUnknownSpi, other_in_slot, 5);
      expect_next(AuditCause::kIntegrity, a.inbound, 4);
      expect_next(AuditCause::kReplay, a.inbound, 3);
      expect_next(AuditCause::kReplay, a.inbound, 3);
      EXPECT_TRUE(is_silent(a.gateway));
      EXPECT_EQ(a.gateway.sent(kLanPort).size(), 1u);
      EXPECT_EQ(a.gateway.all_drops(), 5u);
    }
  }
}

TEST_F(AuditTest, OfASaThatWentWhileItsPacketWasHandedOver) {
  SiteA a({.workers = 2, .slot = 5});
  a.add_sas();
  a.from_outside(seal(a.inbound, 9, ipv4_of_size(100, {kHostB, kHostA})));
  a.gateway.worker(0).poll_once();
  a.gateway.world.inbound_sas.publish(5, nullptr);
  a.gateway.poll();
  expect_record(record(a.gateway, 1), AuditCause::kUnknownSpi, a.inbound, 9);
  EXPECT_TRUE(is_silent(a.gateway, 0));
}

TEST_F(AuditTest, APacketThatEndsBehindItsSpiHasNoNumber) {
  SiteA a;
  Bytes cut = seal(a.inbound, 9, ipv4_of_size(100, {kHostB, kHostA}));
  cut.resize(20 + 7);
  put16(cut, 2, 27);
  a.from_outside(with_checksum(cut));
  a.gateway.poll();
  expect_record(record(a.gateway), AuditCause::kUnknownSpi, a.inbound, 0);
}

// What is dropped for another reason is none of them.
TEST_F(AuditTest, SaysNothingOfOtherDrops) {
  SiteA a;
  a.add_sas();
  a.from_outside(seal(a.inbound, 1, ipv4_of_size(100, {kHostB, kHostA}), {.next_header = 59}));
  a.from_outside(seal(a.inbound, 2, ipv4_of_size(100, {kHostB, kHostA}), {.pad_length_says = 255}));
  a.from_outside(ipv4_of_size(100, {kPublicB, kHostA}));
  a.gateway.poll();
  EXPECT_EQ(a.gateway.all_drops(), 3u);
  EXPECT_TRUE(is_silent(a.gateway));
}

TEST_F(AuditTest, TenAtOnceThenOneASecondAndTheRestAsANumber) {
  Gateway gateway;
  PathContext context;
  context.rings = gateway.rings.get();
  context.now_ns = 1'000'000'000'000;
  OracleSa sa;
  const PacketPtr packet(to_packet(seal(sa, 1, ipv4_of_size(100))));
  for (int i = 0; i < 1000; ++i)
    audit(context, packet.get(), 20, AuditCause::kUnknownSpi);
  for (int i = 0; i < 10; ++i)
    expect_record(record(gateway), AuditCause::kUnknownSpi, sa, 1);
  EXPECT_TRUE(is_silent(gateway));
  // A flood of one cause hides no other.
  audit(context, packet.get(), 20, AuditCause::kIntegrity);
  expect_record(record(gateway), AuditCause::kIntegrity, sa, 1);
  context.now_ns += 1'000'000'000;
  for (int i = 0; i < 5; ++i)
    audit(context, packet.get(), 20, AuditCause::kUnknownSpi);
  EXPECT_EQ(record(gateway).unrecorded, 990u);
  EXPECT_TRUE(is_silent(gateway));
  context.now_ns += 1'000'000'000;
  audit(context, packet.get(), 20, AuditCause::kUnknownSpi);
  EXPECT_EQ(record(gateway).unrecorded, 4u);
}

// The ring belongs to the news about SAs, too: what finds no room is counted.
TEST_F(AuditTest, AFullRingIsCountedToo) {
  Gateway gateway;
  PathContext context;
  context.rings = gateway.rings.get();
  context.now_ns = 1'000'000'000'000;
  const PacketPtr packet(to_packet(seal(OracleSa(), 1, ipv4_of_size(100))));
  while (gateway.rings->push_event(0, {})) {
  }
  audit(context, packet.get(), 20, AuditCause::kReplay);
  WorkerEvent event{};
  while (gateway.rings->pop_event(0, event)) {
  }
  audit(context, packet.get(), 20, AuditCause::kReplay);
  EXPECT_EQ(record(gateway).unrecorded, 1u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
