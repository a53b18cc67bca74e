// SPDX-License-Identifier: BSD-3-Clause
// When a tunnel's path is healthy: every fault, and how long it takes after one.
#include "dataplane/manager/health.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sallyport::dataplane {
namespace {

using api::HealthCause;
constexpr uint64_t kMs = 1'000'000, kSecond = 1000 * kMs, kStart = 5000 * kSecond;

TEST(Health, StartsHealthyWithoutAHold) {
  const Health health(3000);
  EXPECT_EQ(health.cause(), HealthCause::kHealthy);
  EXPECT_EQ(health.hold_ends_ns(), Health::kNever);
}

TEST(Health, EveryFaultMakesUnhealthyAtOnceAndIsHeldAfter) {
  const std::vector<std::pair<Fault, HealthCause>> faults = {{Fault::kLink, HealthCause::kLink},
                                                             {Fault::kSuspect, HealthCause::kSuspect},
                                                             {Fault::kProbe, HealthCause::kProbe}};
  for (const auto& [fault, cause] : faults) {
    Health health(3000);
    EXPECT_FALSE(health.clear(fault, kStart)) << "nothing is wrong yet";
    EXPECT_TRUE(health.raise(fault, kStart));
    EXPECT_EQ(health.cause(), cause);
    EXPECT_EQ(health.unhealthy_since_ns(), kStart);
    EXPECT_FALSE(health.raise(fault, kStart + kMs)) << "said twice";
    EXPECT_FALSE(health.advance(kStart + 100 * kSecond)) << "a fault does not pass by itself";
    EXPECT_TRUE(health.clear(fault, kStart + kSecond));
    EXPECT_EQ(health.cause(), HealthCause::kHold);
    EXPECT_EQ(health.hold_ends_ns(), kStart + 4 * kSecond);
    EXPECT_FALSE(health.advance(kStart + 4 * kSecond - 1));
    EXPECT_EQ(health.cause(), HealthCause::kHold);
    EXPECT_TRUE(health.advance(kStart + 4 * kSecond));
    EXPECT_EQ(health.cause(), HealthCause::kHealthy);
    EXPECT_EQ(health.hold_ends_ns(), Health::kNever);
    EXPECT_EQ(health.unhealthy_since_ns(), kStart);
    EXPECT_FALSE(health.advance(kStart + 5 * kSecond));
  }
}

TEST(Health, OfSeveralFaultsAllMustHavePassed) {
  Health health(3000);
  EXPECT_TRUE(health.raise(Fault::kProbe, kStart));
  EXPECT_TRUE(health.raise(Fault::kSuspect, kStart + kMs));
  EXPECT_EQ(health.cause(), HealthCause::kSuspect);
  EXPECT_TRUE(health.raise(Fault::kLink, kStart + 2 * kMs));
  EXPECT_EQ(health.cause(), HealthCause::kLink);
  EXPECT_FALSE(health.clear(Fault::kSuspect, kStart + 3 * kMs)) << "the cause is the link still";
  EXPECT_TRUE(health.clear(Fault::kLink, kStart + 4 * kMs));
  EXPECT_EQ(health.cause(), HealthCause::kProbe);
  EXPECT_EQ(health.hold_ends_ns(), Health::kNever);
  EXPECT_TRUE(health.clear(Fault::kProbe, kStart + 5 * kMs));
  EXPECT_EQ(health.cause(), HealthCause::kHold);
  EXPECT_EQ(health.unhealthy_since_ns(), kStart);
}

TEST(Health, AFaultWhileHeldStartsTheHoldAnew) {
  Health health(3000);
  health.raise(Fault::kProbe, kStart);
  health.clear(Fault::kProbe, kStart + kSecond);
  EXPECT_TRUE(health.raise(Fault::kProbe, kStart + 2 * kSecond));
  EXPECT_EQ(health.unhealthy_since_ns(), kStart) << "it has not been healthy since";
  EXPECT_FALSE(health.advance(kStart + 4 * kSecond));
  health.clear(Fault::kProbe, kStart + 5 * kSecond);
  EXPECT_EQ(health.hold_ends_ns(), kStart + 8 * kSecond) << "no relapse: it had not returned";
}

TEST(Health, WithoutAHoldItReturnsAtOnce) {
  Health health(0);
  health.raise(Fault::kLink, kStart);
  EXPECT_TRUE(health.clear(Fault::kLink, kStart + kMs));
  EXPECT_EQ(health.cause(), HealthCause::kHealthy);
  EXPECT_EQ(health.hold_ends_ns(), Health::kNever);
}

// Fails for a second and returns; how long the hold was.
uint64_t fail_and_return(Health& health, uint64_t& now_ns) {
  health.raise(Fault::kProbe, now_ns);
  now_ns += kSecond;
  health.clear(Fault::kProbe, now_ns);
  const uint64_t hold_ns = health.hold_ends_ns() - now_ns;
  now_ns += hold_ns;
  EXPECT_TRUE(health.advance(now_ns));
  return hold_ns;
}

TEST(Health, ARelapseWithinAMinuteDoublesTheHoldUpTo64Times) {
  Health health(1000);
  uint64_t now_ns = kStart;
  for (const uint64_t seconds : {1, 2, 4, 8, 16, 32, 64, 64, 64}) {
    EXPECT_EQ(fail_and_return(health, now_ns), seconds * kSecond);
    now_ns += 60 * kSecond;
  }
}

TEST(Health, AMinuteOfHealthForgives) {
  Health health(1000);
  uint64_t now_ns = kStart;
  fail_and_return(health, now_ns);
  EXPECT_EQ(fail_and_return(health, now_ns), 2 * kSecond);
  now_ns += 60 * kSecond + 1;
  EXPECT_EQ(fail_and_return(health, now_ns), kSecond);
  now_ns += 60 * kSecond;
  EXPECT_EQ(fail_and_return(health, now_ns), 2 * kSecond);
}

TEST(Health, AnotherHoldTimeCountsFromTheNextHold) {
  Health health(1000);
  health.raise(Fault::kProbe, kStart);
  health.clear(Fault::kProbe, kStart);
  health.set_hold(5000);
  EXPECT_EQ(health.hold_ends_ns(), kStart + kSecond);
  health.raise(Fault::kProbe, kStart);
  health.clear(Fault::kProbe, kStart);
  EXPECT_EQ(health.hold_ends_ns(), kStart + 5 * kSecond);
}

// A path that is there and gone for a second each, ten times: the connection changes over once, and back
// once.
TEST(Health, AFlappingPathIsUnhealthyOnce) {
  Health health(3000);
  uint64_t now_ns = kStart;
  unsigned returns = 0, departures = 0;
  const auto note = [&](bool changed, HealthCause before) {
    if (!changed) return;
    departures += before == HealthCause::kHealthy;
    returns += health.cause() == HealthCause::kHealthy;
  };
  for (unsigned cycle = 0; cycle < 10; ++cycle) {
    for (unsigned ms = 0; ms < 2000; ++ms, now_ns += kMs) {
      auto before = health.cause();
      note(health.advance(now_ns), before);
      before = health.cause();
      if (ms == 0) note(health.raise(Fault::kProbe, now_ns), before);
      if (ms == 1000) note(health.clear(Fault::kProbe, now_ns), before);
    }
    EXPECT_EQ(departures, 1u);
    EXPECT_EQ(returns, 0u);
  }
  const auto before = health.cause();
  note(health.advance(now_ns + 3 * kSecond), before);
  EXPECT_EQ(departures, 1u);
  EXPECT_EQ(returns, 1u);
}

}  // namespace
}  // namespace sallyport::dataplane
