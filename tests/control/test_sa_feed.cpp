// SPDX-License-Identifier: BSD-3-Clause
// What charon's plugin says of an SA, as it reaches the dataplane's socket.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "control/addresses.h"
#include "control/config/ip.h"
#include "control/sa_feed.h"

namespace sallyport::control {
namespace {

class SaFeedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<char, 64> directory{"/tmp/sallyport-feed-XXXXXX"};
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory.data();
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    (directory_ + "/dataplane.sock").copy(name.sun_path, sizeof name.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    ASSERT_EQ(::listen(listener_, 1), 0);
    dataplane_.emplace(io_, name.sun_path);
    dataplane_->start();
    io_.poll();
    connection_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ASSERT_GE(connection_, 0);
  }
  void TearDown() override {
    dataplane_->stop();
    for (const int fd : {connection_, listener_})
      ::close(fd);
    ::unlink((directory_ + "/dataplane.sock").c_str());
    ::rmdir(directory_.c_str());
  }

  // The first message of this type that the dataplane was sent.
  template <typename Message>
  std::optional<Message> sent(api::Type type) {
    std::array<uint8_t, api::kMaxMessageBytes> bytes;
    io_.poll();
    ssize_t length = 0;
    while ((length = ::recv(connection_, bytes.data(), bytes.size(), 0)) > 0) {
      const std::span message(bytes.data(), static_cast<size_t>(length));
      if (message_cast<api::Header>(message).type == type) return message_cast<Message>(message);
    }
    return std::nullopt;
  }

  static sp_address outside(const char* address, uint16_t port) {
    return to_feed(to_api(*parse_address(address)), port);
  }

  asio::io_context io_;
  std::string directory_;
  int listener_ = -1, connection_ = -1;
  std::optional<DataplaneClient> dataplane_;
  SharedStateReader counters_;
  EventLog events_;
};

// RFC 4555 section 3.5: addresses change, keys and sequence numbers don't.
TEST_F(SaFeedTest, AMovedSaIsUpdatedInPlace) {
  SaFeed feed(io_, directory_ + "/feed.sock", *dataplane_, counters_, events_);
  for (const bool inbound : {true, false}) {
    vici::FeedSaUpdate update;
    update.id = {0x77000005, 5, inbound};
    update.encap = true;
    update.local = outside("2001:db8:1::1", 4500);
    update.remote = outside("2001:db8:9::9", 31337);
    feed.on_sa_update(update);
    const auto message = sent<api::UpdateSa>(api::Type::kUpdateSa);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->direction, inbound ? api::Direction::kInbound : api::Direction::kOutbound);
    EXPECT_EQ(message->slot, 5u);
    EXPECT_EQ(message->spi, 0x77000005u);
    EXPECT_EQ(message->encap, 1);
    EXPECT_EQ(endpoint_text(message->local, message->local_port), "[2001:db8:1::1]:4500");
    EXPECT_EQ(endpoint_text(message->remote, message->remote_port), "[2001:db8:9::9]:31337");
  }
}

// A NAT gave the peer another port while nobody listened to charon; the dataplane still has the old one.
TEST_F(SaFeedTest, AnSaThatMovedMeanwhileIsUpdatedByTheSnapshot) {
  SaFeed feed(io_, directory_ + "/feed.sock", *dataplane_, counters_, events_);
  feed.tunnel_id = [](const std::string&) { return std::optional<uint32_t>(7); };
  vici::FeedHello hello;
  hello.instance[0] = 9;
  feed.remember_instance(hello.instance);
  const auto sa = [](bool inbound, const char* peer, uint16_t port) {
    vici::FeedSaAdd add;
    add.id = {0x77000005, 5, inbound};
    add.ike_name = add.child_name = "berlin-a-1";
    add.ike_id = add.child_id = 1;
    add.encryption = 20;
    add.encryption_key = vici::KeyMaterial(std::array<uint8_t, 36>{1});
    add.encap = true;
    add.local = outside("192.0.2.1", 4500);
    add.remote = outside(peer, port);
    add.replay_window = 64;
    return add;
  };
  for (const char* peer : {"203.0.113.7", "2001:db8:9::9"}) {
    const auto now = std::chrono::steady_clock::now();
    feed.ledger().learn_inbound(*inbound_message(sa(true, peer, 11111), 7), "berlin-a-1", now);
    feed.ledger().learn_outbound(*outbound_message(sa(false, peer, 11111), 7), "berlin-a-1", now);
    for (const uint16_t port : {11111, 22222}) {
      feed.on_hello(hello);
      feed.on_snapshot_begin();
      for (const bool inbound : {true, false})
        feed.on_sa_add(sa(inbound, peer, port));
      feed.on_snapshot_end();
      for (int message = 0; message < 2; ++message) {
        const auto update = sent<api::UpdateSa>(api::Type::kUpdateSa);
        ASSERT_EQ(update.has_value(), port != 11111) << "only what moved";
        if (!update) continue;
        EXPECT_EQ(update->spi, 0x77000005u);
        EXPECT_EQ(update->encap, 1);
        EXPECT_EQ(update->remote_port, port);
        EXPECT_EQ(update->remote.family, to_api(outside(peer, 0)).family);
      }
      EXPECT_FALSE(sent<api::UpdateSa>(api::Type::kUpdateSa));
    }
  }
  feed.stop();
}

TEST_F(SaFeedTest, ARekeyOfAnOutdatedSaIsOutdated) {
  SaFeed feed(io_, directory_ + "/feed.sock", *dataplane_, counters_, events_);
  for (const uint32_t child : {1u, 2u}) {
    vici::FeedSaAdd sa;
    sa.id = {0x77000000 + child, child, false};
    sa.child_name = "berlin-a-1";
    sa.child_id = child;
    feed.ledger().name(sa, std::chrono::steady_clock::now());
    if (child == 1) feed.ledger().outdate("berlin-a-1", Outdated::kReplaceable);
  }
  EXPECT_EQ(feed.ledger().find({0x77000002, 2, false})->outdated, Outdated::kNo);
  vici::FeedChildEvent event;
  event.rekey = true;
  event.child_id = 1;
  event.other_id = 2;
  event.child_name = "berlin-a-1";
  feed.on_child_event(event);
  EXPECT_EQ(feed.ledger().find({0x77000002, 2, false})->outdated, Outdated::kReplaceable);
}

// Lifetimes, selectors and addresses of either family go through as charon gave them.
TEST_F(SaFeedTest, AnSaIsInstalledWithItsSelectorsAndLifetimes) {
  SaFeed feed(io_, directory_ + "/feed.sock", *dataplane_, counters_, events_);
  std::string asked;
  feed.tunnel_id = [&](const std::string& child) -> std::optional<uint32_t> {
    asked = child;
    return 7;
  };
  vici::FeedSaAdd sa;
  sa.id = {0x77000005, 5, false};
  sa.ike_name = "prod-berlin-a-1";
  sa.child_name = "prod-berlin-a-1.2";
  sa.encryption = 20;
  const std::array<uint8_t, 36> key{1};
  sa.encryption_key = vici::KeyMaterial(key);
  sa.local = outside("2001:db8:1::1", 500);
  sa.remote = outside("2001:db8:9::9", 500);
  sa.soft_bytes = 1000;
  sa.hard_bytes = 1100;
  sa.soft_packets = 20;
  sa.hard_packets = 22;
  sp_selector selector{};
  selector.family = 6;
  selector.protocol = 6;
  selector.port_from = selector.port_to = 443;
  selector.from[0] = 0x20;
  selector.to[0] = 0x2f;
  sa.local_selectors = sa.remote_selectors = {selector};
  feed.on_sa_add(std::move(sa));
  EXPECT_EQ(asked, "prod-berlin-a-1.2") << "a tunnel of the dataplane is a CHILD_SA of the configuration";
  const auto message = sent<api::SetOutboundSa>(api::Type::kSetOutboundSa);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->tunnel_id, 7u);
  EXPECT_EQ(to_string(message->remote), "2001:db8:9::9");
  EXPECT_EQ(message->lifetimes.soft_bytes, 1000u);
  EXPECT_EQ(message->lifetimes.hard_bytes, 1100u);
  EXPECT_EQ(message->lifetimes.soft_packets, 20u);
  EXPECT_EQ(message->lifetimes.hard_packets, 22u);
  ASSERT_EQ(message->remote_selector_count, 1);
  const api::Selector& remote = api::remote_selectors(*message).front();
  EXPECT_EQ(remote.family, api::Family::kIpv6);
  EXPECT_EQ(remote.protocol, 6);
  EXPECT_EQ(remote.port_from, 443);
  EXPECT_EQ(remote.from[0], 0x20);
}

// A peer that narrows down what we ask for: an SA of other selectors waits for no other of its tunnel, and
// replaces none.
TEST_F(SaFeedTest, EachPolicyOfATunnelIsSentOnByItself) {
  SaFeed feed(io_, directory_ + "/feed.sock", *dataplane_, counters_, events_);
  feed.tunnel_id = [](const std::string&) { return std::optional<uint32_t>(7); };
  const auto added = [&](uint32_t slot, uint32_t ike_id, uint8_t network) {
    vici::FeedSaAdd sa;
    sa.id = {0x77000000 + slot, slot, false};
    sa.ike_id = ike_id;
    sa.child_name = "t";
    sa.encryption = 20;
    const std::array<uint8_t, 36> key{1};
    sa.encryption_key = vici::KeyMaterial(key);
    sp_selector selector{};
    selector.family = 4;
    selector.port_to = 65535;
    selector.from[0] = selector.to[0] = 10;
    selector.from[1] = selector.to[1] = network;
    sa.local_selectors = sa.remote_selectors = {selector};
    const SaId id = sa.id;
    feed.on_sa_add(std::move(sa));
    feed.ledger().set_state(id, SaState::kInstalled);
    const auto message = sent<api::SetOutboundSa>(api::Type::kSetOutboundSa);
    return message && message->activate == 1;
  };
  EXPECT_TRUE(added(1, 1, 20));
  EXPECT_TRUE(added(2, 1, 21));
  EXPECT_TRUE(added(3, 2, 22)) << "of another IKE_SA, that we respond to";
  EXPECT_FALSE(added(4, 2, 20)) << "until the peer uses it the first one carries on";
  const auto sending = [&](uint32_t slot) {
    return feed.activation().active(feed.ledger().find({0x77000000 + slot, slot, false})->policy)->id.slot;
  };
  EXPECT_EQ(sending(4), 1u);
  EXPECT_EQ(sending(2), 2u);
  feed.delete_sa({0x77000001, 1, false});
  const auto activated = sent<api::ActivateSa>(api::Type::kActivateSa);
  ASSERT_TRUE(activated);
  EXPECT_EQ(activated->slot, 4u);
  feed.delete_sa({0x77000002, 2, false});
  EXPECT_FALSE(sent<api::ActivateSa>(api::Type::kActivateSa)) << "the others' go on as they did";
  EXPECT_EQ(feed.activation().first_active("t")->id.slot, 4u);
  EXPECT_EQ(sending(3), 3u);
}

// RFC 4303 sections 3.4.2 to 3.4.4: who, what and how much; the log adds the time.
TEST_F(SaFeedTest, RefusedPacketsAreRecorded) {
  SaFeed feed(io_, directory_ + "/feed.sock", *dataplane_, counters_, events_);
  api::SetInboundSa sa{};
  sa.spi = 0x77000005;
  feed.ledger().learn_inbound(sa, "prod-berlin-a-1", std::chrono::steady_clock::now());
  const auto tell = [&](api::AuditCause cause, uint32_t spi, const char* source, const char* destination,
                        uint32_t unrecorded) {
    api::PacketAudited event{};
    event.header.type = api::Type::kPacketAudited;
    event.cause = cause;
    event.spi = spi;
    event.sequence = 4242;
    event.source = to_api(*parse_address(source));
    event.destination = to_api(*parse_address(destination));
    event.flow_label = 0xbeef;
    event.unrecorded = unrecorded;
    feed.on_dataplane_event(event.header, {reinterpret_cast<const uint8_t*>(&event), sizeof event});
    const auto last = events_.since(0, std::chrono::milliseconds(0)).back();
    EXPECT_EQ(last.kind, "audit");
    return last.subject + ": " + last.text;
  };
  EXPECT_EQ(tell(api::AuditCause::kUnknownSpi, 0x12345678, "192.0.2.9", "192.0.2.1", 0),
            "esp: of no SA: SPI 12345678, sequence number 4242, from 192.0.2.9 to 192.0.2.1");
  EXPECT_EQ(tell(api::AuditCause::kIntegrity, 0x77000005, "192.0.2.9", "192.0.2.1", 17),
            "prod-berlin-a-1: integrity check failed: SPI 77000005, sequence number 4242, from 192.0.2.9 to "
            "192.0.2.1; 17 more since the last record");
  EXPECT_EQ(tell(api::AuditCause::kReplay, 0x77000005, "2001:db8::9", "2001:db8::1", 0),
            "prod-berlin-a-1: replayed: SPI 77000005, sequence number 4242, from 2001:db8::9 to 2001:db8::1, "
            "flow label 0beef");
}

}  // namespace
}  // namespace sallyport::control
