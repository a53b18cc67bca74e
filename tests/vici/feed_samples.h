// SPDX-License-Identifier: BSD-3-Clause
// Messages of the SA feed as the plugin writes them, for the tests. Plain bytes.
#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "vici-bridge/key_message.h"

namespace sallyport::vici {

using Datagram = std::vector<uint8_t>;

template <typename T>
T sample(sp_feed_type type, uint64_t number) {
  T message;
  std::memset(static_cast<void*>(&message), 0, sizeof message);
  message.header = {SP_FEED_MAGIC, SP_FEED_VERSION, uint16_t(type), sizeof message, 0, number};
  return message;
}

template <typename T>
Datagram to_datagram(const T& message, std::span<const sp_selector> selectors = {}) {
  Datagram bytes(sizeof message + selectors.size_bytes());
  std::memcpy(bytes.data(), &message, sizeof message);
  if (!selectors.empty())
    std::memcpy(bytes.data() + sizeof message, selectors.data(), selectors.size_bytes());
  const uint32_t length = uint32_t(bytes.size());
  std::memcpy(bytes.data() + offsetof(sp_feed_header, length), &length, sizeof length);
  return bytes;
}

template <size_t kSize>
void put_text(char (&field)[kSize], std::string_view text) {
  std::memcpy(field, text.data(), text.size());
}

inline sp_address ipv4(uint8_t last, uint16_t port) {
  sp_address address{};
  address.family = 4;
  address.port = port;
  const uint8_t bytes[] = {192, 0, 2, last};
  std::memcpy(address.bytes, bytes, sizeof bytes);
  return address;
}

inline sp_selector ipv4_selector(uint8_t second_byte) {
  sp_selector selector{};
  selector.family = 4;
  selector.port_to = 65535;
  const uint8_t from[] = {10, second_byte, 0, 0}, to[] = {10, second_byte, 255, 255};
  std::memcpy(selector.from, from, sizeof from);
  std::memcpy(selector.to, to, sizeof to);
  return selector;
}

inline sp_feed_header sample_header(sp_feed_type type, uint64_t number) {
  return {SP_FEED_MAGIC, SP_FEED_VERSION, uint16_t(type), sizeof(sp_feed_header), 0, number};
}

inline Datagram sample_hello(uint64_t number = 1) {
  auto hello = sample<sp_feed_hello>(SP_FEED_HELLO, number);
  for (uint8_t i = 0; i < 16; i++)
    hello.instance[i] = i;
  put_text(hello.strongswan_version, "5.9.8");
  return to_datagram(hello);
}

// AES-GCM-16 with a 256-bit key and its salt: 36 bytes 1, 2, 3...; one local selector, two remote ones.
inline sp_feed_sa sample_sa(uint64_t number = 3) {
  auto sa = sample<sp_feed_sa>(SP_FEED_SA_ADD, number);
  sa.spi = 0xabc00005;
  sa.slot = 5;
  sa.reqid = 6;
  sa.child_id = 7;
  sa.ike_id = 8;
  sa.replay_window = 1024;
  sa.inbound = sa.tunnel_mode = sa.esn = 1;
  sa.encryption = 20;
  sa.encryption_key_length = 36;
  for (uint8_t i = 0; i < 36; i++)
    sa.encryption_key[i] = uint8_t(i + 1);
  sa.local = ipv4(1, 4500);
  sa.remote = ipv4(2, 4500);
  sa.hard_packets = 99;
  put_text(sa.ike_name, "prod-berlin-a-1");
  put_text(sa.child_name, "prod-berlin-a-1");
  put_text(sa.local_id, "gw.example");
  put_text(sa.remote_id, "peer.example");
  sa.local_selectors = 1;
  sa.remote_selectors = 2;
  return sa;
}

inline Datagram sample_sa_datagram(const sp_feed_sa& sa = sample_sa()) {
  const sp_selector selectors[] = {ipv4_selector(0), ipv4_selector(1), ipv4_selector(2)};
  return to_datagram(sa, selectors);
}

}  // namespace sallyport::vici
