// SPDX-License-Identifier: BSD-3-Clause
// SAs by the API, with OpenSSL as the peer: they carry packets both ways, outlive the process where they
// must, and go without harm to what runs.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <set>

#include "dataplane/api/shared_state.h"
#include "tests/dataplane_manager/site.h"

namespace sallyport::test {
namespace {

constexpr uint32_t kInboundSpi = 0x12300005, kOutboundSpi = 0xabcdef01, kSlot = 5;
constexpr uint8_t kInboundKey = 0x51, kOutboundKey = 0x52;
constexpr int kWaitMs = 3000, kSilenceMs = 300;

class SaTest : public SiteTest {
 protected:
  void install_pair() {
    expect_ok(client_.request(inbound_sa(kInboundSpi, kInboundKey)));
    expect_ok(client_.request(outbound_sa(kOutboundSpi, kSlot, kOutboundKey)));
  }
  // The peer's packet number `sequence` comes out at the host.
  bool arrives(uint64_t sequence, int wait_ms = kWaitMs) {
    peer_sends_packet(peer_sends(kInboundSpi, kInboundKey), sequence, to_host(100));
    return lan_.receive_kind(0x0800, 17, wait_ms).has_value();
  }
  // The sequence number of the ESP packet that the host's packet became; 0: none came.
  uint64_t sent_sequence() {
    host_sends_packet(100);
    const auto frame = wan_.receive_kind(0x0800, 50, kWaitMs);
    if (!frame) return 0;
    const auto opened = dataplane::testing::open(peer_receives(kOutboundSpi, kOutboundKey), 0, ip_of(*frame));
    EXPECT_TRUE(opened) << "the peer could not open our packet";
    if (!opened) return 0;
    EXPECT_EQ(opened->inner.size(), 100u);
    EXPECT_TRUE(ivs_.insert(opened->iv).second) << "an IV was used twice under one key: " << opened->iv;
    return opened->sequence_low;
  }
  void restart(int signal) {
    gateway_.stop(signal);
    client_ = ApiClient();
    gateway_.start(client_);
    program();
  }

  std::set<uint64_t> ivs_;
};

TEST_F(SaTest, CarryPacketsBothWays) {
  install_pair();
  peer_sends_packet(peer_sends(kInboundSpi, kInboundKey), 1, to_host(333));
  const auto frame = lan_.receive_kind(0x0800, 17, kWaitMs);
  ASSERT_TRUE(frame);
  Frame expected = to_host(333);
  expected[8] -= 1;  // TTL; and its checksum
  dataplane::testing::put16(expected, 10, 0);
  dataplane::testing::put16(expected, 10, dataplane::testing::internet_checksum(expected, 0, 20));
  EXPECT_EQ(ip_of(*frame), expected);
  EXPECT_TRUE(std::equal(kHostMac.begin(), kHostMac.end(), frame->begin()));
  EXPECT_EQ(sent_sequence(), 1u);
  EXPECT_EQ(sent_sequence(), 2u);
}

TEST_F(SaTest, StayAsTheyAreWhenSetAgain) {
  install_pair();
  ASSERT_TRUE(arrives(1));
  EXPECT_EQ(sent_sequence(), 1u);
  install_pair();
  EXPECT_FALSE(arrives(1, kSilenceMs)) << "the replay window was opened again";
  EXPECT_EQ(sent_sequence(), 2u);
  auto other = inbound_sa(kInboundSpi, kInboundKey);
  other.esn = 1;
  EXPECT_EQ(client_.request(other).error, api::Error::kInUse);
  EXPECT_EQ(client_.request(inbound_sa(kInboundSpi + (1 << 20), 1)).error, api::Error::kInUse);
}

TEST_F(SaTest, AreNotTakenForOthersWithAnotherKey) {
  install_pair();
  EXPECT_EQ(client_.request(inbound_sa(kInboundSpi, kInboundKey + 1)).error, api::Error::kInUse);
  auto other = outbound_sa(kOutboundSpi, kSlot, kOutboundKey + 1);
  EXPECT_EQ(client_.request(other).error, api::Error::kInUse);
  other.remote.bytes[3] ^= 1;  // nor moved
  EXPECT_EQ(client_.request(other).error, api::Error::kInUse);
  EXPECT_TRUE(arrives(1));
  EXPECT_EQ(sent_sequence(), 1u);
}

TEST_F(SaTest, KeepSequenceAndWindowWhenTheyMove) {
  install_pair();
  ASSERT_TRUE(arrives(1));
  EXPECT_EQ(sent_sequence(), 1u);
  auto move = ApiClient::make<api::UpdateSa>(api::Type::kUpdateSa);
  move.direction = api::Direction::kOutbound;
  move.slot = kSlot;
  move.spi = kOutboundSpi;
  move.local = address(kGatewayAddress);
  move.remote = address(kPeerAddress + 1);
  expect_ok(client_.request(move));
  host_sends_packet(100);
  const auto frame = wan_.receive_kind(0x0800, 50, kWaitMs);
  ASSERT_TRUE(frame);
  auto peer = peer_receives(kOutboundSpi, kOutboundKey);
  peer.destination = kPeerAddress + 1;
  const auto opened = dataplane::testing::open(peer, 0, ip_of(*frame));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->sequence_low, 2u);
  const auto dumped = client_.dump<api::SetOutboundSa>(api::Type::kSetOutboundSa);
  ASSERT_EQ(dumped.size(), 1u);
  EXPECT_EQ(dumped[0].remote.bytes, address(kPeerAddress + 1).bytes);
  move.spi = 0x7777;
  EXPECT_EQ(client_.request(move).error, api::Error::kNotFound);
}

TEST_F(SaTest, AnotherOneIsSentOnWhenItIsActivated) {
  install_pair();
  auto other = outbound_sa(kOutboundSpi + 1, kSlot + 1, kOutboundKey);
  other.activate = 0;
  expect_ok(client_.request(other));
  const auto active_slot = [this] {
    return client_.dump<api::SetTunnel>(api::Type::kSetTunnel).at(0).outbound_slot;
  };
  EXPECT_EQ(active_slot(), kSlot);
  auto activate = ApiClient::make<api::ActivateSa>(api::Type::kActivateSa);
  activate.slot = kSlot + 1;
  activate.spi = kOutboundSpi;
  EXPECT_EQ(client_.request(activate).error, api::Error::kNotFound);
  EXPECT_EQ(active_slot(), kSlot);
  activate.spi = kOutboundSpi + 1;
  expect_ok(client_.request(activate));
  EXPECT_EQ(active_slot(), kSlot + 1);
}

TEST_F(SaTest, AreDumpedWithoutKeys) {
  install_pair();
  const auto inbound = client_.dump<api::SetInboundSa>(api::Type::kSetInboundSa);
  const auto outbound = client_.dump<api::SetOutboundSa>(api::Type::kSetOutboundSa);
  ASSERT_EQ(inbound.size(), 1u);
  ASSERT_EQ(outbound.size(), 1u);
  auto expected = inbound_sa(kInboundSpi, kInboundKey);
  expected.keys.key = {};
  expected.header = inbound[0].header;
  EXPECT_EQ(std::memcmp(&inbound[0], &expected, sizeof expected), 0);
  EXPECT_EQ(outbound[0].keys.key, decltype(outbound[0].keys.key){});
  EXPECT_EQ(outbound[0].activate, 1);
  const auto tunnels = client_.dump<api::SetTunnel>(api::Type::kSetTunnel);
  ASSERT_EQ(tunnels.size(), 1u);
  EXPECT_EQ(tunnels[0].outbound_slot, kSlot);
  EXPECT_EQ(tunnels[0].path_mtu_bytes, 1500);
  EXPECT_EQ(gateway_.log().find("5151"), std::string::npos);
}

TEST_F(SaTest, ResumeAfterACrash) {
  install_pair();
  ASSERT_TRUE(arrives(1));
  ASSERT_TRUE(arrives(7));
  for (uint64_t expected = 1; expected <= 5; ++expected)
    EXPECT_EQ(sent_sequence(), expected);
  restart(SIGKILL);
  auto again = outbound_sa(kOutboundSpi, kSlot, kOutboundKey);
  again.may_have_sent = 1;
  expect_ok(client_.request(again));
  expect_ok(client_.request(inbound_sa(kInboundSpi, kInboundKey)));
  const uint64_t resumed = sent_sequence();
  EXPECT_GT(resumed, 5u);
  EXPECT_LE(resumed, 2 * api::kSequenceReservation);
  EXPECT_FALSE(arrives(7, kSilenceMs)) << "accepted a second time after the crash";
  EXPECT_FALSE(arrives(6, kSilenceMs)) << "the restarted window must be closed at its right edge";
  EXPECT_TRUE(arrives(8));
}

TEST_F(SaTest, AreRefusedWithoutARecordOfWhatTheySent) {
  auto unknown = outbound_sa(kOutboundSpi, kSlot, kOutboundKey);
  unknown.may_have_sent = 1;
  const auto reply = client_.request(unknown);
  EXPECT_EQ(reply.error, api::Error::kUnsafe);
  EXPECT_STRNE(reply.text.data(), "");
  EXPECT_TRUE(client_.dump<api::SetOutboundSa>(api::Type::kSetOutboundSa).empty());
}

TEST_F(SaTest, AreDeletedUnderTraffic) {
  install_pair();
  ASSERT_TRUE(arrives(1));
  EXPECT_EQ(sent_sequence(), 1u);
  constexpr uint32_t kOther = 0x45600006;
  expect_ok(client_.request(inbound_sa(kOther, 0x61)));
  for (uint64_t sequence = 1; sequence <= 200; ++sequence) {
    peer_sends_packet(peer_sends(kOther, 0x61), sequence, to_host(100));
    if (sequence == 100) {
      expect_ok(delete_sa(api::Direction::kInbound, kSlot, kInboundSpi));
      expect_ok(delete_sa(api::Direction::kOutbound, kSlot, kOutboundSpi));
    }
  }
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(lan_.receive_kind(0x0800, 17, kWaitMs)) << "lost packet " << i;
  EXPECT_FALSE(arrives(2, kSilenceMs));
  const auto refused = client_.wait_event<api::PacketAudited>(api::Type::kPacketAudited, kWaitMs);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->cause, api::AuditCause::kUnknownSpi);
  EXPECT_EQ(delete_sa(api::Direction::kInbound, kSlot, kInboundSpi).error, api::Error::kNotFound);
  EXPECT_EQ(client_.dump<api::SetTunnel>(api::Type::kSetTunnel).at(0).outbound_slot, api::kNone);
  install_pair();  // the rows were cleared: a new life from the start
  ivs_.clear();    // with the old key, as no peer would have it
  EXPECT_EQ(sent_sequence(), 1u);
  EXPECT_TRUE(arrives(1));
}

TEST_F(SaTest, LearnAPathMtuFromARouterThatQuotesThem) {
  install_pair();
  host_sends_packet(100);
  const auto frame = wan_.receive_kind(0x0800, 50, kWaitMs);
  ASSERT_TRUE(frame);
  const Frame sent = ip_of(*frame);
  const auto tell = [&](uint16_t mtu_bytes, uint8_t spi_byte, uint32_t destination = kPeerAddress) {
    Frame icmp(8);
    icmp[0] = 3;  // RFC 1191: fragmentation needed
    icmp[1] = 4;
    dataplane::testing::put16(icmp, 6, mtu_bytes);
    icmp.insert(icmp.end(), sent.begin(), sent.begin() + 28);
    icmp[8 + 20] = spi_byte;
    dataplane::testing::put32(icmp, 8 + 16, destination);
    dataplane::testing::put16(icmp, 2, dataplane::testing::internet_checksum(icmp, 0, icmp.size()));
    Ipv4Fields fields;
    fields.source = kNextHopAddress;
    fields.destination = kGatewayAddress;
    fields.protocol = 1;
    wan_.send(ethernet(wan_mac_, kNextHopMac, 0x0800, ipv4(icmp, fields)));
  };
  tell(1300, 0x11);                        // an SPI that is nobody's
  tell(1301, sent[20], kPeerAddress + 1);  // a live one, to where it never went
  EXPECT_FALSE(client_.wait_event<api::PathMtuChanged>(api::Type::kPathMtuChanged, kSilenceMs));
  tell(1400, sent[20]);
  const auto event = client_.wait_event<api::PathMtuChanged>(api::Type::kPathMtuChanged, kWaitMs);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->tunnel_id, kTunnel);
  EXPECT_EQ(event->path_mtu_bytes, 1400u);
  tell(100, sent[20]);
  EXPECT_EQ(client_.wait_event<api::PathMtuChanged>(api::Type::kPathMtuChanged, kWaitMs)->path_mtu_bytes,
            576u);
}

TEST_F(SaTest, TellWhenTheyExpire) {
  auto sa = outbound_sa(kOutboundSpi, kSlot, kOutboundKey);
  sa.lifetimes.soft_packets = 2;
  sa.lifetimes.hard_packets = 4;
  expect_ok(client_.request(sa));
  for (int i = 0; i < 6; ++i)
    host_sends_packet(100);
  const auto soft = client_.wait_event<api::SaExpired>(api::Type::kSaExpired, kWaitMs);
  ASSERT_TRUE(soft);
  EXPECT_EQ(soft->direction, api::Direction::kOutbound);
  EXPECT_EQ(soft->spi, kOutboundSpi);
  EXPECT_EQ(soft->slot, kSlot);
  EXPECT_EQ(soft->hard, 0);
  EXPECT_EQ(soft->cause, api::ExpireCause::kPackets);
  const auto hard = client_.wait_event<api::SaExpired>(api::Type::kSaExpired, kWaitMs);
  ASSERT_TRUE(hard);
  EXPECT_EQ(hard->hard, 1);
}

TEST_F(SaTest, FollowAPeerWhoseNatMoved) {
  auto sa = inbound_sa(kInboundSpi, kInboundKey);
  sa.encap = 1;
  sa.local_port = sa.remote_port = 4500;
  expect_ok(client_.request(sa));
  auto peer = peer_sends(kInboundSpi, kInboundKey);
  peer.encap = true;
  peer_sends_packet(peer, 1, to_host(100));
  EXPECT_TRUE(lan_.receive_kind(0x0800, 17, kWaitMs));
  peer.source_port = 40000;
  peer_sends_packet(peer, 2, to_host(100));
  EXPECT_TRUE(lan_.receive_kind(0x0800, 17, kWaitMs));
  const auto moved = client_.wait_event<api::PeerMoved>(api::Type::kPeerMoved, kWaitMs);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->spi, kInboundSpi);
  EXPECT_EQ(moved->remote_port, 40000);
  EXPECT_EQ(moved->remote.bytes, address(kPeerAddress).bytes);
}

// RFC 4303 sections 3.4.2 to 3.4.4: whoever listens is told of each.
TEST_F(SaTest, TellOfPacketsThatAreRefused) {
  install_pair();
  const auto expect_record = [this](api::AuditCause cause, uint32_t spi, uint32_t sequence) {
    const auto event = client_.wait_event<api::PacketAudited>(api::Type::kPacketAudited, kWaitMs);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->cause, cause);
    EXPECT_EQ(event->spi, spi);
    EXPECT_EQ(event->sequence, sequence);
    EXPECT_EQ(event->unrecorded, 0u);
    EXPECT_EQ(event->source.bytes, address(kPeerAddress).bytes);
    EXPECT_EQ(event->destination.bytes, address(kGatewayAddress).bytes);
  };
  peer_sends_packet(peer_sends(0x77000009, kInboundKey), 21, to_host(100));
  expect_record(api::AuditCause::kUnknownSpi, 0x77000009, 21);
  peer_sends_packet(peer_sends(kInboundSpi, kInboundKey + 1), 22, to_host(100));
  expect_record(api::AuditCause::kIntegrity, kInboundSpi, 22);
  ASSERT_TRUE(arrives(23));
  EXPECT_FALSE(arrives(23, kSilenceMs));
  expect_record(api::AuditCause::kReplay, kInboundSpi, 23);
}

TEST_F(SaTest, CountInSharedMemory) {
  install_pair();
  ASSERT_TRUE(arrives(1));
  ASSERT_TRUE(arrives(2));
  EXPECT_FALSE(arrives(2, kSilenceMs));
  EXPECT_EQ(sent_sequence(), 1u);
  const int fd = open(client_.hello().shared_state_path.data(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  const off_t size = lseek(fd, 0, SEEK_END);
  const auto* base =
      static_cast<const std::byte*>(mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_SHARED, fd, 0));
  close(fd);
  const auto& header = *reinterpret_cast<const api::SharedStateHeader*>(base);
  EXPECT_EQ(header.magic, api::kSharedStateMagic);
  EXPECT_EQ(header.workers, GatewayProcess::kWorkers + 1);
  const auto& inbound = reinterpret_cast<const api::InboundRow*>(base + header.inbound_offset)[kSlot];
  const auto& outbound = reinterpret_cast<const api::OutboundRow*>(base + header.outbound_offset)[kSlot];
  EXPECT_EQ(inbound.spi, kInboundSpi);
  EXPECT_EQ(inbound.packets, 2u);
  EXPECT_EQ(inbound.bytes, 200u);
  EXPECT_EQ(inbound.right_edge, 2u);
  EXPECT_EQ(inbound.replayed, 1u);
  EXPECT_EQ(outbound.packets, 1u);
  EXPECT_EQ(outbound.bytes, 100u);
  EXPECT_GE(outbound.reserved_sequence, 2u);
  munmap(const_cast<std::byte*>(base), static_cast<size_t>(size));
}

}  // namespace
}  // namespace sallyport::test
