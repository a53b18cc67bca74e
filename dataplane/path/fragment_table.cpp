// SPDX-License-Identifier: BSD-3-Clause
// A ring in order of arrival, whose slots are linked by bucket.
#include "dataplane/path/fragment_table.h"

#include <algorithm>

namespace sallyport::dataplane {

uint32_t FragmentTable::put(const Fragment& fragment, uint32_t bucket) {
  const uint16_t place = place_of(count_++);
  const uint32_t gone = remove(place);
  const uint16_t older = newest_[bucket];
  slots_[place] = {fragment, kNone, older, static_cast<uint16_t>(bucket), true};
  if (older != kNone) slots_[older].newer = place;
  newest_[bucket] = place;
  return gone;
}

FragmentTable::Chain FragmentTable::find(const FragmentKey& key, uint32_t bucket) const {
  Chain chain;
  uint16_t place = newest_[bucket];
  for (uint32_t steps = 0; place != kNone && steps < kMaxWalk; ++steps, place = slots_[place].older) {
    if (slots_[place].fragment.key != key) continue;
    chain.places[chain.count++] = place;
    if (chain.count == chain.places.size()) break;
  }
  return chain;
}

uint32_t FragmentTable::remove(uint16_t place) {
  Slot& slot = slots_[place];
  if (!slot.held) return 0;
  slot.held = false;
  (slot.newer == kNone ? newest_[slot.bucket] : slots_[slot.newer].older) = slot.older;
  if (slot.older != kNone) slots_[slot.older].newer = slot.newer;
  return abandon(place);
}

uint32_t FragmentTable::abandon(uint16_t place) {
  Fragment& fragment = slots_[place].fragment;
  if (fragment.packet == nullptr) return 0;
  rte_pktmbuf_free(fragment.packet);
  fragment.packet = nullptr;
  return fragment.uses == 0 ? 1 : 0;
}

uint32_t FragmentTable::end_turn() {
  uint32_t gone = 0;
  for (uint64_t i = count_ - std::min<uint64_t>(count_, capacity_); i < count_at_turn_; ++i)
    gone += remove(place_of(i));
  count_at_turn_ = count_;
  return gone;
}

uint32_t FragmentTable::clear() {
  end_turn();
  return end_turn();
}

}  // namespace sallyport::dataplane
