// SPDX-License-Identifier: BSD-3-Clause
// Probes, health and failover of the real process, with a peer on OpenSSL that answers or doesn't: which
// tunnel carries, what is told, and what nobody may do with the probes' addresses.
#include <chrono>
#include <functional>
#include <map>

#include "tests/dataplane/ipv6_packets.h"
#include "tests/dataplane_manager/site.h"

namespace sallyport::test {
namespace {

using api::HealthCause;
using dataplane::testing::get16;
using dataplane::testing::internet_checksum;
using dataplane::testing::put16;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kSecondTunnel = 4, kProbeSource = 0xa9fe7f01, kProbeTarget = 0xa9fe7f02;
constexpr int kWaitMs = 8000;
constexpr uint32_t kIntervalMs = 150, kHoldMs = 500;
constexpr uint16_t kMisses = 4;  // so that a peer on a busy machine is not late too often

struct Path {
  uint32_t inbound_spi, outbound_spi, slot;
  uint8_t key;
  bool alive = true;
  uint64_t sequence = 0;  // of the peer's last packet
  unsigned requests = 0;
};

api::Selector any(api::Family family) {
  api::Selector selector{};
  selector.family = family;
  selector.port_to = 65535;
  std::fill_n(selector.to.begin(), family == api::Family::kIpv4 ? 4 : 16, uint8_t{0xff});
  return selector;
}

// RFC 792: an echo request or answer around these data.
Frame echo(uint8_t type, const Frame& data, uint32_t source, uint32_t destination, uint8_t hops) {
  Frame message = {type, 0, 0, 0, 0, 1, 0, 1};
  message.insert(message.end(), data.begin(), data.end());
  put16(message, 2, internet_checksum(message, 0, message.size()));
  Ipv4Fields fields;
  fields.source = source;
  fields.destination = destination;
  fields.protocol = 1;
  fields.ttl = hops;
  return ipv4(message, fields);
}

// What a gateway answers an echo request with.
Frame answered(Frame packet) {
  for (size_t i = 0; i < 4; ++i)
    std::swap(packet[12 + i], packet[16 + i]);
  packet[20] = 0;
  put16(packet, 22, 0);
  put16(packet, 22, internet_checksum(packet, 20, packet.size()));
  return packet;
}

class ProbeTest : public SiteTest {
 protected:
  void SetUp() override {
    SiteTest::SetUp();
    if (HasFatalFailure()) return;
    paths_[kTunnel] = {0x12300005, 0xabcdef01, 5, 0x51};
    paths_[kSecondTunnel] = {0x12400006, 0xabcdef02, 6, 0x52};
    for (const auto& [id, path] : paths_)
      expect_ok(client_.request(tunnel_message(id)));
    for (const auto& [id, path] : paths_)
      install(id, path, api::Family::kIpv4);
  }

  static api::SetTunnel tunnel_message(uint32_t id) {
    auto tunnel = ApiClient::make<api::SetTunnel>(api::Type::kSetTunnel);
    tunnel.tunnel_id = tunnel.path_tunnel_id = id;
    tunnel.vrf_id = kVrf;
    tunnel.neighbour_id = kNextHopNeighbour;
    tunnel.hold_ms = kHoldMs;
    set_name(tunnel.name, "tunnel" + std::to_string(id));
    return tunnel;
  }
  static api::SetTunnel probed(uint32_t id) {
    auto tunnel = tunnel_message(id);
    tunnel.probe.kind = api::ProbeKind::kGateway;
    tunnel.probe.interval_ms = kIntervalMs;
    tunnel.probe.misses = kMisses;
    return tunnel;
  }
  void install(uint32_t id, const Path& path, api::Family family) {
    auto inbound = inbound_sa(path.inbound_spi, path.key);
    auto outbound = outbound_sa(path.outbound_spi, path.slot, path.key);
    inbound.tunnel_id = outbound.tunnel_id = id;
    for (api::Selector* selector :
         {&inbound.selectors[0], &inbound.selectors[1], &outbound.selectors[0], &outbound.selectors[1]})
      *selector = any(family);
    expect_ok(client_.request(inbound));
    expect_ok(client_.request(outbound));
  }
  void set_ranks(uint8_t first, uint8_t second, uint8_t preempt) {
    auto group = ApiClient::make<api::SetGroup>(api::Type::kSetGroup);
    group.group_id = kTunnelGroup;
    group.vrf_id = kVrf;
    group.member_count = 2;
    group.preempt = preempt;
    group.members[0] = {api::MemberKind::kTunnel, 1, 1, kTunnel, 100, 0, first};
    group.members[1] = {api::MemberKind::kTunnel, 1, 1, kSecondTunnel, 200, 0, second};
    set_name(group.name, "both");
    expect_ok(client_.request(group));
  }
  api::SetGroup group() {
    for (const auto& item : client_.dump<api::SetGroup>(api::Type::kSetGroup))
      if (item.group_id == kTunnelGroup) return item;
    return {};
  }
  HealthCause unhealthy(uint32_t id) {
    for (const auto& item : client_.dump<api::SetTunnel>(api::Type::kSetTunnel))
      if (item.tunnel_id == id) return static_cast<HealthCause>(item.unhealthy);
    return {};
  }

  void peer_sends_inner(uint32_t id, const Frame& inner) {
    Path& path = paths_.at(id);
    peer_sends_packet(peer_sends(path.inbound_spi, path.key), ++path.sequence, inner);
  }
  // The next packet out of the WAN port, opened, and the tunnel it came by.
  std::optional<std::pair<uint32_t, Frame>> next_inner(int timeout_ms) {
    const auto frame = wan_.receive_kind(0x0800, 50, timeout_ms);
    if (!frame) return std::nullopt;
    const Frame packet = ip_of(*frame);
    for (const auto& [id, path] : paths_)
      if (dataplane::testing::get32(packet, 20) == path.outbound_spi)
        if (const auto opened =
                dataplane::testing::open(peer_receives(path.outbound_spi, path.key), 0, packet))
          return std::pair(id, opened->inner);
    ADD_FAILURE() << "a packet that the peer could not open";
    return std::nullopt;
  }
  // The peer answers what comes by its living paths until `done`, or the time is up.
  bool serve(const std::function<bool()>& done, int timeout_ms = kWaitMs) {
    const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
    while (Clock::now() < end) {
      if (done()) return true;
      const auto received = next_inner(20);
      if (!received) continue;
      const auto& [id, inner] = *received;
      Path& path = paths_.at(id);
      if (inner.size() < 28 || inner[9] != 1 || inner[20] != 8) continue;
      ++path.requests;
      if (path.alive) peer_sends_inner(id, answered(inner));
    }
    return done();
  }
  template <typename Event>
  std::optional<Event> event_while_serving(api::Type type) {
    std::optional<Event> event;
    serve([&] { return (event = client_.wait_event<Event>(type, 0)).has_value(); });
    return event;
  }
  std::optional<api::HealthChanged> health_while_serving() {
    return event_while_serving<api::HealthChanged>(api::Type::kHealthChanged);
  }
  std::optional<api::GroupChanged> group_while_serving() {
    return event_while_serving<api::GroupChanged>(api::Type::kGroupChanged);
  }
  void forget_events() {
    while (client_.wait_event<api::GroupChanged>(api::Type::kGroupChanged, 0)) {
    }
  }

  std::map<uint32_t, Path> paths_;
};

TEST_F(ProbeTest, ASilentPathIsLeftAndComesBack) {
  for (const auto& [id, path] : paths_)
    expect_ok(client_.request(probed(id)));
  set_ranks(0, 1, 1);
  EXPECT_EQ(group().carrying, 0b01u);
  EXPECT_EQ(group().preempt, 1);
  ASSERT_TRUE(serve([&] { return paths_[kTunnel].requests > 5 && paths_[kSecondTunnel].requests > 5; }));
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kHealthy);

  paths_[kTunnel].alive = false;
  auto told = health_while_serving();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->tunnel_id, kTunnel);
  EXPECT_EQ(told->cause, HealthCause::kProbe);
  EXPECT_GE(told->after_ms, kMisses * kIntervalMs);
  EXPECT_LT(told->after_ms, 3 * kMisses * kIntervalMs);
  auto moved = group_while_serving();
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->group_id, kTunnelGroup);
  EXPECT_EQ(moved->carrying, 0b10u);
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kProbe);
  EXPECT_EQ(group().carrying, 0b10u);
  const unsigned before = paths_[kTunnel].requests;
  EXPECT_TRUE(serve([&] { return paths_[kTunnel].requests > before + 2; })) << "it is probed on";

  paths_[kTunnel].alive = true;
  told = health_while_serving();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cause, HealthCause::kHold);
  EXPECT_NEAR(told->hold_ms, kHoldMs, 1);
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kHold);
  EXPECT_EQ(group().carrying, 0b10u);
  told = health_while_serving();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cause, HealthCause::kHealthy);
  EXPECT_GE(told->after_ms, kHoldMs);
  moved = group_while_serving();
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->carrying, 0b01u);
}

TEST_F(ProbeTest, WithoutPreemptionTheStandbyKeepsTheTraffic) {
  expect_ok(client_.request(probed(kTunnel)));
  set_ranks(0, 1, 0);
  ASSERT_TRUE(serve([&] { return paths_[kTunnel].requests > 2; }));
  paths_[kTunnel].alive = false;
  ASSERT_TRUE(serve([&] { return group().carrying == 0b10; }));
  paths_[kTunnel].alive = true;
  ASSERT_TRUE(serve([&] { return unhealthy(kTunnel) == HealthCause::kHealthy; }));
  EXPECT_EQ(group().carrying, 0b10u);
  set_ranks(0, 1, 0);
  EXPECT_EQ(group().carrying, 0b10u) << "also where it is said again";
  set_ranks(0, 1, 1);
  EXPECT_EQ(group().carrying, 0b01u);
}

TEST_F(ProbeTest, WhereNobodyAnswersAllCarry) {
  for (auto& [id, path] : paths_) {
    expect_ok(client_.request(probed(id)));
    path.alive = false;
  }
  set_ranks(0, 0, 1);
  ASSERT_TRUE(serve([&] {
    return unhealthy(kTunnel) == HealthCause::kProbe && unhealthy(kSecondTunnel) == HealthCause::kProbe;
  }));
  EXPECT_EQ(group().carrying, 0b11u);
}

TEST_F(ProbeTest, OurRequestsAreOfTheFormThatThePeerExpects) {
  expect_ok(client_.request(probed(kTunnel)));
  const auto received = next_inner(kWaitMs);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->first, kTunnel);
  const Frame& packet = received->second;
  ASSERT_GE(packet.size(), 36u);
  EXPECT_EQ(dataplane::testing::get32(packet, 12), kProbeSource);
  EXPECT_EQ(dataplane::testing::get32(packet, 16), kProbeTarget);
  EXPECT_EQ(packet[8], 255) << "TTL";
  EXPECT_EQ(packet[9], 1);
  EXPECT_EQ(packet[20], 8);
  EXPECT_EQ(internet_checksum(packet, 0, 20), 0u);
  EXPECT_EQ(internet_checksum(packet, 20, packet.size()), 0u);
  const auto second = next_inner(kWaitMs);
  ASSERT_TRUE(second);
  EXPECT_NE(packet, second->second) << "another sequence number and nonce";
}

// A gateway that is asked answers on the tunnel that it was asked by, without any configuration.
TEST_F(ProbeTest, ARequestIsAnsweredOnItsTunnel) {
  // As our own look: the mark, the asker's tunnel id, a nonce.
  const Frame data = {0x53, 0x50, 0x50, 0x42, 0, 0, 0, 77, 1, 2, 3, 4, 5, 6, 7, 8};
  const Frame request = echo(8, data, kProbeSource, kProbeTarget, 255);
  for (const auto& [id, path] : paths_) {
    peer_sends_inner(id, request);
    const auto answer = next_inner(kWaitMs);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->first, id);
    const Frame& inner = answer->second;
    EXPECT_EQ(Frame(inner.begin() + 12, inner.end()), [&] {
      const Frame expected = answered(request);
      return Frame(expected.begin() + 12, expected.end());
    }()) << "addresses and message";
  }
  // Somebody behind the peer, which is one hop away; and an answer that nobody asked for.
  peer_sends_inner(kTunnel, echo(8, data, kProbeSource, kProbeTarget, 254));
  peer_sends_inner(kTunnel, echo(0, data, kProbeTarget, kProbeSource, 255));
  peer_sends_inner(kTunnel, echo(8, data, kFarHostAddress, kProbeTarget, 255));
  EXPECT_FALSE(next_inner(400));
}

// From the LAN nobody reaches the probes' addresses, of which the peer would otherwise think it was us.
TEST_F(ProbeTest, TheLanCannotUseTheProbeAddresses) {
  set_route(0, 0, kTunnelGroup);
  const Frame data(16, 1);
  lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, echo(8, data, kProbeSource, kProbeTarget, 255)));
  lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, echo(8, data, kHostAddress, kProbeTarget, 64)));
  lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, echo(0, data, kHostAddress, kProbeSource, 64)));
  EXPECT_FALSE(next_inner(400));
  lan_.send(ethernet(lan_mac_, kHostMac, 0x0800, echo(8, data, kHostAddress, kFarHostAddress, 64)));
  EXPECT_TRUE(next_inner(kWaitMs)) << "other echoes pass";
  auto route = ApiClient::make<api::SetRoute>(api::Type::kSetRoute);
  route.vrf_id = kVrf;
  route.group_id = kTunnelGroup;
  route.prefix = {address(kProbeTarget), 32, {}};
  EXPECT_EQ(client_.request(route).error, api::Error::kInvalid);
  for (const auto& item : client_.dump<api::SetRoute>(api::Type::kSetRoute))
    EXPECT_NE(item.prefix.address.bytes[0], 169) << "the route to them is nobody's";
}

// Only the tunnel that was asked about can answer.
TEST_F(ProbeTest, AnAnswerByAnotherTunnelIsNone) {
  expect_ok(client_.request(probed(kTunnel)));
  std::optional<api::HealthChanged> told;
  const auto end = Clock::now() + std::chrono::milliseconds(kWaitMs);
  while (!told && Clock::now() < end) {
    if (const auto received = next_inner(20)) peer_sends_inner(kSecondTunnel, answered(received->second));
    told = client_.wait_event<api::HealthChanged>(api::Type::kHealthChanged, 0);
  }
  ASSERT_TRUE(told);
  EXPECT_EQ(told->tunnel_id, kTunnel);
  EXPECT_EQ(told->cause, HealthCause::kProbe);
}

TEST_F(ProbeTest, AnEchoProbeIsAnsweredByTheTargetAndOthersGoToTheMirror) {
  MirrorDevice mirror("smvrf", TunnelDevice::kTun);
  auto message = ApiClient::make<api::SetMirror>(api::Type::kSetMirror);
  message.kind = api::MirrorKind::kVrf;
  message.id = kVrf;
  const int queue = mirror.queue();
  expect_ok(client_.request(message, std::span(&queue, 1)));
  auto tunnel = probed(kTunnel);
  tunnel.probe.kind = api::ProbeKind::kEcho;
  tunnel.probe.source = address(kLanAddress);
  tunnel.probe.target = address(kFarHostAddress);
  expect_ok(client_.request(tunnel));
  ASSERT_TRUE(serve([&] { return paths_[kTunnel].requests > kMisses + 3u; }));
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kHealthy);
  EXPECT_FALSE(mirror.receive(0)) << "the kernel has asked nothing";
  const Frame others = echo(0, Frame(16, 7), kFarHostAddress, kLanAddress, 64);
  peer_sends_inner(kTunnel, others);
  EXPECT_EQ(mirror.receive(kWaitMs), others);
  paths_[kTunnel].alive = false;
  EXPECT_TRUE(serve([&] { return unhealthy(kTunnel) == HealthCause::kProbe; }));
}

// Verified packets by the tunnel speak for it where its target answers by another one.
TEST_F(ProbeTest, OfASharedTargetOnlyASilentTunnelIsDown) {
  auto tunnel = probed(kTunnel);
  tunnel.probe.kind = api::ProbeKind::kEcho;
  tunnel.probe.shared_target = 1;
  tunnel.probe.source = address(kLanAddress);
  tunnel.probe.target = address(kFarHostAddress);
  expect_ok(client_.request(tunnel));
  paths_[kTunnel].alive = false;
  auto sent = Clock::now();
  const auto keep_busy = [&] {
    if (Clock::now() - sent > std::chrono::milliseconds(50)) {
      peer_sends_inner(kTunnel, to_host(100));
      sent = Clock::now();
    }
    return paths_[kTunnel].requests > 3u * kMisses;
  };
  ASSERT_TRUE(serve(keep_busy));
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kHealthy);
  EXPECT_TRUE(serve([&] { return unhealthy(kTunnel) == HealthCause::kProbe; }));
}

TEST_F(ProbeTest, WithoutAnOutboundSaNothingIsJudged) {
  expect_ok(delete_sa(api::Direction::kOutbound, 5, 0xabcdef01));
  expect_ok(client_.request(probed(kTunnel)));
  EXPECT_FALSE(next_inner(3 * kMisses * static_cast<int>(kIntervalMs)));
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kHealthy);
}

TEST_F(ProbeTest, ATunnelOfIpv6AloneIsProbedByIpv6) {
  expect_ok(delete_sa(api::Direction::kOutbound, 5, 0xabcdef01));
  expect_ok(delete_sa(api::Direction::kInbound, 5, 0x12300005));
  Path& path = paths_[kTunnel];
  path.inbound_spi += 1 << 20;
  path.outbound_spi += 0x100;
  install(kTunnel, path, api::Family::kIpv6);
  expect_ok(client_.request(probed(kTunnel)));
  const auto answer = [&](Frame packet) {  // RFC 4443 section 4.2; swapping the addresses keeps the sum
    for (size_t i = 0; i < 16; ++i)
      std::swap(packet[8 + i], packet[24 + i]);
    packet[40] = 129;
    put16(packet, 42, (get16(packet, 42) + 0xffff - 0x0100) % 0xffff);
    return packet;
  };
  for (unsigned count = 0; count < kMisses + 3u; ++count) {
    const auto received = next_inner(kWaitMs);
    ASSERT_TRUE(received);
    const Frame& packet = received->second;
    ASSERT_EQ(packet[0] >> 4, 6);
    EXPECT_EQ(packet[6], 58);
    EXPECT_EQ(packet[7], 255);
    EXPECT_EQ(packet[40], 128);
    EXPECT_EQ(packet[8], 0xfe);
    peer_sends_inner(kTunnel, answer(packet));
  }
  EXPECT_EQ(unhealthy(kTunnel), HealthCause::kHealthy);
  const auto received = next_inner(kWaitMs);
  ASSERT_TRUE(received);
  peer_sends_inner(kTunnel, received->second);  // asked the other way round
  const auto answered_by_gateway = next_inner(kWaitMs);
  ASSERT_TRUE(answered_by_gateway);
  EXPECT_EQ(answered_by_gateway->second, answer(received->second));
}

TEST_F(ProbeTest, SuspicionAndTheFallOfALinkCountAtOnce) {
  set_ranks(0, 1, 1);
  forget_events();
  auto tunnel = tunnel_message(kTunnel);
  tunnel.suspect = 1;
  expect_ok(client_.request(tunnel));
  auto told = client_.wait_event<api::HealthChanged>(api::Type::kHealthChanged, kWaitMs);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cause, HealthCause::kSuspect);
  EXPECT_EQ(group().carrying, 0b10u);
  tunnel.suspect = 0;
  expect_ok(client_.request(tunnel));
  told = client_.wait_event<api::HealthChanged>(api::Type::kHealthChanged, kWaitMs);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cause, HealthCause::kHold);
  told = client_.wait_event<api::HealthChanged>(api::Type::kHealthChanged, kWaitMs);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cause, HealthCause::kHealthy);
  EXPECT_EQ(group().carrying, 0b01u);

  wan_.set_far_link("down");
  for (int count = 0; count < 2; ++count) {
    told = client_.wait_event<api::HealthChanged>(api::Type::kHealthChanged, kWaitMs);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->cause, HealthCause::kLink);
  }
  EXPECT_EQ(group().carrying, 0b01u) << "of both";
  wan_.set_far_link("up");
  told = client_.wait_event<api::HealthChanged>(api::Type::kHealthChanged, kWaitMs);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cause, HealthCause::kHold);
}

// The CHILD_SAs of one IKE connection share the health of its path.
TEST_F(ProbeTest, ATunnelHasTheHealthOfItsPath) {
  auto child = tunnel_message(kSecondTunnel);
  child.path_tunnel_id = kTunnel;
  child.suspect = 1;  // doesn't count: it is no path of its own
  expect_ok(client_.request(child));
  set_ranks(0, 0, 1);
  EXPECT_EQ(unhealthy(kSecondTunnel), HealthCause::kHealthy);
  expect_ok(client_.request(probed(kTunnel)));
  paths_[kTunnel].alive = false;
  ASSERT_TRUE(serve([&] { return unhealthy(kTunnel) == HealthCause::kProbe; }));
  EXPECT_EQ(unhealthy(kSecondTunnel), HealthCause::kProbe);
  child.path_tunnel_id = kSecondTunnel;
  child.suspect = 0;
  expect_ok(client_.request(child));
  EXPECT_EQ(unhealthy(kSecondTunnel), HealthCause::kHealthy);
  EXPECT_EQ(group().carrying, 0b10u);
}

}  // namespace
}  // namespace sallyport::test
