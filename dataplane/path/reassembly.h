// SPDX-License-Identifier: BSD-3-Clause
// Puts the fragments of outer packets together (RFC 791, RFC 8200 section 4.5), within bounds that a flood of
// fragments can't move. It never holds more than kMaxFragments, and a new fragment is never turned away for
// old ones: the oldest goes. A datagram is thus lost only where many others come between its own fragments.
// Sources are spread over kParts of equal size, and datagrams over a part's buckets, by hashes that nobody
// outside knows: who floods from a few addresses reaches only the parts of these. All fragments of a datagram
// must come to one worker, as they do where the NIC spreads by addresses. Its worker alone uses it.
//
// Not rte_ip_frag, which gives a whole datagram up for any one fragment that doesn't fit: an IPv4
// identification has 16 bits (RFC 4963), so that somebody who sends in the peer's name strikes them by
// chance, and good traffic may lose no more than 0.1% to him.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/packet/dpdk_memory.h"
#include "dataplane/path/fragment_table.h"

namespace sallyport::dataplane {

class Reassembler {
 public:
  static constexpr uint32_t kParts = 8;
  // Held in one part, and between a datagram's first and last.
  static constexpr uint32_t kMaxPartFragments = FragmentTable::kFragments;
  static constexpr uint32_t kMaxFragments = kParts * kMaxPartFragments;
  static constexpr uint32_t kMaxUses = kMaxCovers;  // packets that one IPv4 fragment goes into
  static constexpr uint64_t kTimeoutNs = 1'000'000'000;
  static constexpr uint32_t kMaxPacketBytes = 10'000;  // what charon takes, and more than RFC 7296 asks for

  // What became of a fragment. `packets`: whole datagrams with the ECN of RFC 3168 section 5.3 and without
  // their IPv4 header checksum, each in one segment where a buffer of the first fragment's pool holds it,
  // otherwise in several, all but the last full. `given_up`: fragments that go and made no packet; this one
  // may be among them. `too_large`: datagrams that would have more than kMaxPacketBytes.
  struct Outcome {
    uint32_t given_up = 0;
    uint32_t too_large = 0;
    uint32_t count = 0;
    std::array<rte_mbuf*, kMaxUses> packets{};

    void push(rte_mbuf* packet) { packets[count++] = packet; }
    std::span<rte_mbuf* const> all() const { return {packets.data(), count}; }
  };

  // Holds `max_fragments` at most, where that is less than kMaxFragments but no less than kParts. nullptr
  // when memory or the kernel's random numbers are short.
  static std::unique_ptr<Reassembler> create(int socket_id, uint32_t max_fragments = kMaxFragments);
  ~Reassembler();
  Reassembler(const Reassembler&) = delete;
  Reassembler& operator=(const Reassembler&) = delete;

  // Takes the fragment, whose data is exactly its IPv4 packet and has passed check_ipv4. One that is not of
  // the others' datagram harms none of these, whether it fits or not: any fragments that follow on each other
  // from the first to a last one make a packet, and ESP's ICV or IKE judges it. They stay, for a better one
  // to come, until they have gone into kMaxUses packets or are old. The packets of one Outcome have different
  // data: doubled fragments make no more of them than whole packets that are doubled.
  Outcome add(rte_mbuf* fragment);
  // The same for an IPv6 packet that has passed check_ipv6 and whose fragment header is right behind its IPv6
  // header. Fragments that overlap make no packet, nor do later ones of their datagram (RFC 5722); exact
  // duplicates are ignored. One packet at most.
  Outcome add_ipv6(rte_mbuf* fragment);
  // Gives up fragments that came kTimeoutNs ago, at latest when twice that has passed; how many. To be called
  // every so often.
  uint32_t expire(uint64_t now_ns);

 private:
  // Of words, as many as a key has at most, by secret factors: what somebody chooses collides by chance only.
  class Hash {
   public:
    // False where the kernel has no random numbers.
    bool draw();
    // The highest `bits`.
    uint32_t operator()(std::span<const uint32_t> words, uint32_t bits) const;

   private:
    std::array<uint64_t, sizeof(FragmentKey) / sizeof(uint32_t) + 1> factors_;
  };

  Reassembler() = default;
  FragmentTable& part_of(const FragmentKey& key);
  Outcome add_ipv4_to(FragmentTable& part, const Fragment& fragment);
  Outcome add_ipv6_to(FragmentTable& part, const Fragment& fragment);

  DpdkArray<FragmentTable> parts_;
  Hash part_hash_, bucket_hash_;
  uint64_t turn_ends_ns_ = 0;
};

}  // namespace sallyport::dataplane
