// SPDX-License-Identifier: BSD-3-Clause
// The headers in front of an SA's ESP, prepared once from its addresses; immutable once published. Built by
// the manager thread, read by workers.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

// What a tunnel says about the outer header (RFC 4301 section 5.1.2.1).
struct OuterPolicy {
  api::DfPolicy df = api::DfPolicy::kCopy;
  api::DscpPolicy dscp_policy = api::DscpPolicy::kCopy;
  uint8_t dscp = 0;  // 0 .. 63, for DscpPolicy::kSet
  bool operator==(const OuterPolicy&) const = default;
};

// Where an SA's packets go (SetOutboundSa, UpdateSa).
struct OuterEndpoints {
  api::Address local, remote;
  uint16_t local_port = 0, remote_port = 0;  // host order, used where encap
  bool encap = false;                        // ESP in UDP (RFC 3948)
};

// What a plain IPv4 header inherits of the first 8 bytes of the inner one, in memory order: TOS and DF.
inline constexpr uint64_t kPlainInheritedMask = 0x0040'0000'0000'ff00;

inline constexpr uint8_t kOuterTtl = 64;

struct alignas(64) OuterHeader {
  // IPv4 [UDP]: version, TTL 64, protocol, addresses, ports; the rest zero. IPv6: source and destination.
  std::array<uint8_t, 32> bytes;
  // Of the header's first 8 bytes, in memory order: what comes from the inner header, and what the policy
  // sets; of an IPv6 one also its version, next header and hop limit 64.
  uint64_t inherited_mask, fixed_bits;
  uint32_t
      checksum_sum;    // one's complement sum, in memory order, of the header with its variable fields zero
  uint32_t ports;      // of IPv6 UDP, as in the header
  uint8_t size_bytes;  // 20 or 28, 40 or 48
  bool encap;
  OuterPolicy policy;
  api::Family family;

  // Source and destination as in the header where it is plain: IPv4 without UDP that copies DSCP and DF. Else
  // 0.
  uint64_t plain_addresses() const;
};
static_assert(sizeof(OuterHeader) == 64);

// kInvalid for two families, a zero or multicast address, DSCP over 63, or encap without ports.
api::Error make_outer_header(const OuterEndpoints& endpoints, const OuterPolicy& policy, OuterHeader& header);

}  // namespace sallyport::dataplane
