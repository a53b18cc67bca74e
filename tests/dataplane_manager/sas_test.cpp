// SPDX-License-Identifier: BSD-3-Clause
// What workers find in the SAs' tables.
#include "tests/dataplane_manager/parts.h"

namespace sallyport::dataplane::testing {
namespace {

constexpr uint32_t kTunnel = 3, kSlot = 5, kSpi = 0x12300000 | kSlot;

class SasTest : public PartsTest {
 protected:
  SasTest() : PartsTest(1) {
    EXPECT_EQ(tunnels_.set_tunnel(tunnel_message(kTunnel)).error, api::Error::kNone);
  }
};

// At once: what is freed later is nobody's by then. Workers come to an outbound SA by its tunnel, and those
// that have read its slot find it there until all have let go of it.
TEST_F(SasTest, ADeletedSaIsGoneForWorkersAtOnce) {
  auto inbound = sa_message<api::SetInboundSa>(api::Type::kSetInboundSa, kTunnel, kSpi);
  auto outbound = outbound_message(kSlot, kTunnel);
  inbound.local_selector_count = inbound.remote_selector_count = 1;
  outbound.local_selector_count = outbound.remote_selector_count = 1;
  inbound.selectors[0] = inbound.selectors[1] = outbound.selectors[0] = outbound.selectors[1] = any_ipv4();
  ASSERT_EQ(sas_.set_inbound(inbound).error, api::Error::kNone);
  ASSERT_EQ(sas_.set_outbound(outbound).error, api::Error::kNone);
  ASSERT_NE(world_.inbound_sas.at(kSlot), nullptr);
  ASSERT_NE(world_.outbound_sas.at(kSlot), nullptr);
  remove(api::Direction::kInbound, kSlot, kSpi);
  EXPECT_EQ(world_.inbound_sas.at(kSlot), nullptr);
  remove(api::Direction::kOutbound, kSlot, outbound.spi);
  EXPECT_EQ(world_.tunnels.at(kTunnel)->outbound_slot, api::kNone);
  EXPECT_NE(world_.outbound_sas.at(kSlot), nullptr);
  context_.retirer.poll();
  EXPECT_EQ(world_.outbound_sas.at(kSlot), nullptr);
}

}  // namespace
}  // namespace sallyport::dataplane::testing
