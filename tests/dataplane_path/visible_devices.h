// SPDX-License-Identifier: BSD-3-Clause
// What hands packets from thread to thread, compiled with the tests: ThreadSanitizer sees only code compiled
// for it, and would take every packet from DPDK's own pool and ring driver for a race.
#pragma once

#include <rte_mempool.h>
#include <rte_ring.h>

#include <vector>

namespace sallyport::dataplane::testing {

// The name of a mempool's operations, for rte_pktmbuf_pool_create_by_ops.
const char* visible_pool_operations();
// How many objects were ever taken out of a pool with those operations.
uint64_t taken_from(const rte_mempool* pool);

// Makes a started ring device take from and give to these rings itself; they outlive it.
void make_visible(uint16_t device, std::vector<rte_ring*>& receive, std::vector<rte_ring*>& transmit);

}  // namespace sallyport::dataplane::testing
