// SPDX-License-Identifier: BSD-3-Clause
// A worker's SAs by slot: an array of pointers (RFC 4301's SAD). Read by its worker; the manager thread
// publishes and retires, and frees what it retired only after the worker passed a quiescent state.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>

#include "dataplane/api/messages.h"
#include "dataplane/packet/dpdk_memory.h"

namespace sallyport::dataplane {

template <typename Sa>
class SaTable {
 public:
  explicit SaTable(uint32_t slots) : slots_(slots), entries_(make_dpdk_array<std::atomic<Sa*>>(slots)) {}

  // nullptr where the slot is empty or beyond the table. Worker.
  Sa* at(uint32_t slot) const {
    return slot < slots_ ? entries_[slot].load(std::memory_order_acquire) : nullptr;
  }
  // By the whole SPI (host order), of which the low kSlotBits are the slot. Worker; inbound SAs.
  Sa* find(uint32_t spi) const {
    Sa* sa = at(spi & api::kSlotMask);
    return sa != nullptr && sa->spi == spi ? sa : nullptr;
  }

  // Puts `sa` there, nullptr for none, and returns what was there. Manager. The slot must be inside the
  // table.
  Sa* publish(uint32_t slot, Sa* sa) {
    assert(slot < slots_);
    return entries_[slot].exchange(sa, std::memory_order_acq_rel);
  }

  uint32_t slots() const { return slots_; }

 private:
  uint32_t slots_;
  DpdkArray<std::atomic<Sa*>> entries_;
};

}  // namespace sallyport::dataplane
