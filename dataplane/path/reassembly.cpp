// SPDX-License-Identifier: BSD-3-Clause
// Reassembler over rte_ip_frag, whose "cycles" are our nanoseconds.
#include "dataplane/path/reassembly.h"

#include <algorithm>

#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {
// Of the hash table, powers of two; twice the room, so that a full bucket is rare.
constexpr uint32_t kBucketEntries = 16, kBuckets = Reassembler::kMaxDatagrams * 2 / kBucketEntries;
}  // namespace

std::unique_ptr<Reassembler> Reassembler::create(int socket_id) {
  rte_ip_frag_tbl* table =
      rte_ip_frag_table_create(kBuckets, kBucketEntries, kMaxDatagrams, kTimeoutNs, socket_id);
  return table == nullptr ? nullptr : std::unique_ptr<Reassembler>(new Reassembler(table));
}

Reassembler::~Reassembler() {
  free_dead();
  rte_ip_frag_table_destroy(table_);
}

void Reassembler::free_dead() {
  rte_ip_frag_free_death_row(&dead_, 0);
}

Reassembler::Outcome Reassembler::add(rte_mbuf* fragment, uint64_t now_ns) {
  auto* header = rte_pktmbuf_mtod(fragment, rte_ipv4_hdr*);
  fragment->l2_len = 0;
  fragment->l3_len = static_cast<uint8_t>(ipv4_header_bytes(*header));
  return outcome_of(fragment, rte_ipv4_frag_reassemble_packet(table_, &dead_, fragment, now_ns, header));
}

Reassembler::Outcome Reassembler::add_ipv6(rte_mbuf* fragment, uint64_t now_ns) {
  auto* header = rte_pktmbuf_mtod(fragment, rte_ipv6_hdr*);
  auto* extension = reinterpret_cast<rte_ipv6_fragment_ext*>(header + 1);
  fragment->l2_len = 0;
  fragment->l3_len = sizeof *header + sizeof *extension;
  return outcome_of(fragment,
                    rte_ipv6_frag_reassemble_packet(table_, &dead_, fragment, now_ns, header, extension));
}

// `whole`: what the table made of the fragment.
Reassembler::Outcome Reassembler::outcome_of(rte_mbuf* fragment, rte_mbuf* whole) {
  Outcome outcome;
  outcome.expired = dead_.cnt;
  if (whole == nullptr) {
    outcome.refused = std::find(dead_.row, dead_.row + dead_.cnt, fragment) != dead_.row + dead_.cnt;
    if (outcome.refused) --outcome.expired;
  } else {
    outcome.packet = make_private_linear(whole);
    if (outcome.packet == nullptr) {
      rte_pktmbuf_free(whole);
      outcome.refused = true;
    }
  }
  free_dead();
  return outcome;
}

uint32_t Reassembler::expire(uint64_t now_ns) {
  rte_ip_frag_table_del_expired_entries(table_, &dead_, now_ns);
  const uint32_t expired = dead_.cnt;
  free_dead();
  return expired;
}

}  // namespace sallyport::dataplane
