// SPDX-License-Identifier: BSD-3-Clause
// Puts the fragments of outer packets together (RFC 791, RFC 8200 section 4.5), within bounds that a flood of
// fragments can't move. It never holds more than kMaxFragments, and a new fragment is never turned away for
// old ones: those of the datagram begun longest ago go. A datagram is thus lost only where many others come
// between its own fragments. Sources are spread over kParts of equal size by a hash that nobody outside
// knows: who floods from a few addresses reaches only the parts of these. All fragments of a datagram must
// come to one worker, as they do where the NIC spreads by addresses. Its worker alone uses it.
#pragma once

#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>

#include "dataplane/packet/verdict.h"

namespace sallyport::dataplane {

class Reassembler {
 public:
  static constexpr uint32_t kParts = 8;
  static constexpr uint32_t kMaxPartFragments =
      256;  // held in one part, and between a datagram's first and last
  static constexpr uint32_t kMaxFragments = kParts * kMaxPartFragments;
  static constexpr uint64_t kTimeoutNs = 1'000'000'000;

  // What became of a fragment. `packet`: the whole datagram in one segment, or nullptr where more is to come.
  // `given_up`: fragments that make no packet, or had to go; this one may be among them.
  struct Outcome {
    rte_mbuf* packet = nullptr;
    uint32_t given_up = 0;
  };

  // nullptr when memory is short.
  static std::unique_ptr<Reassembler> create(int socket_id);
  ~Reassembler();
  Reassembler(const Reassembler&) = delete;
  Reassembler& operator=(const Reassembler&) = delete;

  // Takes the fragment, whose data is exactly its IPv4 packet and has passed check_ipv4.
  Outcome add(rte_mbuf* fragment);
  // The same for an IPv6 packet that has passed check_ipv6 and whose fragment header is right behind its IPv6
  // header. Fragments that overlap make no packet (RFC 5722).
  Outcome add_ipv6(rte_mbuf* fragment);
  // Gives up datagrams begun kTimeoutNs ago, at latest when twice that has passed; how many fragments. To be
  // called every so often.
  uint32_t expire(uint64_t now_ns);

 private:
  // One rte_ip_frag table. Its clock is the count of fragments that have come: what is as old as
  // kMaxPartFragments may go.
  struct Part {
    rte_ip_frag_tbl* table = nullptr;
    uint64_t count = 0, count_at_turn = 0;  // now, and when the present turn of kTimeoutNs began
  };

  Reassembler() = default;
  Part& part_of(uint64_t source_high, uint64_t source_low);
  // Makes room in the part for the next fragment; how many went.
  uint32_t make_room(Part& part);
  uint32_t expire_until(Part& part, uint64_t count);
  uint32_t free_dead();
  Outcome outcome_of(rte_mbuf* whole, uint32_t gone);

  std::array<Part, kParts> parts_;
  std::array<uint64_t, 3> hash_factors_{};  // odd, random
  uint64_t turn_ends_ns_ = 0;
  rte_ip_frag_death_row dead_{};
};

}  // namespace sallyport::dataplane
