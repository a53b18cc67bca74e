// SPDX-License-Identifier: BSD-3-Clause
// A stack of buffers under a mutex, and the burst functions of a ring device.
#include "tests/dataplane_path/visible_devices.h"

#include <rte_ethdev.h>

#include <cstring>
#include <list>
#include <mutex>

namespace sallyport::dataplane::testing {

namespace {

struct Stack {
  std::mutex mutex;
  std::vector<void*> objects;
  uint64_t taken = 0;
};

Stack& stack_of(const rte_mempool* pool) {
  return *static_cast<Stack*>(pool->pool_data);
}

// Where a leak detector, which does not look into DPDK's memory, finds them.
std::list<Stack>& all_stacks() {
  static std::list<Stack> stacks;
  return stacks;
}

int make(rte_mempool* pool) {
  pool->pool_data = &all_stacks().emplace_back();
  return 0;
}
void destroy(rte_mempool* pool) {
  all_stacks().remove_if([&](const Stack& stack) { return &stack == &stack_of(pool); });
}
int put(rte_mempool* pool, void* const* objects, unsigned count) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  stack.objects.insert(stack.objects.end(), objects, objects + count);
  return 0;
}
int get(rte_mempool* pool, void** objects, unsigned count) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  if (stack.objects.size() < count) return -ENOBUFS;
  stack.taken += count;
  for (unsigned i = 0; i < count; ++i) {
    objects[i] = stack.objects.back();
    stack.objects.pop_back();
  }
  return 0;
}
unsigned count_of(const rte_mempool* pool) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  return static_cast<unsigned>(stack.objects.size());
}

uint16_t receive_burst(void* queue, rte_mbuf** packets, uint16_t count) {
  return static_cast<uint16_t>(rte_ring_dequeue_burst(static_cast<rte_ring*>(queue),
                                                      reinterpret_cast<void**>(packets), count, nullptr));
}
uint16_t transmit_burst(void* queue, rte_mbuf** packets, uint16_t count) {
  return static_cast<uint16_t>(rte_ring_enqueue_burst(
      static_cast<rte_ring*>(queue), reinterpret_cast<void* const*>(packets), count, nullptr));
}

}  // namespace

const char* visible_pool_operations() {
  static const bool registered = [] {
    rte_mempool_ops operations{};
    std::strcpy(operations.name, "visible");
    operations.alloc = make;
    operations.free = destroy;
    operations.enqueue = put;
    operations.dequeue = get;
    operations.get_count = count_of;
    return rte_mempool_register_ops(&operations) >= 0;
  }();
  return registered ? "visible" : nullptr;
}

uint64_t taken_from(const rte_mempool* pool) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  return stack.taken;
}

void make_visible(uint16_t device, std::vector<rte_ring*>& receive, std::vector<rte_ring*>& transmit) {
  auto& operations = ::rte_eth_fp_ops[device];
  operations.rx_pkt_burst = receive_burst;
  operations.rxq.data = reinterpret_cast<void**>(receive.data());
  operations.tx_pkt_burst = transmit_burst;
  operations.txq.data = reinterpret_cast<void**>(transmit.data());
}

}  // namespace sallyport::dataplane::testing
