// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode outbound, the cold part. Worker threads.
#include "dataplane/esp/encapsulate.h"

namespace sallyport::dataplane::esp_detail {

[[gnu::cold]] Exchanged make_room(rte_mbuf* packet, uint32_t head_bytes, uint32_t tail_bytes) {
  rte_mbuf* copy = make_private_linear(packet);
  if (copy == nullptr) return {packet, api::DropReason::kNoRoom};
  return {copy, has_room(copy, head_bytes, tail_bytes) ? kKeep : api::DropReason::kNoRoom};
}

}  // namespace sallyport::dataplane::esp_detail
