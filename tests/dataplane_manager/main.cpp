// SPDX-License-Identifier: BSD-3-Clause
// The tests run in a network namespace that goes away with them, and so do the devices in it.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <fstream>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
    std::puts("skipped: needs root for a network namespace of its own");
    return 77;
  }
  std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1";
  std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << "1";
  return RUN_ALL_TESTS();
}
