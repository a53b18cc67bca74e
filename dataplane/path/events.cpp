// SPDX-License-Identifier: BSD-3-Clause
// From bits and addresses to events. Home worker.
#include "dataplane/path/events.h"

#include <rte_udp.h>

#include <cstring>

#include "dataplane/esp/overhead.h"
#include "dataplane/packet/addresses.h"
#include "dataplane/path/inbound.h"

namespace sallyport::dataplane {

namespace {

struct Notice {
  uint8_t bit;
  uint8_t hard;
  api::ExpireCause cause;
};
constexpr std::array<Notice, 6> kNotices = {{
    {kSoftBytes, 0, api::ExpireCause::kBytes},
    {kSoftPackets, 0, api::ExpireCause::kPackets},
    {kSoftSequence, 0, api::ExpireCause::kSequence},
    {kHardBytes, 1, api::ExpireCause::kBytes},
    {kHardPackets, 1, api::ExpireCause::kPackets},
    {kHardSequence, 1, api::ExpireCause::kSequence},
}};

// Between two reports of one SA: an event may be lost, and a peer that jumps about must not flood sallyportd.
constexpr uint64_t kSamePeerIntervalNs = 1'000'000'000, kOtherPeerIntervalNs = 100'000'000;

template <typename Sa>
void report(PathContext& context, Sa& sa, uint8_t outbound) {
  for (const Notice& notice : kNotices) {
    if ((sa.due & notice.bit) == 0) continue;
    WorkerEvent event{};
    event.kind = EventKind::kSaExpired;
    event.outbound = outbound;
    event.hard = notice.hard;
    event.cause = static_cast<uint8_t>(notice.cause);
    event.slot = sa.slot;
    event.spi = sa.spi;
    if (!context.rings->push_event(context.index, event)) return;
    context.has_news = true;
    sa.due = static_cast<uint8_t>(sa.due & ~notice.bit);
  }
}

}  // namespace

void report_expiry(PathContext& context, InboundSa& sa) {
  report(context, sa, 0);
}
void report_expiry(PathContext& context, OutboundSa& sa) {
  report(context, sa, 1);
}

void report_peer(PathContext& context, InboundSa& sa, uint64_t source, const uint8_t* outer,
                 uint16_t esp_offset) {
  if (source == sa.remote.load(std::memory_order_relaxed)) return;
  const uint64_t interval_ns = source == sa.remote_reported ? kSamePeerIntervalNs : kOtherPeerIntervalNs;
  if (sa.reported_ns != 0 && context.now_ns - sa.reported_ns < interval_ns) return;
  WorkerEvent event{};
  event.kind = EventKind::kPeerMoved;
  event.slot = sa.slot;
  event.spi = sa.spi;
  event.remote = source_address(outer);
  rte_udp_hdr udp;
  std::memcpy(&udp, outer + esp_offset - sizeof udp, sizeof udp);
  event.remote_port = rte_be_to_cpu_16(udp.src_port);
  if (!context.rings->push_event(context.index, event)) return;
  context.has_news = true;
  sa.remote_reported = source;
  sa.reported_ns = context.now_ns;
}

void audit(PathContext& context, const rte_mbuf* packet, uint16_t esp_offset, api::AuditCause cause) {
  const auto index = static_cast<size_t>(cause);
  if (!context.limits.audits[index].allow(context.now_ns)) {
    ++context.unrecorded[index];
    return;
  }
  const auto* outer = rte_pktmbuf_mtod(packet, const uint8_t*);
  WorkerEvent event{};
  event.kind = EventKind::kPacketAudited;
  event.cause = static_cast<uint8_t>(cause);
  event.spi = spi_at(packet, esp_offset);
  event.remote = source_address(outer);
  event.local = destination_address(outer);
  if (packet->data_len >= esp_offset + kEspHeaderBytes) {
    uint32_t sequence_be;
    std::memcpy(&sequence_be, outer + esp_offset + sizeof event.spi, sizeof sequence_be);
    event.sequence = rte_be_to_cpu_32(sequence_be);
  }
  if (event.remote.family == api::Family::kIpv6)
    event.flow_label = rte_be_to_cpu_32(reinterpret_cast<const rte_ipv6_hdr*>(outer)->vtc_flow) & 0xfffff;
  event.unrecorded = context.unrecorded[index];
  if (!context.rings->push_event(context.index, event)) {
    ++context.unrecorded[index];
    return;
  }
  context.unrecorded[index] = 0;
  context.has_news = true;
}

}  // namespace sallyport::dataplane
