// SPDX-License-Identifier: BSD-3-Clause
// Reassembler over rte_ip_frag, whose "cycles" are fragments that came: a table of it refuses what is new
// while it is full of what is not old enough, so age is counted in what could have filled it.
#include "dataplane/path/reassembly.h"

#include <rte_random.h>

#include <bit>
#include <cstring>

#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

// Of a part's hash table, powers of two; rte_ip_frag doubles the buckets. Four times the room, so that a
// datagram whose two buckets are both full is rare.
constexpr uint32_t kBucketEntries = 16, kBuckets = Reassembler::kMaxPartFragments * 2 / kBucketEntries;
// The table holds a datagram while at most this many fragments have come since its first one.
constexpr uint64_t kMaxAge = Reassembler::kMaxPartFragments - 1;
constexpr int kPartShift = 64 - std::countr_zero(Reassembler::kParts);
static_assert(std::has_single_bit(Reassembler::kParts));

}  // namespace

std::unique_ptr<Reassembler> Reassembler::create(int socket_id) {
  std::unique_ptr<Reassembler> reassembler(new Reassembler);
  for (Part& part : reassembler->parts_) {
    part.table = rte_ip_frag_table_create(kBuckets, kBucketEntries, kMaxPartFragments, kMaxAge, socket_id);
    if (part.table == nullptr) return nullptr;
  }
  for (uint64_t& factor : reassembler->hash_factors_)
    factor = rte_rand() | 1;
  return reassembler;
}

Reassembler::~Reassembler() {
  for (const Part& part : parts_)
    if (part.table != nullptr) rte_ip_frag_table_destroy(part.table);
}

// Two sources share a part with a chance of one in kParts, be they neighbours or chosen by somebody.
Reassembler::Part& Reassembler::part_of(uint64_t source_high, uint64_t source_low) {
  uint64_t hash = source_high * hash_factors_[0];
  hash = (hash ^ hash >> 32 ^ source_low) * hash_factors_[1];
  return parts_[(hash ^ hash >> 32) * hash_factors_[2] >> kPartShift];
}

Reassembler::Outcome Reassembler::add(rte_mbuf* fragment) {
  auto* header = rte_pktmbuf_mtod(fragment, rte_ipv4_hdr*);
  fragment->l2_len = 0;
  fragment->l3_len = static_cast<uint8_t>(ipv4_header_bytes(*header));
  Part& part = part_of(0, header->src_addr);
  const uint32_t gone = make_room(part);
  return outcome_of(rte_ipv4_frag_reassemble_packet(part.table, &dead_, fragment, part.count, header), gone);
}

Reassembler::Outcome Reassembler::add_ipv6(rte_mbuf* fragment) {
  auto* header = rte_pktmbuf_mtod(fragment, rte_ipv6_hdr*);
  auto* extension = reinterpret_cast<rte_ipv6_fragment_ext*>(header + 1);
  fragment->l2_len = 0;
  fragment->l3_len = sizeof *header + sizeof *extension;
  std::array<uint64_t, 2> source;
  std::memcpy(source.data(), header->src_addr, sizeof source);
  Part& part = part_of(source[0], source[1]);
  const uint32_t gone = make_room(part);
  return outcome_of(
      rte_ipv6_frag_reassemble_packet(part.table, &dead_, fragment, part.count, header, extension), gone);
}

uint32_t Reassembler::make_room(Part& part) {
  return expire_until(part, ++part.count);
}

// `count`: the part's clock, at which what is older than kMaxAge goes.
uint32_t Reassembler::expire_until(Part& part, uint64_t count) {
  uint32_t gone = 0;
  for (;;) {  // the death row is shorter than a full table
    rte_ip_frag_table_del_expired_entries(part.table, &dead_, count);
    if (dead_.cnt == 0) return gone;
    gone += free_dead();
  }
}

uint32_t Reassembler::free_dead() {
  const uint32_t count = dead_.cnt;
  rte_ip_frag_free_death_row(&dead_, 0);
  return count;
}

// `whole`: what the table made of the fragment. `gone`: what had gone before.
Reassembler::Outcome Reassembler::outcome_of(rte_mbuf* whole, uint32_t gone) {
  Outcome outcome{nullptr, gone + free_dead()};
  if (whole == nullptr) return outcome;
  outcome.packet = make_private_linear(whole);
  if (outcome.packet == nullptr) {
    rte_pktmbuf_free(whole);
    ++outcome.given_up;
  }
  return outcome;
}

uint32_t Reassembler::expire(uint64_t now_ns) {
  if (now_ns < turn_ends_ns_) return 0;
  uint32_t gone = 0;
  for (Part& part : parts_) {
    gone += expire_until(part, part.count_at_turn + kMaxAge + 1);
    part.count_at_turn = part.count;
  }
  turn_ends_ns_ = now_ns + kTimeoutNs;
  return gone;
}

}  // namespace sallyport::dataplane
