// SPDX-License-Identifier: BSD-3-Clause
// The IPv6 forwarding table against a plain search, and while it changes under its readers.
#include <map>
#include <random>
#include <thread>

#include "dataplane/path/tables.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

namespace {

std::unique_ptr<Ipv6Fib> make_fib(rte_rcu_qsbr* qsbr = nullptr, uint32_t nodes = 1000) {
  FibConfig config;
  config.qsbr = qsbr;
  config.ipv6_nodes = nodes;
  return Ipv6Fib::create(config);
}

bool covers(const Ip6& prefix, uint8_t length, const Ip6& address) {
  for (uint32_t bit = 0; bit < length; ++bit) {
    if (((prefix[bit / 8] ^ address[bit / 8]) & (0x80u >> bit % 8)) != 0) return false;
  }
  return true;
}

Ip6 cut(Ip6 address, uint8_t length) {
  for (uint32_t bit = length; bit < 128; ++bit)
    address[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  return address;
}

TEST(Ipv6Fib, FindsTheLongestPrefix) {
  const auto fib = make_fib();
  ASSERT_NE(fib, nullptr);
  EXPECT_EQ(fib->lookup(kHostA6), kNoGroup);
  EXPECT_EQ(fib->add({}, 0, 1), FibResult::kDone);
  EXPECT_EQ(fib->add(cut(kHostA6, 32), 32, 2), FibResult::kDone);
  EXPECT_EQ(fib->add(cut(kHostA6, 64), 64, 0), FibResult::kDone);
  EXPECT_EQ(fib->add(kHostA6, 128, kMaxGroupId), FibResult::kDone);
  EXPECT_EQ(fib->lookup(kHostA6), kMaxGroupId);
  EXPECT_EQ(fib->lookup(ip6(1, 3)), 0u);
  EXPECT_EQ(fib->lookup(kHostB6), 2u);
  EXPECT_EQ(fib->lookup(link_local6(1)), 1u);
  EXPECT_FALSE(fib->covers(link_local6(1))) << "only by the default route";
  EXPECT_TRUE(fib->covers(kHostB6));
  EXPECT_EQ(fib->add(kHostA6, 128, 7), FibResult::kDone);
  EXPECT_EQ(fib->add(kHostA6, 128, 7), FibResult::kUnchanged);
  EXPECT_EQ(fib->lookup(kHostA6), 7u);
  EXPECT_EQ(fib->remove(kHostA6, 128), FibResult::kDone);
  EXPECT_EQ(fib->remove(kHostA6, 128), FibResult::kNotFound);
  EXPECT_EQ(fib->lookup(kHostA6), 0u);
  EXPECT_EQ(fib->remove({}, 0), FibResult::kDone);
  EXPECT_EQ(fib->lookup(link_local6(1)), kNoGroup);
}

TEST(Ipv6Fib, RefusesWhatIsNoPrefix) {
  const auto fib = make_fib();
  EXPECT_EQ(fib->add(kHostA6, 64, 1), FibResult::kInvalid);
  EXPECT_EQ(fib->add(kHostA6, 129, 1), FibResult::kInvalid);
  EXPECT_EQ(fib->add(cut(kHostA6, 8), 8, kMaxGroupId + 1), FibResult::kInvalid);
  EXPECT_EQ(fib->remove(kHostA6, 64), FibResult::kInvalid);
}

TEST(Ipv6Fib, AgreesWithAPlainSearchOverRandomRoutes) {
  const auto fib = make_fib();
  std::mt19937 random(7);
  std::map<std::pair<Ip6, uint8_t>, uint32_t> routes;
  const auto random_address = [&] {  // close together, so that prefixes nest
    Ip6 address{};
    for (uint8_t& byte : address)
      byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 2);
    return address;
  };
  for (int round = 0; round < 3000; ++round) {
    const auto length = static_cast<uint8_t>(random() % 129);
    const Ip6 prefix = cut(random_address(), length);
    if (random() % 3 != 0 && routes.size() < 60) {
      const uint32_t group = random() % 1000;
      const FibResult result = fib->add(prefix, length, group);
      ASSERT_TRUE(result == FibResult::kDone || result == FibResult::kUnchanged);
      routes[{prefix, length}] = group;
    } else if (!routes.empty()) {
      const auto route = std::next(routes.begin(), static_cast<long>(random() % routes.size()));
      ASSERT_EQ(fib->remove(route->first.first, route->first.second), FibResult::kDone);
      routes.erase(route);
    }
    for (int i = 0; i < 20; ++i) {
      Ip6 address = random_address();
      if (i % 2 == 0 && !routes.empty()) {  // inside some route, but for its last bits
        address = std::next(routes.begin(), static_cast<long>(random() % routes.size()))->first.first;
        address[15] = static_cast<uint8_t>(random());
      }
      int best = -1;
      uint32_t expected = kNoGroup;
      for (const auto& [route, group] : routes) {
        if (route.second <= best || !covers(route.first, route.second, address)) continue;
        best = route.second;
        expected = group;
      }
      ASSERT_EQ(fib->lookup(address), expected);
    }
  }
}

TEST(Ipv6Fib, GivesTheMemoryOfRemovedRoutesBack) {
  const auto fib = make_fib(nullptr, 16);  // just enough for one /128
  for (uint32_t round = 0; round < 100; ++round) {
    Ip6 address = kHostA6;
    address[1] = static_cast<uint8_t>(round);
    ASSERT_EQ(fib->add(address, 128, round), FibResult::kDone);
    Ip6 other = address;
    other[0] ^= 1;
    ASSERT_EQ(fib->add(other, 128, 1), FibResult::kFull);
    ASSERT_EQ(fib->lookup(other), kNoGroup) << "nothing is left of what failed";
    ASSERT_EQ(fib->lookup(address), round);
    ASSERT_EQ(fib->remove(address, 128), FibResult::kDone);
  }
}

// Readers see a route that is there all the time, whatever comes and goes beside and below it.
TEST(Ipv6Fib, ReadersNeverMissARouteThatStays) {
  const size_t bytes = rte_rcu_qsbr_get_memsize(1);
  const auto memory = make_dpdk_array<uint8_t>(static_cast<uint32_t>(bytes));
  auto* qsbr = reinterpret_cast<rte_rcu_qsbr*>(memory.get());
  ASSERT_EQ(rte_rcu_qsbr_init(qsbr, 1), 0);
  const auto fib = make_fib(qsbr);
  ASSERT_EQ(fib->add(cut(kHostA6, 48), 48, 5), FibResult::kDone);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0}, lookups{0};
  std::thread reader([&] {
    rte_rcu_qsbr_thread_register(qsbr, 0);
    rte_rcu_qsbr_thread_online(qsbr, 0);
    while (!stop) {
      for (uint8_t host = 0; host < 32; ++host) {
        const uint32_t group = fib->lookup(ip6(1, host));
        if (group != 5 && group != 6) ++wrong;
        ++lookups;
      }
      rte_rcu_qsbr_quiescent(qsbr, 0);
    }
    rte_rcu_qsbr_thread_offline(qsbr, 0);
    rte_rcu_qsbr_thread_unregister(qsbr, 0);
  });
  for (int round = 0; round < 3000; ++round) {
    for (uint8_t host = 0; host < 8; ++host)
      fib->add(ip6(1, host), 128, 6);
    for (uint8_t host = 0; host < 8; ++host)
      fib->remove(ip6(1, host), 128);
  }
  while (lookups == 0)
    std::this_thread::yield();
  stop = true;
  reader.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
