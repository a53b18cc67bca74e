// SPDX-License-Identifier: BSD-3-Clause
// When tunnels are probed and how that is judged, by a clock of the test's own.
#include <map>

#include "tests/dataplane_manager/parts.h"

namespace sallyport::dataplane::testing {
namespace {

using api::HealthCause;
constexpr uint32_t kTunnels = 200;
constexpr uint64_t kMs = 1'000'000;
constexpr uint32_t kIntervalMs = 100;
constexpr uint16_t kMisses = 3;

struct Sent {
  uint32_t tunnel_id;
  ProbePacket probe;
  uint64_t at_ns;
};

class ProbesTest : public PartsTest {
 protected:
  ProbesTest() : PartsTest(1) {}

  static api::SetTunnel tunnel_message(uint32_t id) {
    auto message = PartsTest::tunnel_message(id);
    message.probe.kind = api::ProbeKind::kGateway;
    message.probe.interval_ms = kIntervalMs;
    message.probe.misses = kMisses;
    return message;
  }
  void set(const api::SetTunnel& message) {
    ASSERT_EQ(tunnels_.set_tunnel(message).error, api::Error::kNone);
    liveness_.set_tunnel(message, now_ns_);
    probes_.set_tunnel(message, now_ns_);
  }
  void install(uint32_t id) {
    auto sa = outbound_message(id, id);
    sa.local_selector_count = sa.remote_selector_count = 1;
    sa.selectors[0] = sa.selectors[1] = any_ipv4();
    ASSERT_EQ(sas_.set_outbound(sa).error, api::Error::kNone);
  }
  void add(uint32_t id) {
    set(tunnel_message(id));
    install(id);
  }
  // One turn of the manager; what it sent.
  std::vector<Sent> turn() {
    liveness_.advance(now_ns_);
    if (now_ns_ >= probes_.next_ns()) probes_.run(now_ns_);
    std::vector<Sent> sent;
    void* object = nullptr;
    while (rte_ring_sc_dequeue(rings_->injections(0), &object) == 0) {
      auto* packet = static_cast<rte_mbuf*>(object);
      const auto probe = read_probe({rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len});
      EXPECT_TRUE(probe);
      EXPECT_EQ(meta_of(packet).kind, MetaKind::kInjectTunnel);
      if (probe) sent.push_back({meta_of(packet).tunnel_id, *probe, now_ns_});
      rte_pktmbuf_free(packet);
    }
    return sent;
  }
  void receive(uint32_t tunnel_id, const ProbePacket& probe) {
    rte_mbuf* packet = rte_pktmbuf_alloc(context_.pools.of_socket(-1).value());
    auto* room = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, kMaxProbeBytes));
    const uint32_t bytes = write_probe(probe, {room, kMaxProbeBytes});
    rte_pktmbuf_trim(packet, static_cast<uint16_t>(kMaxProbeBytes - bytes));
    probes_.receive(tunnel_id, packet, now_ns_);
  }
  // Lets time pass; the peer answers each probe after `delay_ms`, which is for ever where it is 0.
  void pass(uint64_t ms, uint64_t delay_ms) {
    for (const uint64_t end = now_ns_ + ms * kMs; now_ns_ < end; now_ns_ += kMs) {
      for (const Sent& sent : turn()) {
        ++sent_[sent.tunnel_id];
        last_ = sent;
        if (delay_ms != 0) due_.emplace(now_ns_ + delay_ms * kMs, sent);
      }
      while (!due_.empty() && due_.begin()->first <= now_ns_) {
        receive(due_.begin()->second.tunnel_id, answer_to(due_.begin()->second.probe));
        answered_ns_ = now_ns_;
        due_.erase(due_.begin());
      }
      if (unhealthy_ns_ == 0 && liveness_.cause(0) != HealthCause::kHealthy) unhealthy_ns_ = now_ns_;
    }
  }

  uint64_t now_ns_ = 1'000'000 * kMs;

  std::map<uint32_t, unsigned> sent_;
  std::multimap<uint64_t, Sent> due_;
  Sent last_{};
  uint64_t answered_ns_ = 0, unhealthy_ns_ = 0;
};

TEST_F(ProbesTest, OneAnInterval) {
  add(0);
  pass(10 * kIntervalMs, 5);
  EXPECT_NEAR(sent_[0], 10, 1);
  EXPECT_EQ(unhealthy_ns_, 0u);
}

TEST_F(ProbesTest, SilenceIsNoticedAfterTheMisses) {
  add(0);
  pass(1000, 5);
  pass(1000, 0);
  ASSERT_NE(unhealthy_ns_, 0u);
  EXPECT_GE(unhealthy_ns_ - answered_ns_, kMisses * kIntervalMs * kMs);
  EXPECT_LE(unhealthy_ns_ - answered_ns_, (kMisses + 1) * kIntervalMs * kMs);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kProbe);
  const unsigned before = sent_[0];
  pass(150, 5);
  EXPECT_GT(sent_[0], before) << "it is probed on";
  EXPECT_EQ(liveness_.cause(0), HealthCause::kHealthy) << "hold 0";
}

TEST_F(ProbesTest, AnAnswerMayTakeLongerThanAnInterval) {
  add(0);
  pass(2000, kMisses * kIntervalMs - 50);
  EXPECT_EQ(unhealthy_ns_, 0u);
  EXPECT_GT(answered_ns_, 0u);
}

// This thread was not there for ten seconds, nor were the workers: none of that is the path's fault.
TEST_F(ProbesTest, WhatAStallMayHaveCostIsNotMissed) {
  auto message = tunnel_message(0);
  message.probe.misses = 1;
  set(message);
  install(0);
  pass(500, 5);
  for (int stall = 0; stall < 3; ++stall) {
    const unsigned before = sent_[0];
    while (sent_[0] == before)
      pass(1, 0);  // nobody answers this one
    now_ns_ += 10'000 * kMs;
    pass(kIntervalMs / 2, 5);
    EXPECT_EQ(unhealthy_ns_, 0u);
  }
  pass(kIntervalMs, 5);
  EXPECT_EQ(unhealthy_ns_, 0u);
  pass(3 * kIntervalMs, 0);
  EXPECT_NE(unhealthy_ns_, 0u) << "real silence counts again";
}

TEST_F(ProbesTest, OnlyARecentProbesOwnAnswerCounts) {
  add(0);
  add(1);
  pass(kIntervalMs + 1, 0);
  ASSERT_EQ(last_.probe.kind, ProbePacket::Kind::kRequest);
  const Sent asked = last_;
  const uint32_t id = asked.tunnel_id;
  pass(5 * kIntervalMs, 0);
  ASSERT_EQ(liveness_.cause(id), HealthCause::kProbe);
  ProbePacket wrong = answer_to(asked.probe);
  wrong.nonce ^= 1;
  receive(id, wrong);
  wrong = answer_to(asked.probe);
  ++wrong.sequence;
  receive(id, wrong);
  wrong = answer_to(asked.probe);
  wrong.hops = 254;
  receive(id, wrong);
  receive(1 - id, answer_to(asked.probe));
  EXPECT_EQ(liveness_.cause(id), HealthCause::kProbe);
  receive(id, answer_to(asked.probe));
  EXPECT_EQ(liveness_.cause(id), HealthCause::kHealthy);
  pass(20 * kIntervalMs, 0);
  ASSERT_EQ(liveness_.cause(id), HealthCause::kProbe);
  receive(id, answer_to(asked.probe));
  EXPECT_EQ(liveness_.cause(id), HealthCause::kProbe) << "sixteen probes later";
}

TEST_F(ProbesTest, ManyTunnelsAreSpreadOverTheInterval) {
  for (uint32_t id = 0; id < kTunnels; ++id)
    add(id);
  size_t most = 0;
  for (const uint64_t end = now_ns_ + 2 * kIntervalMs * kMs; now_ns_ < end; now_ns_ += kMs)
    most = std::max(most, turn().size());
  EXPECT_LE(most, 15u);  // 2 on average
}

TEST_F(ProbesTest, ATurnSendsABoundedNumber) {
  for (uint32_t id = 0; id < kTunnels; ++id)
    add(id);
  now_ns_ += 5000 * kMs;
  size_t sent = 0;
  for (int turns = 0; turns < 4; ++turns) {
    const size_t count = turn().size();
    EXPECT_LE(count, 64u);
    sent += count;
  }
  EXPECT_EQ(sent, kTunnels);
  EXPECT_TRUE(turn().empty());
}

TEST_F(ProbesTest, SayingItAgainChangesNothing) {
  add(0);
  pass(350, 0);
  for (int i = 0; i < 10; ++i) {
    set(tunnel_message(0));
    pass(10, 0);
  }
  EXPECT_EQ(liveness_.cause(0), HealthCause::kProbe);
  EXPECT_GE(sent_[0], 4u);
}

TEST_F(ProbesTest, WithoutTheProbeOrTheSaTheVerdictFalls) {
  add(0);
  pass(600, 0);
  ASSERT_EQ(liveness_.cause(0), HealthCause::kProbe);
  auto message = tunnel_message(0);
  message.probe = {};
  set(message);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kHealthy);
  EXPECT_EQ(probes_.next_ns(), Deadlines::kNever);
  set(tunnel_message(0));
  pass(600, 0);
  ASSERT_EQ(liveness_.cause(0), HealthCause::kProbe);
  tunnels_.stop_sending_on(0, 0);
  const unsigned before = sent_[0];
  pass(600, 0);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kHealthy);
  EXPECT_EQ(sent_[0], before);
  tunnels_.send_on(0, 0, api::kNone);
  pass(600, 0);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kProbe);
}

TEST_F(ProbesTest, AFallenLinkCountsForWhatLeavesByIt) {
  add(0);
  add(1);
  pass(200, 5);
  port_.link_up = false;
  liveness_.check_links(now_ns_);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kLink);
  EXPECT_EQ(liveness_.cause(1), HealthCause::kLink);
  port_.link_up = true;
  auto message = tunnel_message(1);
  set(message);
  EXPECT_EQ(liveness_.cause(1), HealthCause::kHealthy) << "looked at again where the tunnel is set";
  EXPECT_EQ(liveness_.cause(0), HealthCause::kLink);
  liveness_.check_links(now_ns_);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kHealthy);
}

TEST_F(ProbesTest, WithTheTunnelOfAPathItsHealthGoes) {
  add(0);
  auto child = tunnel_message(1);
  child.path_tunnel_id = 0;
  set(child);
  pass(600, 0);
  EXPECT_EQ(liveness_.cause(1), HealthCause::kProbe);
  EXPECT_EQ(sent_[1], 0u) << "its own probe doesn't count";
  probes_.delete_tunnel(0);
  liveness_.delete_tunnel(0);
  EXPECT_EQ(liveness_.cause(1), HealthCause::kHealthy);
  EXPECT_EQ(liveness_.cause(0), HealthCause::kHealthy);
}

}  // namespace
}  // namespace sallyport::dataplane::testing
