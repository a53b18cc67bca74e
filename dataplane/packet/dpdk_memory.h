// SPDX-License-Identifier: BSD-3-Clause
// Arrays in DPDK's memory: huge pages where there are any, so that a packet's tables cost few TLB
// entries. Any thread after EAL's start.
#pragma once

#include <rte_malloc.h>

#include <cstddef>
#include <memory>
#include <new>

namespace sallyport::dataplane {

struct DpdkFree {
  void operator()(void* memory) const { rte_free(memory); }
};
template <typename T>
using DpdkArray = std::unique_ptr<T[], DpdkFree>;

// All zero. T may be whatever all zero bytes are a value of; throws std::bad_alloc.
template <typename T>
DpdkArray<T> make_dpdk_array(size_t count) {
  void* memory = rte_zmalloc(nullptr, count * sizeof(T), RTE_CACHE_LINE_SIZE);
  if (memory == nullptr && count > 0) throw std::bad_alloc();
  return DpdkArray<T>(static_cast<T*>(memory));
}

}  // namespace sallyport::dataplane
