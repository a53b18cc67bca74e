// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode inbound, the cold part. Home worker.
#include "dataplane/esp/decapsulate.h"

namespace sallyport::dataplane::esp_detail {

[[gnu::cold]] api::DropReason make_private(rte_mbuf*& packet) {
  rte_mbuf* copy = make_private_linear(packet);
  if (copy == nullptr) return api::DropReason::kNoRoom;
  packet = copy;
  return kKeep;
}

}  // namespace sallyport::dataplane::esp_detail
