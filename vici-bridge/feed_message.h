// SPDX-License-Identifier: BSD-3-Clause
// The plugin's side of the SA feed (key_message.h) as checked C++ values. Pure, any thread.
// Everything here has been validated: lengths, families, booleans, slots; text is valid UTF-8 without control
// bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "vici-bridge/key_material.h"
#include "vici-bridge/key_message.h"
#include "vici-bridge/result.h"

namespace sallyport::vici {

struct FeedHello {
  std::array<uint8_t, 16> instance{};  // another one: charon has restarted, its SAs are others
  std::string strongswan_version{};
};
struct FeedSnapshotBegin {};
struct FeedSnapshotEnd {};

// Names one SA: peers choose our outbound SPIs, so two may choose the same one.
struct FeedSaId {
  uint32_t spi = 0;
  uint32_t slot = 0;  // of the inbound SA of this CHILD_SA
  bool inbound = false;
  auto operator<=>(const FeedSaId&) const = default;
};

// RFC 4301 section 4.4.2.1. Ids and algorithms are IKEv2's (RFC 7296 section 3.3.2), SPIs in host order.
struct FeedSaAdd {
  FeedSaId id{};
  uint32_t reqid = 0, child_id = 0, ike_id = 0;
  uint32_t replay_window = 0;  // packets; 0: off
  bool tunnel_mode = false, encap = false, esn = false;
  bool installed = false;  // acknowledged before: its sequence numbers may be in use
  bool copy_df = false, copy_ecn = false;
  uint8_t dscp_mode = 0;  // 0 none, 1 out, 2 in, 3 both
  uint16_t encryption = 0, integrity = 0;
  KeyMaterial encryption_key{}, integrity_key{};  // a salt is the encryption key's end
  sp_address local{}, remote{};
  uint64_t soft_seconds = 0, hard_seconds = 0;  // the plugin runs these; 0: none, here and below
  uint64_t soft_bytes = 0, hard_bytes = 0, soft_packets = 0, hard_packets = 0;
  std::string ike_name{}, child_name{}, local_id{}, remote_id{};
  std::vector<sp_selector> local_selectors{}, remote_selectors{};
};

struct FeedSaUpdate {
  FeedSaId id{};
  bool encap = false;
  sp_address local{}, remote{};
};

struct FeedSaDel {
  FeedSaId id{};
  sp_address remote{};
};

struct FeedChildEvent {
  bool rekey = false;  // child_id was replaced by other_id
  uint32_t ike_id = 0, child_id = 0, other_id = 0, reqid = 0;
  uint32_t inbound_spi = 0, outbound_spi = 0;
  uint32_t state = 0;
  std::string state_name{}, ike_name{}, child_name{};
};

struct FeedIkeEvent {
  bool rekey = false;  // ike_id was replaced by other_id
  uint32_t ike_id = 0, other_id = 0;
  uint32_t state = 0;
  bool initiator = false;
  uint8_t version = 0;
  std::string state_name{}, ike_name{}, local_id{}, remote_id{};
  sp_address local{}, remote{};
  uint64_t initiator_spi = 0, responder_spi = 0;
};

struct FeedAlert {
  sp_alert alert = SP_ALERT_RETRANSMIT_SEND;
  uint32_t count = 0, ike_id = 0;
  std::string ike_name{};
  std::string local_id{}, remote_id{};
  sp_address local{}, remote{};
  std::string detail{};  // see sp_alert
};

enum class Expiry : uint8_t { kSoft, kHard };
struct FeedSaExpired {
  FeedSaId id{};
  Expiry expiry = Expiry::kSoft;
};

using FeedBody = std::variant<FeedHello, FeedSnapshotBegin, FeedSnapshotEnd, FeedSaAdd, FeedSaUpdate,
                              FeedSaDel, FeedChildEvent, FeedIkeEvent, FeedAlert, FeedSaExpired>;

struct FeedMessage {
  uint64_t number = 0;  // 1, 2, 3... within one connection
  FeedBody body{};
};

// One whole datagram. Never keeps a reference to `datagram`; wiping that is the caller's.
Result<FeedMessage> decode_feed_message(std::span<const uint8_t> datagram);

}  // namespace sallyport::vici
