// SPDX-License-Identifier: BSD-3-Clause
// Anti-replay by a ring of bits (RFC 6479) over 64-bit sequence numbers, with the high word inferred where
// ESN is on (RFC 4303 appendix A). Its SA's home worker is the only user after publication.
#pragma once

#include <rte_prefetch.h>

#include <cstdint>
#include <span>

namespace sallyport::dataplane {

class ReplayWindow {
 public:
  static constexpr uint32_t kMinPackets = 32, kMaxPackets = 4096;

  // Words of storage that a window of this many packets needs: a power of two, one word more than the window
  // at least, so that the edge can move into a word before its old bits are needed. 0 for a window that is
  // off.
  static uint32_t words_for(uint32_t packets);

  ReplayWindow() = default;

  // `packets`: 0 (off) or kMinPackets .. kMaxPackets. `right_edge`: everything up to it counts as seen (0 for
  // a new SA; a window restarted in this way is closed). `storage`: words_for(packets) words that outlive the
  // window. False, and no change, for a size out of range.
  bool open(uint32_t packets, uint64_t right_edge, std::span<uint64_t> storage);

  // The whole sequence number of a received low word, with ESN (appendix A2.2). Where the window is off, the
  // one nearest to the right edge.
  uint64_t infer_esn(uint32_t low) const { return number_above(bottom(), low); }

  // infer_esn in two steps, of which the first is the same until the window moves. The one number with this
  // low word among the 2^32 from the bottom on, the window's left edge; before the first epoch's window is
  // full that edge lies left of 0.
  uint64_t bottom() const {
    const uint64_t window = packets_ != 0 ? packets_ : uint64_t{1} << 31;
    return right_edge_ - window + 1;
  }
  static uint64_t number_above(uint64_t bottom, uint32_t low) {
    const uint64_t number = bottom + (low - static_cast<uint32_t>(bottom));
    return static_cast<int64_t>(number) >= 0 ? number : low;
  }

  // Reads only. True: neither seen before nor left of the window. Sequence number 0 is never sent (RFC 4303
  // section 3.3.3) and never passes. With the window off everything passes.
  bool check_replay(uint64_t sequence) const {
    if (sequence > right_edge_ || packets_ == 0) return true;
    if (right_edge_ - sequence >= packets_ || sequence == 0) return false;
    return (words_[sequence / kWordBits & word_mask_] >> (sequence % kWordBits) & 1) == 0;
  }

  // Marks it seen and moves the edge; only after the ICV was verified. False, and no change, where
  // check_replay fails by now: a duplicate in the same burst.
  bool advance_replay(uint64_t sequence) {
    if (packets_ == 0) [[unlikely]] {
      right_edge_ = sequence > right_edge_ ? sequence : right_edge_;
      return true;
    }
    const uint64_t index = sequence / kWordBits;
    if (sequence > right_edge_) [[likely]] {
      if (index != right_edge_ / kWordBits) [[unlikely]]
        clear_words(index);
      right_edge_ = sequence;
    } else if (!check_replay(sequence)) {
      return false;
    }
    words_[index & word_mask_] |= uint64_t{1} << (sequence % kWordBits);
    return true;
  }

  // The right edge and its word, in registers while packets in order move them. The window itself is behind
  // until put_back.
  class Front {
   public:
    [[gnu::always_inline]] explicit Front(const ReplayWindow& window)
        : right_edge_(window.right_edge_),
          word_(window.packets_ != 0 ? *window.newest_word() : 0),
          off_(window.packets_ == 0) {}

    // As advance_replay, of a number that is the newest and belongs to the same word; with the window off
    // also of an older one. False, and no change, of any other.
    [[gnu::always_inline]] bool advance(uint64_t sequence) {
      if (sequence <= right_edge_) [[unlikely]]
        return off_;
      if ((sequence ^ right_edge_) >= kWordBits) [[unlikely]]
        return false;
      right_edge_ = sequence;
      word_ |= uint64_t{1} << (sequence % kWordBits);
      return true;
    }
    void put_back(ReplayWindow& window) const {
      window.right_edge_ = right_edge_;
      if (window.packets_ != 0) *window.newest_word() = word_;
    }

   private:
    uint64_t right_edge_, word_;
    bool off_;
  };

  // Fetches the word that the next packets in order will mark.
  void prefetch() const { rte_prefetch0(newest_word()); }

  uint64_t right_edge() const { return right_edge_; }
  uint32_t packets() const { return packets_; }

 private:
  static constexpr uint32_t kWordBits = 64;

  uint64_t* newest_word() const { return words_ + (right_edge_ / kWordBits & word_mask_); }

  // The words after the right edge's, up to the one at `last`.
  void clear_words(uint64_t last) {
    const uint64_t first = right_edge_ / kWordBits;
    const uint64_t fresh = last - first <= word_mask_ ? last - first : uint64_t{word_mask_} + 1;
    for (uint64_t i = 0; i < fresh; ++i)
      words_[(last - i) & word_mask_] = 0;
  }

  uint64_t right_edge_ = 0;
  uint64_t* words_ = nullptr;
  uint32_t packets_ = 0;
  uint32_t word_mask_ = 0;  // words in the ring less one
};
static_assert(sizeof(ReplayWindow) == 24);

}  // namespace sallyport::dataplane
