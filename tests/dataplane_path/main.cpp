// SPDX-License-Identifier: BSD-3-Clause
// The path tests' main: EAL first.
#include <gtest/gtest.h>
#include <rte_errno.h>

#include "tests/dataplane/eal_environment.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!sallyport::dataplane::testing::start_eal()) {
    std::fprintf(stderr, "EAL did not start: %s\n", rte_strerror(rte_errno));
    return 1;
  }
  return RUN_ALL_TESTS();
}
