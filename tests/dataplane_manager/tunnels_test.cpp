// SPDX-License-Identifier: BSD-3-Clause
// What is learnt about a tunnel's path MTU (RFC 1191): believed down to a floor, never upwards, and
// forgotten.
#include "dataplane/manager/tunnels.h"

#include "tests/dataplane_manager/parts.h"

namespace sallyport::dataplane::testing {
namespace {

constexpr uint32_t kTunnel = 3;
constexpr uint64_t kSecondNs = 1'000'000'000;

class TunnelsTest : public NextHopTest {
 protected:
  TunnelsTest() : NextHopTest({.workers = 1, .slots = 16, .neighbours = 16, .groups = 16, .tunnels = 16}) {
    EXPECT_EQ(tunnels_.set_tunnel(tunnel_message(kTunnel)).error, api::Error::kNone);
  }

  uint16_t mtu() const { return world_.tunnels.at(kTunnel)->path_mtu_bytes; }
  void refresh_all(uint64_t now_ns) {
    for (int share = 0; share < 10; ++share)
      tunnels_.refresh_path_mtus(now_ns);
  }
  void send_event(std::span<const std::byte> bytes) {
    ASSERT_EQ(bytes.size(), sizeof(api::PathMtuChanged));
    told_.push_back(as<api::PathMtuChanged>(bytes).path_mtu_bytes);
  }

  std::vector<uint32_t> told_;
  TablesContext context_{
      world_, pools_, Retirer(world_.qsbr()), {}, 1500, [this](auto bytes) { send_event(bytes); }, {}};
  Tunnels tunnels_{context_};
};

TEST_F(TunnelsTest, LearnWhatIsSmallerAndTellOnce) {
  EXPECT_EQ(mtu(), 1500);
  tunnels_.learn_path_mtu(kTunnel, 1400, kSecondNs);
  EXPECT_EQ(mtu(), 1400);
  tunnels_.learn_path_mtu(kTunnel, 1400, 2 * kSecondNs);
  tunnels_.learn_path_mtu(kTunnel, 1450, 3 * kSecondNs);
  EXPECT_EQ(mtu(), 1400) << "it grows by age alone";
  EXPECT_EQ(told_, (std::vector<uint32_t>{1400}));
  tunnels_.learn_path_mtu(kTunnel + 1, 1000, kSecondNs);  // of no tunnel
}

TEST_F(TunnelsTest, DoNotBelieveLessThanTheFloor) {
  tunnels_.learn_path_mtu(kTunnel, 68, kSecondNs);
  EXPECT_EQ(mtu(), 576);
}

// RFC 1191 section 7.1, for routers that don't say how large.
TEST_F(TunnelsTest, GoDownByPlateausWhereNoneIsTold) {
  for (const uint16_t plateau : {1492, 1006, 576, 576}) {
    tunnels_.learn_path_mtu(kTunnel, 0, kSecondNs);
    EXPECT_EQ(mtu(), plateau);
  }
}

TEST_F(TunnelsTest, ForgetTenMinutesAfterItWasToldLast) {
  constexpr uint64_t kTold = 5 * kSecondNs, kAgain = 100 * kSecondNs;
  tunnels_.learn_path_mtu(kTunnel, 1300, kTold);
  tunnels_.learn_path_mtu(kTunnel, 1300, kAgain);
  refresh_all(kAgain + 600 * kSecondNs - 1);
  EXPECT_EQ(mtu(), 1300);
  refresh_all(kAgain + 600 * kSecondNs);
  EXPECT_EQ(mtu(), 1500);
  EXPECT_EQ(told_, (std::vector<uint32_t>{1300, 1500}));
}

TEST_F(TunnelsTest, FollowTheirPort) {
  port_.mtu_bytes = 1280;
  refresh_all(kSecondNs);
  EXPECT_EQ(mtu(), 1280);
  tunnels_.learn_path_mtu(kTunnel, 1400, kSecondNs);
  EXPECT_EQ(mtu(), 1280);
}

}  // namespace
}  // namespace sallyport::dataplane::testing
