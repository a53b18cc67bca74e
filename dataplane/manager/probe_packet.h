// SPDX-License-Identifier: BSD-3-Clause
// What a tunnel's probe looks like: an ICMP (RFC 792) or ICMPv6 (RFC 4443 section 4) echo request without IP
// options, whose data say which tunnel it is of and carry a nonce. Pure functions over bytes, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

inline constexpr uint32_t kMaxProbeBytes = 40 + 8 + 16;  // IPv6 header, ICMPv6 header, data

// Nobody who forwards the packet can have sent it where the last hop's limit is 255 still (RFC 5082).
inline constexpr uint8_t kGatewayProbeHops = 255, kEchoProbeHops = 64;

struct ProbePacket {
  api::Address source, target;  // of one family
  enum class Kind : uint8_t { kRequest, kAnswer } kind = Kind::kRequest;
  uint8_t hops = kEchoProbeHops;  // TTL or hop limit
  uint16_t identifier = 0, sequence = 0;
  uint32_t tunnel_id = 0;  // the asker's number for it
  uint64_t nonce = 0;
};

// Writes the packet to the front of `room`, which has kMaxProbeBytes: how many bytes.
uint32_t write_probe(const ProbePacket& probe, std::span<uint8_t> room);

// Nothing where the packet is none, or not whole and right, checksums included.
std::optional<ProbePacket> read_probe(std::span<const uint8_t> packet);

// The probes between two gateways.
ProbePacket gateway_probe(api::Family family);
// From and to the addresses of those, and from the other end of the tunnel itself.
bool is_gateway_request(const ProbePacket& probe);
bool is_gateway_answer(const ProbePacket& probe);

// What is sent back.
ProbePacket answer_to(const ProbePacket& request);

}  // namespace sallyport::dataplane
