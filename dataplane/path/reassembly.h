// SPDX-License-Identifier: BSD-3-Clause
// Puts the fragments of outer packets together (RFC 791, RFC 8200 section 4.5), within bounds that a flood of
// fragments can't move: at most kMaxDatagrams at a time, each for at most kTimeoutNs. All fragments of a
// datagram must come to one worker, as they do where the NIC spreads by addresses. Its worker alone uses it.
#pragma once

#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <memory>

#include "dataplane/packet/verdict.h"

namespace sallyport::dataplane {

class Reassembler {
 public:
  static constexpr uint32_t kMaxDatagrams = 256;
  static constexpr uint64_t kTimeoutNs = 1'000'000'000;

  // What became of a fragment. `packet`: the whole datagram in one segment, or nullptr where more is to come.
  // `expired` fragments of others were given up, `refused` tells that this one was.
  struct Outcome {
    rte_mbuf* packet = nullptr;
    uint32_t expired = 0;
    bool refused = false;
  };

  // nullptr when memory is short.
  static std::unique_ptr<Reassembler> create(int socket_id);
  ~Reassembler();
  Reassembler(const Reassembler&) = delete;
  Reassembler& operator=(const Reassembler&) = delete;

  // Takes the fragment, whose data is exactly its IPv4 packet and has passed check_ipv4.
  Outcome add(rte_mbuf* fragment, uint64_t now_ns);
  // The same for an IPv6 packet that has passed check_ipv6 and whose fragment header is right behind its IPv6
  // header. Fragments that overlap make no packet (RFC 5722).
  Outcome add_ipv6(rte_mbuf* fragment, uint64_t now_ns);
  // Gives up datagrams that were never completed; how many fragments. To be called every so often.
  uint32_t expire(uint64_t now_ns);

 private:
  explicit Reassembler(rte_ip_frag_tbl* table) : table_(table) {}
  Outcome outcome_of(rte_mbuf* fragment, rte_mbuf* whole);
  void free_dead();

  rte_ip_frag_tbl* table_;
  rte_ip_frag_death_row dead_{};
};

}  // namespace sallyport::dataplane
