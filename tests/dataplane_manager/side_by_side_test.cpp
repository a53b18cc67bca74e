// SPDX-License-Identifier: BSD-3-Clause
// Which outbound SAs a tunnel sends on, as the API installs, activates and deletes them, and by which of them
// its probes go.
#include <cstring>

#include "tests/dataplane_manager/parts.h"

namespace sallyport::dataplane::testing {
namespace {

constexpr uint32_t kTunnel = 3;
using Slots = std::vector<uint32_t>;

api::Selector network(uint8_t number) {
  api::Selector selector{};
  selector.family = api::Family::kIpv4;
  selector.port_to = 65535;
  selector.from = {10, number, 0, 0};
  selector.to = {10, number, 255, 255};
  return selector;
}

class SideBySideTest : public PartsTest {
 protected:
  SideBySideTest() : PartsTest(2) {
    EXPECT_EQ(tunnels_.set_tunnel(tunnel_message(kTunnel)).error, api::Error::kNone);
  }

  static api::SetOutboundSa sa(uint32_t slot, const std::vector<uint8_t>& remotes,
                               const std::vector<uint8_t>& locals = {1}) {
    auto sa = outbound_message(slot, kTunnel);
    for (const uint8_t number : locals)
      sa.selectors[sa.local_selector_count++] = network(number);
    for (const uint8_t number : remotes)
      sa.selectors[sa.local_selector_count + sa.remote_selector_count++] = network(number);
    return sa;
  }
  void install(const api::SetOutboundSa& message) {
    ASSERT_EQ(sas_.set_outbound(message).error, api::Error::kNone);
  }
  void activate(uint32_t slot) {
    auto message = make_message<api::ActivateSa>(api::Type::kActivateSa, 1);
    message.slot = slot;
    message.spi = 0x1000 + slot;
    ASSERT_EQ(sas_.activate(message).error, api::Error::kNone);
  }
  void remove(uint32_t slot) { PartsTest::remove(api::Direction::kOutbound, slot, 0x1000 + slot); }

  // As workers read it, newest first.
  Slots sent_on() const {
    const uint32_t word = world_.tunnels.at(kTunnel)->outbound_slot;
    Slots slots;
    if (word == api::kNone) return slots;
    for (uint32_t slot = word & ~kSeveralSas; slot != api::kNone; slot = world_.outbound_beside[slot])
      slots.push_back(slot);
    EXPECT_EQ((word & kSeveralSas) != 0, slots.size() > 1) << "one alone is found at once";
    return slots;
  }
  // As the API dumps it.
  Slots dumped() {
    Slots slots;
    const DumpSource source = sas_.dump_outbound();
    while (const auto bytes = source()) {
      api::SetOutboundSa message{};
      std::memcpy(static_cast<void*>(&message), bytes->data(), bytes->size());
      if (message.activate) slots.push_back(message.slot);
    }
    return slots;
  }
};

TEST_F(SideBySideTest, SasOfOtherSelectorsAreSentOnTogether) {
  EXPECT_EQ(sent_on(), Slots{});
  install(sa(5, {20}));
  EXPECT_EQ(sent_on(), Slots{5});
  install(sa(6, {21}));
  install(sa(7, {20}, {2}));
  install(sa(8, {20, 21}));
  EXPECT_EQ(sent_on(), (Slots{8, 7, 6, 5}));
  EXPECT_EQ(dumped(), (Slots{5, 6, 7, 8}));
  EXPECT_EQ(tunnels_.active(kTunnel), 8u);
}

TEST_F(SideBySideTest, ARekeyReplacesTheOneOfItsSelectors) {
  for (const uint8_t number : {0, 1, 2})
    install(sa(5 + number, {static_cast<uint8_t>(20 + number)}));
  install(sa(10, {22}));  // the newest one's
  EXPECT_EQ(sent_on(), (Slots{10, 6, 5}));
  install(sa(11, {21}));  // one between
  EXPECT_EQ(sent_on(), (Slots{11, 10, 5}));
  install(sa(12, {20}));  // the oldest one's
  EXPECT_EQ(sent_on(), (Slots{12, 11, 10}));
  EXPECT_EQ(dumped(), (Slots{10, 11, 12}));
  for (const uint32_t slot : {5, 6, 7})
    remove(slot);  // charon deletes the old ones later
  EXPECT_EQ(sent_on(), (Slots{12, 11, 10}));
}

TEST_F(SideBySideTest, OneSaAloneIsReplacedByItsRekey) {
  install(sa(5, {20, 21}, {1, 2}));
  install(sa(6, {21, 20}, {2, 1}));  // the order says nothing
  EXPECT_EQ(sent_on(), Slots{6});
  EXPECT_EQ(dumped(), Slots{6});
  auto later = sa(7, {20, 21}, {1, 2});
  later.activate = 0;
  install(later);
  EXPECT_EQ(sent_on(), Slots{6});
  activate(7);
  EXPECT_EQ(sent_on(), Slots{7});
  activate(6);
  EXPECT_EQ(sent_on(), Slots{6});
  install(sa(8, {1, 2}, {20, 21}));  // the sides are not the same
  EXPECT_EQ(sent_on(), (Slots{8, 6}));
}

TEST_F(SideBySideTest, OneThatIsSentOnStaysWhereItIs) {
  install(sa(5, {20}));
  install(sa(6, {21}));
  install(sa(7, {22}));
  activate(6);
  install(sa(5, {20}));
  EXPECT_EQ(sent_on(), (Slots{7, 6, 5}));
}

TEST_F(SideBySideTest, OneThatIsDeletedLeavesTheOthers) {
  for (const uint8_t number : {0, 1, 2, 3})
    install(sa(5 + number, {static_cast<uint8_t>(20 + number)}));
  remove(6);
  EXPECT_EQ(sent_on(), (Slots{8, 7, 5}));
  remove(8);
  EXPECT_EQ(sent_on(), (Slots{7, 5}));
  remove(5);
  EXPECT_EQ(sent_on(), Slots{7});
  EXPECT_EQ(dumped(), Slots{7});
  install(sa(9, {23}));
  EXPECT_EQ(sent_on(), (Slots{9, 7}));
  remove(9);
  remove(7);
  EXPECT_EQ(sent_on(), Slots{});
  EXPECT_EQ(tunnels_.active(kTunnel), api::kNone);
  install(sa(10, {20}));
  EXPECT_EQ(sent_on(), Slots{10});
}

// Workers may have come as far as it when it leaves.
TEST_F(SideBySideTest, OneThatLeavesTheListStillLeadsOnToThoseBehindIt) {
  for (const uint8_t number : {0, 1, 2, 3})
    install(sa(5 + number, {static_cast<uint8_t>(20 + number)}));
  const auto next_of = [&](uint32_t slot) { return world_.outbound_beside[slot].load(); };
  remove(6);
  EXPECT_EQ(next_of(6), 5u);
  remove(8);
  EXPECT_EQ(next_of(8), 7u);
  install(sa(9, {24}));
  install(sa(10, {22}));  // replaces 7
  EXPECT_EQ(sent_on(), (Slots{10, 9, 5}));
  EXPECT_EQ(next_of(7), 5u);
}

// To the home worker of an SA that lets it through, whichever is the newest.
TEST_F(SideBySideTest, AProbeGoesByAnSaThatLetsItThrough) {
  install(sa(4, {20}));
  install(sa(5, {21}));
  install(sa(6, {22}));
  auto workers_asked = [this, now_ns = uint64_t{0}](uint8_t target) mutable {
    auto message = tunnel_message(kTunnel);
    message.probe.kind = api::ProbeKind::kEcho;
    message.probe.interval_ms = 100;
    message.probe.misses = 3;
    message.probe.source = to_address(RTE_BE32(0x0a010001));
    message.probe.target = to_address(rte_cpu_to_be_32(0x0a000001 | uint32_t{target} << 16));
    liveness_.set_tunnel(message, now_ns);
    probes_.set_tunnel(message, now_ns);
    probes_.run(now_ns += 150'000'000);
    Slots workers;
    for (const uint32_t worker : {0, 1}) {
      void* object = nullptr;
      while (rte_ring_sc_dequeue(rings_->injections(worker), &object) == 0) {
        rte_pktmbuf_free(static_cast<rte_mbuf*>(object));
        workers.push_back(worker);
      }
    }
    return workers;
  };
  EXPECT_EQ(workers_asked(20), Slots{0});
  EXPECT_EQ(workers_asked(21), Slots{1});
  EXPECT_EQ(workers_asked(22), Slots{0});
  install(sa(7, {23}));
  EXPECT_EQ(workers_asked(22), Slots{0});
  EXPECT_EQ(workers_asked(99), Slots{1}) << "the newest will drop it";
}

}  // namespace
}  // namespace sallyport::dataplane::testing
