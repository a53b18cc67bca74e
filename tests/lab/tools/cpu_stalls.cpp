// SPDX-License-Identifier: BSD-3-Clause
// Tells when a CPU stood still: on each of them a thread sleeps for 5 ms at a time, and prints a line when it
// woke much later than that: the CPU, then CLOCK_MONOTONIC in ns at the beginning and at the end of what it
// missed. However busy the CPU is, the scheduler lets a thread that only sleeps in within some 20 ms. Until
// SIGTERM.
#include <sched.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr long kSleep_ns = 5'000'000;

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond_ns + now.tv_nsec;
}

[[noreturn]] void watch(int cpu, int64_t stall_ns) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof only, &only) < 0) {
    std::fprintf(stderr, "cpu-stalls: CPU %d: %s\n", cpu, std::strerror(errno));
    std::exit(1);
  }
  int64_t last_ns = now_ns();
  while (true) {
    const timespec pause{0, kSleep_ns};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    const int64_t woken_ns = now_ns();
    if (woken_ns - last_ns >= stall_ns) std::printf("%d %ld %ld\n", cpu, last_ns, woken_ns);
    last_ns = woken_ns;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t stall_ms = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (stall_ms <= 0) {
    std::fputs("cpu-stalls MILLISECONDS\n", stderr);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<std::jthread> threads;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) threads.emplace_back(watch, cpu, stall_ms * (kSecond_ns / 1000));
}
