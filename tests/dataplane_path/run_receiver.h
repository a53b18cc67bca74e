// SPDX-License-Identifier: BSD-3-Clause
// The receiving end of an SA written a second time, from RFC 4303 alone and with a set of all numbers seen:
// what must become of packets, whatever bursts they come in.
#pragma once

#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <utility>

#include "tests/dataplane_path/run_cases.h"

namespace sallyport::dataplane::testing {

struct RunSa {
  const char* name;
  const char* algorithm = "aes128gcm16";
  uint32_t window = 64;
  uint64_t edge = 0, gap = 0;  // of the window as it restarts; between it and the first packet
  bool esn = false, encap = false, selectors = false;
  api::Family outer = api::Family::kIpv4;
  api::Lifetimes lifetimes = {};
};

inline void PrintTo(const RunSa& sa, std::ostream* out) {
  *out << sa.name;
}

struct Row {
  uint64_t packets = 0, bytes = 0, right_edge = 0, replayed = 0, icv_failed = 0, policy_dropped = 0;
  bool was_used = false;
  bool operator==(const Row&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.packets << " packets, " << row.bytes << " bytes, edge " << row.right_edge << ", "
             << row.replayed << " replayed, " << row.icv_failed << " forged, " << row.policy_dropped
             << " outside the policy" << (row.was_used ? ", used" : "");
}

struct Outcome {
  std::vector<Bytes> ipv4, ipv6;  // as they leave, each family in order
  std::map<api::DropReason, uint64_t> drops;
  std::vector<std::pair<bool, api::ExpireCause>> expiries;  // hard or soft
};

inline Bytes as_it_leaves(Bytes inner) {
  if (inner[0] >> 4 == 6) return forwarded_either(inner);
  inner.at(8) = static_cast<uint8_t>(inner.at(8) - 1);
  put16(inner, 10, 0);
  put16(inner, 10, internet_checksum(inner, 0, (inner[0] & 15) * size_t{4}));
  return inner;
}

struct RunPacket {
  Made made;
  uint64_t sequence;
  Buffer buffer;
};

// RFC 4303 section 3.4, packet after packet, over a set of all numbers seen.
class Receiver {
 public:
  explicit Receiver(const RunSa& sa) : sa_(sa) { row.right_edge = sa.edge; }

  void receive(const RunPacket& packet, Outcome& outcome) {
    const Made& made = packet.made;
    const api::DropReason drop = verdict(packet);
    if (drop != kKeep) {
      ++outcome.drops[drop];
    } else {
      (made.inner[0] >> 4 == 6 ? outcome.ipv6 : outcome.ipv4).push_back(as_it_leaves(made.inner));
    }
    if (row.packets == sa_.lifetimes.soft_packets && std::exchange(soft_told_, true) == false)
      outcome.expiries.emplace_back(false, api::ExpireCause::kPackets);
    if (drop == api::DropReason::kHardLifetime && std::exchange(hard_told_, true) == false)
      outcome.expiries.emplace_back(true, api::ExpireCause::kPackets);
  }

  Row row;

 private:
  api::DropReason verdict(const RunPacket& packet) {
    const Made& made = packet.made;
    if (made.fate == Fate::kRefused) return made.drop;
    if (!may_come(packet.sequence)) {
      ++row.replayed;
      return api::DropReason::kReplay;
    }
    if (made.fate == Fate::kForged) {
      ++row.icv_failed;
      return api::DropReason::kIcvFailed;
    }
    seen_.insert(packet.sequence);
    row.right_edge = std::max(row.right_edge, packet.sequence);
    if (made.fate == Fate::kUncounted) return made.drop;
    if (row.packets >= hard_packets()) return api::DropReason::kHardLifetime;
    ++row.packets;
    row.bytes += made.payload_bytes;
    row.was_used = true;
    if (made.fate != Fate::kPolicy || !sa_.selectors) return made.drop;
    ++row.policy_dropped;
    return api::DropReason::kPolicyInbound;
  }
  bool may_come(uint64_t number) const {
    if (sa_.window == 0 || number > row.right_edge) return true;
    return number > sa_.edge && row.right_edge - number < sa_.window && !seen_.contains(number);
  }
  uint64_t hard_packets() const {
    return sa_.lifetimes.hard_packets != 0 ? sa_.lifetimes.hard_packets : UINT64_MAX;
  }

  const RunSa& sa_;
  std::set<uint64_t> seen_;
  bool soft_told_ = sa_.lifetimes.soft_packets == 0, hard_told_ = false;
};

}  // namespace sallyport::dataplane::testing
