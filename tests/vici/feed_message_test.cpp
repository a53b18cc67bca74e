// SPDX-License-Identifier: BSD-3-Clause
// Every message of the feed as it should be, cut short at every byte, and broken in each way the contract
// forbids.
#include "vici-bridge/feed_message.h"

#include <gtest/gtest.h>

#include <functional>
#include <new>

#include "tests/vici/feed_samples.h"
#include "vici-bridge/feed_text.h"

namespace sallyport::vici {
namespace {

static_assert(!std::is_copy_constructible_v<KeyMaterial> && !std::is_copy_assignable_v<KeyMaterial>);
static_assert(!std::is_copy_constructible_v<FeedSaAdd>);

std::vector<Datagram> one_of_each() {
  auto update = sample<sp_feed_sa_update>(SP_FEED_SA_UPDATE, 4);
  update.spi = 0xabc00005;
  update.slot = 5;
  update.inbound = update.encap = 1;
  update.local = ipv4(1, 4500);
  update.remote = ipv4(9, 1024);
  auto del = sample<sp_feed_sa_del>(SP_FEED_SA_DEL, 5);
  del.spi = 77;
  del.slot = 5;
  auto child = sample<sp_feed_child_event>(SP_FEED_CHILD_STATE, 6);
  put_text(child.state_name, "INSTALLED");
  auto ike = sample<sp_feed_ike_event>(SP_FEED_IKE_REKEY, 7);
  ike.other_id = 9;
  auto alert = sample<sp_feed_alert>(SP_FEED_ALERT, 8);
  alert.alert = SP_ALERT_PROPOSAL_MISMATCH_IKE;
  alert.local = ipv4(1, 500);
  put_text(alert.remote_id, "b.example");
  put_text(alert.detail, "IKE:AES_CBC_256");
  auto expired = sample<sp_feed_sa_expired>(SP_FEED_SA_EXPIRED, 9);
  expired.hard = 1;
  return {sample_hello(),       to_datagram(sample_header(SP_FEED_SNAPSHOT_BEGIN, 2)),
          sample_sa_datagram(), to_datagram(update),
          to_datagram(del),     to_datagram(child),
          to_datagram(ike),     to_datagram(alert),
          to_datagram(expired), to_datagram(sample_header(SP_FEED_SNAPSHOT_END, 10))};
}

template <typename T>
T decode_as(const Datagram& datagram) {
  Result<FeedMessage> message = decode_feed_message(datagram);
  EXPECT_TRUE(message) << message.error().text();
  return std::get<T>(std::move(message->body));
}

TEST(FeedMessage, ReadsAnSa) {
  const FeedSaAdd sa = decode_as<FeedSaAdd>(sample_sa_datagram());
  EXPECT_EQ(sa.id, (FeedSaId{0xabc00005, 5, true}));
  EXPECT_EQ(sa.reqid, 6u);
  EXPECT_EQ(sa.child_id, 7u);
  EXPECT_EQ(sa.ike_id, 8u);
  EXPECT_EQ(sa.replay_window, 1024u);
  EXPECT_TRUE(sa.tunnel_mode && sa.esn);
  EXPECT_FALSE(sa.encap || sa.installed || sa.copy_df || sa.copy_ecn);
  EXPECT_EQ(sa.encryption, 20);
  ASSERT_EQ(sa.encryption_key.size_bytes(), 36u);
  EXPECT_EQ(sa.encryption_key.bytes()[0], 1);
  EXPECT_EQ(sa.encryption_key.bytes()[35], 36);
  EXPECT_EQ(sa.integrity_key.size_bytes(), 0u);
  EXPECT_EQ(to_string(sa.local), "192.0.2.1");
  EXPECT_EQ(sa.remote.port, 4500);
  EXPECT_EQ(sa.hard_packets, 99u);
  EXPECT_EQ(sa.ike_name, "prod-berlin-a-1");
  EXPECT_EQ(sa.remote_id, "peer.example");
  ASSERT_EQ(sa.local_selectors.size(), 1u);
  ASSERT_EQ(sa.remote_selectors.size(), 2u);
  EXPECT_EQ(to_string(sa.local_selectors[0]), "10.0.0.0-10.0.255.255");
  EXPECT_EQ(to_string(sa.remote_selectors[1]), "10.2.0.0-10.2.255.255");
}

TEST(FeedMessage, ReadsTheOthers) {
  const std::vector<Datagram> all = one_of_each();
  EXPECT_EQ(decode_as<FeedHello>(all[0]).strongswan_version, "5.9.8");
  EXPECT_EQ(decode_as<FeedHello>(all[0]).instance[15], 15);
  const auto update = decode_as<FeedSaUpdate>(all[3]);
  EXPECT_TRUE(update.id.inbound && update.encap);
  EXPECT_EQ(to_string(update.remote), "192.0.2.9");
  const auto del = decode_as<FeedSaDel>(all[4]);
  EXPECT_EQ(del.id, (FeedSaId{77, 5, false}));
  EXPECT_EQ(del.remote.family, 0);
  EXPECT_EQ(decode_as<FeedChildEvent>(all[5]).state_name, "INSTALLED");
  EXPECT_FALSE(decode_as<FeedChildEvent>(all[5]).rekey);
  EXPECT_TRUE(decode_as<FeedIkeEvent>(all[6]).rekey);
  EXPECT_EQ(decode_as<FeedIkeEvent>(all[6]).other_id, 9u);
  const auto alert = decode_as<FeedAlert>(all[7]);
  EXPECT_EQ(alert.alert, SP_ALERT_PROPOSAL_MISMATCH_IKE);
  EXPECT_EQ(to_string(alert.local), "192.0.2.1");
  EXPECT_EQ(alert.remote_id, "b.example");
  EXPECT_EQ(alert.detail, "IKE:AES_CBC_256");
  EXPECT_EQ(decode_as<FeedSaExpired>(all[8]).expiry, Expiry::kHard);
  EXPECT_EQ(decode_feed_message(all[9])->number, 10u);
}

// Once as cut on the way, once with a length field that agrees with the cut.
TEST(FeedMessage, RefusesEveryTruncationAndExtension) {
  for (const Datagram& whole : one_of_each()) {
    for (size_t length = 0; length <= whole.size() + 1; length++) {
      Datagram cut = whole;
      cut.resize(length);
      if (length == whole.size()) {
        EXPECT_TRUE(decode_feed_message(cut));
        continue;
      }
      EXPECT_FALSE(decode_feed_message(cut)) << length << " of " << whole.size();
      if (length < sizeof(sp_feed_header)) continue;
      const uint32_t claimed = uint32_t(length);
      std::memcpy(cut.data() + offsetof(sp_feed_header, length), &claimed, sizeof claimed);
      EXPECT_FALSE(decode_feed_message(cut)) << length << " of " << whole.size() << ", claimed";
    }
  }
}

TEST(FeedMessage, RefusesBrokenSas) {
  struct Case {
    const char* error;
    std::function<void(sp_feed_sa&)> break_it;
  };
  const Case cases[] = {
      {"not a feed message", [](auto& sa) { sa.header.magic++; }},
      {"speaks version 3", [](auto& sa) { sa.header.version++; }},
      {"unknown type", [](auto& sa) { sa.header.type = 63; }},
      {"unknown type", [](auto& sa) { sa.header.type = SP_FEED_HEARTBEAT; }},
      {"not numbered", [](auto& sa) { sa.header.number = 0; }},
      {"inbound is 2", [](auto& sa) { sa.inbound = 2; }},
      {"esn is 255", [](auto& sa) { sa.esn = 255; }},
      {"installed is 2", [](auto& sa) { sa.installed = 2; }},
      {"dscp_mode is 4", [](auto& sa) { sa.dscp_mode = 4; }},
      {"doesn't carry its slot", [](auto& sa) { sa.slot = 6; }},
      {"reserved", [](auto& sa) { sa.spi = sa.slot = 255; }},
      {"too large", [](auto& sa) { sa.inbound = 0, sa.slot = SP_SLOT_MASK + 1; }},
      {"encryption key has 65 bytes", [](auto& sa) { sa.encryption_key_length = 65; }},
      {"integrity key has 65535 bytes", [](auto& sa) { sa.integrity_key_length = 65535; }},
      {"address family 5", [](auto& sa) { sa.local.family = 5; }},
      {"two families", [](auto& sa) { sa.remote.family = 6; }},
      {"two families", [](auto& sa) { sa.local.family = sa.remote.family = 0; }},
      {"ike_name has no end", [](auto& sa) { std::memset(sa.ike_name, 'n', sizeof sa.ike_name); }},
      {"remote_id has no end", [](auto& sa) { std::memset(sa.remote_id, 'n', sizeof sa.remote_id); }},
      {"too many selectors", [](auto& sa) { sa.local_selectors = 33; }},
      {"too many selectors", [](auto& sa) { sa.remote_selectors = 65535; }},
      {"wrong length", [](auto& sa) { sa.remote_selectors = 1; }},
      {"wrong length", [](auto& sa) { sa.local_selectors = 32; }},
  };
  for (const Case& c : cases) {
    sp_feed_sa sa = sample_sa();
    c.break_it(sa);
    const Result<FeedMessage> message = decode_feed_message(sample_sa_datagram(sa));
    ASSERT_FALSE(message) << c.error;
    EXPECT_NE(message.error().message.find(c.error), std::string::npos) << message.error().text();
  }
  auto alert = sample<sp_feed_alert>(SP_FEED_ALERT, 8);
  EXPECT_FALSE(decode_feed_message(to_datagram(alert)));
  alert.alert = SP_ALERT_RETRANSMIT_CLEARED + 1;
  EXPECT_FALSE(decode_feed_message(to_datagram(alert)));
}

// A peer chooses its identity and the SPI we send with; neither may end the feed.
TEST(FeedMessage, TakesWhatAPeerMayChoose) {
  sp_feed_sa sa = sample_sa();
  sa.inbound = 0;
  sa.spi = 1;
  put_text(sa.remote_id, "a\x1b[2Jb\xff");
  const FeedSaAdd read = decode_as<FeedSaAdd>(sample_sa_datagram(sa));
  EXPECT_EQ(read.id, (FeedSaId{1, 5, false}));
  EXPECT_EQ(read.remote_id, "a?[2Jb?ample");
}

TEST(FeedText, KeepsUtf8AndReplacesTheRest) {
  const std::pair<const char*, const char*> cases[] = {
      {"K\xc3\xb6ln", "K\xc3\xb6ln"},
      {"\xe2\x82\xac \xf0\x9f\x94\x91", "\xe2\x82\xac \xf0\x9f\x94\x91"},
      {"K\xf6ln", "K?ln"},
      {"cut \xe2\x82", "cut ??"},
      {"\xc0\xaf", "??"},            // overlong
      {"\xed\xa0\x80", "???"},       // surrogate
      {"\xf4\x90\x80\x80", "????"},  // beyond U+10FFFF
      {"a\nb\x7f", "a?b?"},
  };
  for (const auto& [text, cleaned] : cases)
    EXPECT_EQ(clean_text(text), cleaned);
}

TEST(FeedText, WritesSelectorsAndAddresses) {
  sp_selector selector = ipv4_selector(0);
  selector.protocol = 6;
  selector.port_from = selector.port_to = 443;
  EXPECT_EQ(to_string(selector), "10.0.0.0-10.0.255.255[6/443-443]");
  sp_address address{};
  EXPECT_EQ(to_string(address), "none");
  address.family = 6;
  address.bytes[0] = 0x20, address.bytes[1] = 0x01, address.bytes[2] = 0x0d, address.bytes[3] = 0xb8;
  EXPECT_EQ(to_string(address), "2001:db8::");
}

TEST(KeyMaterial, IsWipedWhenMovedAndDropped) {
  const std::vector<uint8_t> secret(48, 0x5a);
  alignas(KeyMaterial) unsigned char storage[sizeof(KeyMaterial)];
  const auto secret_bytes = [&] { return std::count(std::begin(storage), std::end(storage), 0x5a); };

  auto* key = new (storage) KeyMaterial(secret);
  ASSERT_EQ(secret_bytes(), 48);
  {
    const KeyMaterial moved(std::move(*key));
    EXPECT_EQ(secret_bytes(), 0);
    EXPECT_EQ(moved.size_bytes(), 48u);
  }
  key->~KeyMaterial();

  key = new (storage) KeyMaterial(secret);
  ASSERT_EQ(secret_bytes(), 48);
  key->~KeyMaterial();
  EXPECT_EQ(secret_bytes(), 0);
}

}  // namespace
}  // namespace sallyport::vici
