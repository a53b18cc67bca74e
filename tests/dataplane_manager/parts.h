// SPDX-License-Identifier: BSD-3-Clause
// The manager's parts without a process around them, nor workers: a port, a next hop on it and a virtual
// network, and whatever of the manager a test is about.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/probes.h"
#include "dataplane/packet/addresses.h"

namespace sallyport::dataplane::testing {

inline constexpr uint32_t kPort = 0, kNextHop = 1, kVrf = 1;

// What tunnels need around them.
class NextHopTest : public ::testing::Test {
 protected:
  explicit NextHopTest(const WorldConfig& config) : world_(config) {
    port_.id = kPort;
    port_.mtu_bytes = 1500;
    neighbour_.id = kNextHop;
    neighbour_.port_id = kPort;
    vrf_.id = kVrf;
    world_.ports.publish(kPort, &port_);
    world_.neighbours.publish(kNextHop, &neighbour_);
    world_.vrfs.publish(kVrf, &vrf_);
  }

  static api::SetTunnel tunnel_message(uint32_t id) {
    auto message = make_message<api::SetTunnel>(api::Type::kSetTunnel, 1);
    message.tunnel_id = message.path_tunnel_id = id;
    message.vrf_id = kVrf;
    message.neighbour_id = kNextHop;
    return message;
  }

  Port port_;
  Neighbour neighbour_;
  Vrf vrf_;
  World world_;
  PacketPools pools_{16, 1500};
};

// Tunnels with SAs, and their probes.
class PartsTest : public NextHopTest {
 protected:
  explicit PartsTest(uint32_t workers)
      : NextHopTest({.workers = workers, .slots = kSlots, .neighbours = 16, .groups = 16, .tunnels = kSlots}),
        rings_(Rings::create({.workers = workers})) {}
  ~PartsTest() override { std::filesystem::remove(state_path()); }

  // Without selectors. 198.51.100.1 to 203.0.113.1.
  template <typename Message>
  static Message sa_message(api::Type type, uint32_t tunnel_id, uint32_t spi) {
    auto sa = make_message<Message>(type, 1);
    sa.tunnel_id = tunnel_id;
    sa.spi = spi;
    sa.keys.algorithm = api::Algorithm::kAes128Gcm16;
    sa.keys.key_bytes = 20;
    sa.local = to_address(RTE_BE32(0xc6336401));
    sa.remote = to_address(RTE_BE32(0xcb007101));
    return sa;
  }
  static api::SetOutboundSa outbound_message(uint32_t slot, uint32_t tunnel_id) {
    auto sa = sa_message<api::SetOutboundSa>(api::Type::kSetOutboundSa, tunnel_id, 0x1000 + slot);
    sa.slot = slot;
    sa.activate = 1;
    return sa;
  }
  static api::Selector any_ipv4() {
    api::Selector any{};
    any.family = api::Family::kIpv4;
    any.port_to = 65535;
    std::fill_n(any.to.begin(), 4, uint8_t{0xff});
    return any;
  }
  void remove(api::Direction direction, uint32_t slot, uint32_t spi) {
    auto message = make_message<api::DeleteSa>(api::Type::kDeleteSa, 1);
    message.direction = direction;
    message.slot = slot;
    message.spi = spi;
    ASSERT_EQ(sas_.remove(message, [] {}).error, api::Error::kNone);
  }

  static constexpr uint32_t kSlots = 256;

  TablesContext context_{world_, pools_, Retirer(world_.qsbr()), {}, 1500, [](auto) {}, {}};
  std::unique_ptr<Rings> rings_;
  std::unique_ptr<CryptoEngine> engine_ = CryptoEngine::create();
  SharedStateFile state_ = open_state();
  api::WorkerCounters counters_{};
  Tunnels tunnels_{context_};
  Sas sas_{context_, state_, tunnels_, *engine_};
  Liveness liveness_{context_, [](auto) {}};
  Injector injector_{*rings_, counters_};
  Probes probes_{{context_, injector_, tunnels_, sas_, liveness_}};

 private:
  static std::filesystem::path state_path() {
    return std::filesystem::temp_directory_path() / ("sallyport-parts-" + std::to_string(getpid()));
  }
  static SharedStateFile open_state() {
    auto state = SharedStateFile::open(state_path(), 1, kSlots);
    return std::move(state.value());
  }
};

}  // namespace sallyport::dataplane::testing
