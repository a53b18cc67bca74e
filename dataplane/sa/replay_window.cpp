// SPDX-License-Identifier: BSD-3-Clause
// Opening of replay windows. Manager thread.
#include "dataplane/sa/replay_window.h"

#include <algorithm>
#include <bit>

namespace sallyport::dataplane {

uint32_t ReplayWindow::words_for(uint32_t packets) {
  return packets == 0 ? 0 : std::bit_ceil((packets + kWordBits - 1) / kWordBits + 1);
}

bool ReplayWindow::open(uint32_t packets, uint64_t right_edge, std::span<uint64_t> storage) {
  if (packets != 0 && (packets < kMinPackets || packets > kMaxPackets)) return false;
  const uint32_t words = words_for(packets);
  if (storage.size() < words) return false;
  right_edge_ = right_edge;
  packets_ = packets;
  words_ = words != 0 ? storage.data() : nullptr;
  word_mask_ = words != 0 ? words - 1 : 0;
  if (words == 0) return true;
  std::fill_n(words_, words, ~uint64_t{0});
  // In the edge's own word the bits right of the edge are still to come; later words are cleared when
  // entered.
  const uint32_t edge_bit = right_edge % kWordBits;
  words_[right_edge / kWordBits & word_mask_] =
      edge_bit == kWordBits - 1 ? ~uint64_t{0} : (uint64_t{2} << edge_bit) - 1;
  return true;
}

}  // namespace sallyport::dataplane
