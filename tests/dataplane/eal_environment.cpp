// SPDX-License-Identifier: BSD-3-Clause
// Starts EAL once for the whole test binary, without hugepages, devices or files.
#include "tests/dataplane/eal_environment.h"

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include <array>

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kBuffers = 511;

rte_mempool* g_pool = nullptr;

}  // namespace

rte_mempool* packet_pool() {
  return g_pool;
}

bool start_eal() {
  std::array<const char*, 8> arguments = {"core_tests",
                                          "--no-huge",
                                          "-m",
                                          "64",
                                          "--no-pci",
                                          "--no-shconf",
                                          "--no-telemetry",
                                          "--log-level=lib.*:error"};
  if (rte_eal_init(static_cast<int>(arguments.size()), const_cast<char**>(arguments.data())) < 0)
    return false;
  g_pool = rte_pktmbuf_pool_create("packets", kBuffers, 0, 0, kBufferBytes, SOCKET_ID_ANY);
  return g_pool != nullptr;
}

}  // namespace sallyport::dataplane::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!sallyport::dataplane::testing::start_eal()) {
    std::fprintf(stderr, "EAL did not start: %s\n", rte_strerror(rte_errno));
    return 1;
  }
  return RUN_ALL_TESTS();
}
