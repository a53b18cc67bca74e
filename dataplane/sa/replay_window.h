// SPDX-License-Identifier: BSD-3-Clause
// Anti-replay by a ring of bits (RFC 6479) over 64-bit sequence numbers, with the high word inferred where
// ESN is on (RFC 4303 appendix A). Its SA's home worker is the only user.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

namespace sallyport::dataplane {

class ReplayWindow {
 public:
  static constexpr uint32_t kMinPackets = 32, kMaxPackets = 4096;

  ReplayWindow() = default;

  // `packets`: 0 (off) or kMinPackets .. kMaxPackets. `right_edge`: highest sequence number already seen;
  // everything up to it counts as seen (RFC: a restarted window is closed). False, and no change, for a size
  // out of range.
  bool open(uint32_t packets, uint64_t right_edge);

  // The whole sequence number of a received low word, with ESN: the epoch that puts it nearest to the window
  // (appendix A2.2; a window that is off counts as one of 4096 here).
  uint64_t infer_esn(uint32_t low) const;

  // Reads only. True: not seen before and not left of the window. Sequence number 0 never passes (RFC 4303
  // section 3.3.3), also with the window off.
  bool check_replay(uint64_t sequence) const;
  // Marks it seen and moves the edge; only after the ICV was verified. False, and no change, where it was
  // seen before: a duplicate in the same burst.
  bool advance_replay(uint64_t sequence);

  uint64_t right_edge() const { return right_edge_; }
  uint32_t packets() const { return packets_; }

 private:
  static constexpr uint32_t kWordBits = 64;

  uint64_t right_edge_ = 0;
  uint32_t packets_ = 0;
  uint32_t word_mask_ = 0;  // number of words in the ring, a power of two, less one
  std::unique_ptr<uint64_t[]> words_;
};

}  // namespace sallyport::dataplane
