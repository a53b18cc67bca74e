// SPDX-License-Identifier: BSD-3-Clause
// The packet pool of the test binary; main() starts EAL.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sallyport::dataplane::testing {

inline constexpr uint16_t kBufferBytes = RTE_PKTMBUF_HEADROOM + 9216;

// Once, before any packet; false with rte_errno set where DPDK refuses.
bool start_eal();

rte_mempool* packet_pool();

}  // namespace sallyport::dataplane::testing
