// SPDX-License-Identifier: BSD-3-Clause
// What validate() lets through and what it names wrong, value by value.
#include "dataplane/manager/codec.h"

#include <gtest/gtest.h>

#include <functional>

namespace sallyport::dataplane {
namespace {

template <typename Message>
api::Error verdict(const Message& message) {
  const auto result = validate(std::as_bytes(std::span(&message, 1)).first(api::wire_bytes(message)));
  if (result.ok()) return api::Error::kNone;
  EXPECT_FALSE(result.failure().text.empty());
  return result.failure().error;
}

api::SetInboundSa good_sa() {
  auto sa = make_message<api::SetInboundSa>(api::Type::kSetInboundSa, 7);
  sa.spi = 0x12300005;
  sa.replay_window = 64;
  sa.keys.algorithm = api::Algorithm::kAes128Gcm16;
  sa.keys.key_bytes = 20;
  sa.local.family = sa.remote.family = api::Family::kIpv4;
  sa.local.bytes[0] = sa.remote.bytes[0] = 192;
  sa.local_selector_count = sa.remote_selector_count = 1;
  api::Selector any{};
  any.family = api::Family::kIpv4;
  any.port_to = 65535;
  for (int i = 0; i < 4; ++i)
    any.to[static_cast<size_t>(i)] = 255;
  sa.selectors[0] = sa.selectors[1] = any;
  sa.header.length = api::wire_bytes(sa);
  return sa;
}

void make_cbc(api::SetInboundSa& sa) {
  sa.keys.algorithm = api::Algorithm::kAes128Cbc;
  sa.keys.integrity = api::Integrity::kHmacSha256_128;
  sa.keys.key_bytes = 16;
  sa.keys.integrity_key_bytes = 32;
}

struct Case {
  const char* name;
  std::function<void(api::SetInboundSa&)> spoil;
  api::Error verdict;
};

class CodecTest : public testing::TestWithParam<Case> {};

TEST_P(CodecTest, JudgesAnSa) {
  auto sa = good_sa();
  ASSERT_EQ(verdict(sa), api::Error::kNone);
  const uint32_t length = sa.header.length;
  GetParam().spoil(sa);
  sa.header.length += api::wire_bytes(sa) - length;  // as long as the selectors it counts
  EXPECT_EQ(verdict(sa), GetParam().verdict);
}

using api::Error;
using Sa = api::SetInboundSa;

INSTANTIATE_TEST_SUITE_P(
    Sa, CodecTest,
    testing::Values(
        Case{"Magic", [](Sa& sa) { ++sa.header.magic; }, Error::kMalformed},
        Case{"Version", [](Sa& sa) { ++sa.header.version; }, Error::kMalformed},
        Case{"UnknownType", [](Sa& sa) { sa.header.type = static_cast<api::Type>(99); }, Error::kMalformed},
        Case{"AnotherType", [](Sa& sa) { sa.header.type = api::Type::kSetGroup; }, Error::kMalformed},
        Case{"AnAnswer", [](Sa& sa) { sa.header.type = api::Type::kReply; }, Error::kMalformed},
        Case{"FalseLength", [](Sa& sa) { --sa.header.length; }, Error::kMalformed},
        Case{"Spi0", [](Sa& sa) { sa.spi = 0; }, Error::kInvalid},
        Case{"Spi255", [](Sa& sa) { sa.spi = 255; }, Error::kInvalid},
        Case{"Spi256", [](Sa& sa) { sa.spi = 256; }, Error::kNone},
        Case{"WindowOff", [](Sa& sa) { sa.replay_window = 0; }, Error::kNone},
        Case{"Window31", [](Sa& sa) { sa.replay_window = 31; }, Error::kInvalid},
        Case{"Window4096", [](Sa& sa) { sa.replay_window = 4096; }, Error::kNone},
        Case{"WindowAbsurd", [](Sa& sa) { sa.replay_window = 4097; }, Error::kInvalid},
        Case{"Esn2", [](Sa& sa) { sa.esn = 2; }, Error::kMalformed},
        Case{"Reserved", [](Sa& sa) { sa.reserved = 1; }, Error::kMalformed},
        Case{"Algorithm", [](Sa& sa) { sa.keys.algorithm = static_cast<api::Algorithm>(77); },
             Error::kUnsupported},
        Case{"KeySize", [](Sa& sa) { sa.keys.key_bytes = 16; }, Error::kInvalid},
        Case{"KeyTail", [](Sa& sa) { sa.keys.key[20] = 1; }, Error::kMalformed},
        Case{"IntegrityKey", [](Sa& sa) { sa.keys.integrity_key_bytes = 20; }, Error::kInvalid},
        Case{"IntegrityBesideAead", [](Sa& sa) { sa.keys.integrity = api::Integrity::kHmacSha256_128; },
             Error::kUnsupported},
        Case{"Cbc", [](Sa& sa) { make_cbc(sa); }, Error::kNone},
        Case{"CbcWithoutIntegrity",
             [](Sa& sa) {
               make_cbc(sa);
               sa.keys.integrity = api::Integrity::kNone;
             },
             Error::kUnsupported},
        Case{"CbcUnknownIntegrity",
             [](Sa& sa) {
               make_cbc(sa);
               sa.keys.integrity = static_cast<api::Integrity>(9);
             },
             Error::kUnsupported},
        Case{"CbcIntegrityKeySize",
             [](Sa& sa) {
               make_cbc(sa);
               sa.keys.integrity_key_bytes = 31;
             },
             Error::kInvalid},
        Case{"CbcIntegrityKeyTail",
             [](Sa& sa) {
               make_cbc(sa);
               sa.keys.integrity_key[32] = 1;
             },
             Error::kMalformed},
        Case{"NoRemote", [](Sa& sa) { sa.remote = {}; }, Error::kInvalid},
        Case{"Family5", [](Sa& sa) { sa.remote.family = static_cast<api::Family>(5); }, Error::kMalformed},
        Case{"MixedFamilies", [](Sa& sa) { sa.remote.family = api::Family::kIpv6; }, Error::kInvalid},
        Case{"LongIpv4", [](Sa& sa) { sa.remote.bytes[4] = 1; }, Error::kMalformed},
        Case{"EncapWithoutPorts", [](Sa& sa) { sa.encap = 1; }, Error::kInvalid},
        Case{"NoSelector", [](Sa& sa) { sa.local_selector_count = 0; }, Error::kInvalid},
        Case{"TooManySelectors", [](Sa& sa) { sa.local_selector_count = 33; }, Error::kMalformed},
        Case{"MostSelectors",
             [](Sa& sa) {
               sa.selectors.fill(sa.selectors[0]);
               sa.local_selector_count = sa.remote_selector_count = api::kMaxSelectors;
             },
             Error::kNone},
        Case{"ManySelectorsOfOneSide",
             [](Sa& sa) {
               sa.selectors.fill(sa.selectors[0]);
               sa.local_selector_count = 2 * api::kMaxSelectors - 1;
             },
             Error::kMalformed},
        Case{"AbsurdlyManySelectors",
             [](Sa& sa) { sa.local_selector_count = sa.remote_selector_count = 0xffff; }, Error::kMalformed},
        Case{"EmptySelector", [](Sa& sa) { sa.local_selector_count = 2; }, Error::kMalformed},
        Case{"RangeUpsideDown",
             [](Sa& sa) {
               sa.selectors[0].from = {255, 255, 255, 255};
               sa.selectors[0].to = {};
             },
             Error::kInvalid},
        Case{"PortsUpsideDown",
             [](Sa& sa) {
               sa.selectors[0].port_from = 2;
               sa.selectors[0].port_to = 1;
             },
             Error::kInvalid}),
    [](const auto& info) { return info.param.name; });

TEST(CodecTest, NamesPrefixesWithHostBits) {
  auto route = make_message<api::SetRoute>(api::Type::kSetRoute, 1);
  route.vrf_id = 1;
  route.prefix.address.family = api::Family::kIpv4;
  route.prefix.address.bytes = {10, 1, 128, 0};
  route.prefix.length = 17;
  EXPECT_EQ(verdict(route), api::Error::kNone);
  route.prefix.length = 16;
  EXPECT_EQ(verdict(route), api::Error::kInvalid);
  route.prefix.length = 33;
  EXPECT_EQ(verdict(route), api::Error::kInvalid);
}

TEST(CodecTest, NamesIpv6PrefixesWithHostBits) {
  auto route = make_message<api::SetRoute>(api::Type::kSetRoute, 1);
  route.vrf_id = 1;
  route.prefix.address.family = api::Family::kIpv6;
  route.prefix.address.bytes = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01};
  auto withdrawal = make_message<api::DeleteRoute>(api::Type::kDeleteRoute, 1);
  withdrawal.vrf_id = 1;
  const auto expect = [&](uint8_t length, api::Error error) {
    SCOPED_TRACE(int{length});
    route.prefix.length = length;
    withdrawal.prefix = route.prefix;
    EXPECT_EQ(verdict(route), error);
    EXPECT_EQ(verdict(withdrawal), error);
  };
  expect(128, api::Error::kNone);
  expect(127, api::Error::kInvalid);
  expect(129, api::Error::kInvalid);
  expect(255, api::Error::kInvalid);
}

TEST(CodecTest, RefusesNamesWithoutEnd) {
  auto vrf = make_message<api::SetVrf>(api::Type::kSetVrf, 1);
  vrf.vrf_id = 1;
  EXPECT_EQ(verdict(vrf), api::Error::kInvalid);  // empty
  set_text(vrf.name, "prod");
  EXPECT_EQ(verdict(vrf), api::Error::kNone);
  vrf.name.fill('x');
  EXPECT_EQ(verdict(vrf), api::Error::kMalformed);
  vrf.name = {};
  set_text(vrf.name, "a\nb");
  EXPECT_EQ(verdict(vrf), api::Error::kInvalid);
}

template <typename Message>
struct Wrong {
  const char* what;
  std::function<void(Message&)> spoil;
  api::Error verdict;
};

TEST(CodecTest, JudgesAGroup) {
  auto good = make_message<api::SetGroup>(api::Type::kSetGroup, 1);
  good.member_count = 1;
  good.members[0] = {api::MemberKind::kTunnel, 1, 1, 5, 0xffffffff, 0xffff, 255, 0};
  good.preempt = 1;
  good.choice = api::MemberChoice::kByPolicy;
  set_text(good.name, "both");
  const std::vector<Wrong<api::SetGroup>> cases = {
      {"nothing", [](auto&) {}, Error::kNone},
      {"preempt", [](auto& group) { group.preempt = 2; }, Error::kMalformed},
      {"choice", [](auto& group) { group.choice = static_cast<api::MemberChoice>(2); }, Error::kMalformed},
      {"reserved", [](auto& group) { group.reserved[1] = 1; }, Error::kMalformed},
      {"member reserved", [](auto& group) { group.members[0].reserved = 1; }, Error::kMalformed},
      {"member up", [](auto& group) { group.members[0].up = 2; }, Error::kMalformed},
      {"member kind", [](auto& group) { group.members[0].kind = {}; }, Error::kMalformed},
      {"too many", [](auto& group) { group.member_count = 65; }, Error::kMalformed}};
  for (const auto& wrong : cases) {
    auto group = good;
    wrong.spoil(group);
    EXPECT_EQ(verdict(group), wrong.verdict) << wrong.what;
  }
}

TEST(CodecTest, JudgesATunnelsProbe) {
  auto good = make_message<api::SetTunnel>(api::Type::kSetTunnel, 1);
  good.vrf_id = 1;
  good.hold_ms = 60'000;
  good.probe.kind = api::ProbeKind::kEcho;
  good.probe.misses = 100;
  good.probe.interval_ms = 50;
  good.probe.source.family = good.probe.target.family = api::Family::kIpv4;
  set_text(good.name, "berlin-a");
  using Tunnel = api::SetTunnel;
  const std::vector<Wrong<Tunnel>> cases = {
      {"nothing", [](Tunnel&) {}, Error::kNone},
      {"suspect", [](Tunnel& tunnel) { tunnel.suspect = 2; }, Error::kMalformed},
      {"path", [](Tunnel& tunnel) { tunnel.path_tunnel_id = api::kNone; }, Error::kInvalid},
      {"hold", [](Tunnel& tunnel) { tunnel.hold_ms = 60'001; }, Error::kInvalid},
      {"kind", [](Tunnel& tunnel) { tunnel.probe.kind = static_cast<api::ProbeKind>(3); }, Error::kMalformed},
      {"shared target", [](Tunnel& tunnel) { tunnel.probe.shared_target = 2; }, Error::kMalformed},
      {"no misses", [](Tunnel& tunnel) { tunnel.probe.misses = 0; }, Error::kInvalid},
      {"many misses", [](Tunnel& tunnel) { tunnel.probe.misses = 101; }, Error::kInvalid},
      {"longest", [](Tunnel& tunnel) { tunnel.probe.interval_ms = 60'000; }, Error::kNone},
      {"too long", [](Tunnel& tunnel) { tunnel.probe.interval_ms = 60'001; }, Error::kInvalid},
      {"too short", [](Tunnel& tunnel) { tunnel.probe.interval_ms = 49; }, Error::kInvalid},
      {"no source", [](Tunnel& tunnel) { tunnel.probe.source = {}; }, Error::kInvalid},
      {"no target", [](Tunnel& tunnel) { tunnel.probe.target = {}; }, Error::kInvalid},
      {"families", [](Tunnel& tunnel) { tunnel.probe.target.family = api::Family::kIpv6; }, Error::kInvalid},
      {"gateway", [](Tunnel& tunnel) { tunnel.probe = {api::ProbeKind::kGateway, 0, 3, 100, {}, {}}; },
       Error::kNone},
      {"none", [](Tunnel& tunnel) { tunnel.probe = {}; }, Error::kNone}};
  for (const auto& wrong : cases) {
    auto tunnel = good;
    wrong.spoil(tunnel);
    EXPECT_EQ(verdict(tunnel), wrong.verdict) << wrong.what;
  }
}

TEST(CodecTest, NeverReadsBeyondAShortMessage) {
  const auto sa = good_sa();
  const auto whole = std::as_bytes(std::span(&sa, 1)).first(api::wire_bytes(sa));
  for (size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(validate(cut).ok());
    if (size < sizeof(api::Header)) continue;
    const auto length = static_cast<uint32_t>(size);  // a header that agrees with the size does not help
    std::memcpy(cut.data() + offsetof(api::Header, length), &length, sizeof length);
    EXPECT_FALSE(validate(cut).ok());
  }
}

TEST(CodecTest, TakesAnSaOnlyWithTheSelectorsThatItCounts) {
  auto sa = good_sa();
  sa.local_selector_count = 2;
  sa.selectors[2] = sa.selectors[1];
  for (const uint32_t selectors : {1u, 2u, 3u, 4u, 64u}) {
    sa.header.length =
        static_cast<uint32_t>(offsetof(api::SetInboundSa, selectors) + selectors * sizeof(api::Selector));
    const auto bytes = std::as_bytes(std::span(&sa, 1)).first(sa.header.length);
    EXPECT_EQ(validate(bytes).ok(), selectors == 3) << selectors;
  }
}

TEST(CodecTest, RefusesLengthsAndCountsThatAreFalse) {
  auto sa = good_sa();
  const auto is_taken = [&](size_t bytes, uint32_t says) {
    sa.header.length = says;
    return validate(std::as_bytes(std::span(&sa, 1)).first(bytes)).ok();
  };
  const uint32_t whole = api::wire_bytes(sa);
  EXPECT_TRUE(is_taken(whole, whole));
  for (const uint32_t says : {0u, whole - 1, whole + 1, UINT32_MAX})
    EXPECT_FALSE(is_taken(whole, says)) << says;
  sa.selectors.fill(sa.selectors[0]);
  const auto is_taken_with = [&](uint16_t local, uint16_t remote) {
    sa.local_selector_count = local;
    sa.remote_selector_count = remote;
    return is_taken(api::wire_bytes(sa), api::wire_bytes(sa));
  };
  EXPECT_TRUE(is_taken_with(api::kMaxSelectors, api::kMaxSelectors));
  EXPECT_FALSE(is_taken_with(api::kMaxSelectors + 1, 1));
  EXPECT_FALSE(is_taken_with(1, api::kMaxSelectors + 1));
  EXPECT_FALSE(is_taken_with(0, 1));
}

}  // namespace
}  // namespace sallyport::dataplane
