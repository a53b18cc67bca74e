// SPDX-License-Identifier: BSD-3-Clause
// SAs whose addresses move (RFC 4555 section 3.5): keys, sequence numbers and replay window stay.
#include "tests/dataplane_manager/site.h"

namespace sallyport::test {
namespace {

constexpr uint32_t kSpi = 0x12300005, kOutboundSpi = 0xabcdef01, kSlot = 5, kMovedPeer = kPeerAddress + 7;
constexpr uint8_t kKey = 0x51, kOutboundKey = 0x52;
constexpr int kWaitMs = 3000, kSilenceMs = 300;

class MoveTest : public SiteTest {
 protected:
  void move(api::Direction direction, uint32_t spi, uint8_t encap) {
    auto update = ApiClient::make<api::UpdateSa>(api::Type::kUpdateSa);
    update.direction = direction;
    update.slot = kSlot;
    update.spi = spi;
    update.local = address(kGatewayAddress);
    update.remote = address(kMovedPeer);
    update.encap = encap;
    update.local_port = update.remote_port = encap != 0 ? 4500 : 0;
    expect_ok(client_.request(update));
  }
  // From where the peer now is.
  bool arrives(uint64_t sequence, bool encap, int wait_ms = kWaitMs) {
    auto peer = peer_sends(kSpi, kKey);
    peer.source = kMovedPeer;
    peer.encap = encap;
    peer_sends_packet(peer, sequence, to_host(100));
    return lan_.receive_kind(0x0800, 17, wait_ms).has_value();
  }
};

TEST_F(MoveTest, TheReplayWindowStays) {
  expect_ok(client_.request(inbound_sa(kSpi, kKey)));
  EXPECT_TRUE(arrives(10, false));
  for (const uint8_t encap : {0, 1}) {
    move(api::Direction::kInbound, kSpi, encap);
    EXPECT_FALSE(arrives(10, encap != 0, kSilenceMs)) << "seen before the move";
    EXPECT_TRUE(arrives(8u - encap, encap != 0)) << "in the window, not seen yet";
    EXPECT_TRUE(arrives(11u + encap, encap != 0));
  }
  EXPECT_FALSE(arrives(8, true, kSilenceMs));
}

TEST_F(MoveTest, SequenceNumbersGoOnBehindANat) {
  expect_ok(client_.request(outbound_sa(kOutboundSpi, kSlot, kOutboundKey)));
  auto peer = peer_receives(kOutboundSpi, kOutboundKey);
  const auto sent_number = [&](uint8_t protocol) {
    host_sends_packet(100);
    const auto frame = wan_.receive_kind(0x0800, protocol, kWaitMs);
    const auto opened = frame ? dataplane::testing::open(peer, 0, ip_of(*frame)) : std::nullopt;
    return opened ? opened->sequence_low : 0;
  };
  EXPECT_EQ(sent_number(50), 1u);
  move(api::Direction::kOutbound, kOutboundSpi, 1);
  peer.destination = kMovedPeer;
  peer.encap = true;
  EXPECT_EQ(sent_number(17), 2u) << "under the same key, in UDP to the new address";
  move(api::Direction::kOutbound, kOutboundSpi, 0);
  peer.encap = false;
  EXPECT_EQ(sent_number(50), 3u);
}

}  // namespace
}  // namespace sallyport::test
