// SPDX-License-Identifier: BSD-3-Clause
// SAs of ours beside the oracle's, and bursts through our steps.
#pragma once

#include "dataplane/esp/decapsulate.h"
#include "dataplane/esp/encapsulate.h"
#include "tests/dataplane/algorithm_table.h"
#include "tests/dataplane/esp_oracle.h"

namespace sallyport::dataplane::testing {

inline constexpr uint64_t kNow = 1234567890;

inline api::Address address_of(uint32_t value) {
  api::Address address{api::Family::kIpv4, {}, {}};
  for (size_t i = 0; i < 4; ++i)
    address.bytes.at(i) = static_cast<uint8_t>(value >> (24 - 8 * i));
  return address;
}

// The IPv4 address in host order.
inline uint32_t ipv4_of(const api::Address& address) {
  EXPECT_EQ(address.family, api::Family::kIpv4);
  return get32(Bytes(address.bytes.begin(), address.bytes.end()), 0);
}
inline api::Address address_of(const std::array<uint8_t, 16>& value) {
  return {api::Family::kIpv6, {}, value};
}
inline api::Address source_of(const OracleSa& sa) {
  return sa.source6 ? address_of(*sa.source6) : address_of(sa.source);
}
inline api::Address destination_of(const OracleSa& sa) {
  return sa.destination6 ? address_of(*sa.destination6) : address_of(sa.destination);
}

inline api::SaKeys keys_of(const OracleSa& sa) {
  const AlgorithmRow row = row_of(sa);
  api::SaKeys keys{};
  keys.algorithm = row.algorithm;
  keys.integrity = row.integrity;
  keys.key_bytes = static_cast<uint16_t>(sa.key.size());
  keys.integrity_key_bytes = static_cast<uint16_t>(sa.integrity_key.size());
  std::copy(sa.key.begin(), sa.key.end(), keys.key.begin());
  std::copy(sa.integrity_key.begin(), sa.integrity_key.end(), keys.integrity_key.begin());
  return keys;
}

// What sallyportd would send for the oracle's SA: it receives on it, or sends on it.
inline api::SetInboundSa inbound_message(const OracleSa& sa, uint32_t replay_window = 64) {
  api::SetInboundSa message{};
  message.spi = sa.spi;
  message.replay_window = replay_window;
  message.esn = sa.esn;
  message.encap = sa.encap;
  message.keys = keys_of(sa);
  message.local = destination_of(sa);
  message.remote = source_of(sa);
  message.local_port = sa.destination_port;
  message.remote_port = sa.source_port;
  return message;
}

inline api::SetOutboundSa outbound_message(const OracleSa& sa) {
  api::SetOutboundSa message{};
  message.spi = sa.spi;
  message.slot = 5;
  message.esn = sa.esn;
  message.encap = sa.encap;
  message.keys = keys_of(sa);
  message.local = source_of(sa);
  message.remote = destination_of(sa);
  message.local_port = sa.source_port;
  message.remote_port = sa.destination_port;
  return message;
}

// A packet and its way through the outbound steps: `drop` is in and out.
struct EncapPacket {
  rte_mbuf* packet;
  OutboundSa* sa;
  uint64_t sequence;
  api::DropReason drop;
};

inline void prepare_encapsulation(EncapPacket& item, CryptoJob& job) {
  const bool is_ipv6 = *rte_pktmbuf_mtod(item.packet, const uint8_t*) >> 4 == 6;
  if (item.drop == kKeep) {
    item.drop = is_ipv6 ? prepare_other_encapsulation(item.packet, *item.sa, item.sequence, job)
                        : prepare_encapsulation(item.packet, *item.sa, item.sequence, job);
  }
  if (!is_kept(item.drop)) job.key = nullptr;
}
inline void finish_encapsulation(EncapPacket& item, const CryptoJob& job) {
  if (is_kept(item.drop) && !job.ok) item.drop = api::DropReason::kCryptoFailed;
}

class EspTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = CryptoEngine::create();
    ASSERT_NE(engine_, nullptr);
    buffers_before_ = rte_mempool_avail_count(packet_pool());
  }
  void TearDown() override {
    EXPECT_EQ(rte_mempool_avail_count(packet_pool()), buffers_before_) << "packets leaked";
  }

  void make_inbound(const OracleSa& sa, uint32_t replay_window = 64) {
    make_inbound(inbound_message(sa, replay_window));
  }
  void make_inbound(const api::SetInboundSa& message) {
    const Refusal refusal = create_inbound_sa(message, inbound_row_, *engine_, SOCKET_ID_ANY, inbound_);
    ASSERT_EQ(refusal.error, api::Error::kNone) << refusal.text;
  }
  void make_outbound(const OracleSa& sa, const OuterPolicy& policy = {}) {
    make_outbound(outbound_message(sa), policy);
  }
  void make_outbound(const api::SetOutboundSa& message, const OuterPolicy& policy = {}) {
    const OuterEndpoints endpoints{message.local, message.remote, message.local_port, message.remote_port,
                                   message.encap != 0};
    ASSERT_EQ(make_outer_header(endpoints, policy, outer_), api::Error::kNone);
    const Refusal refusal =
        create_outbound_sa(message, outbound_row_, outer_, *engine_, SOCKET_ID_ANY, outbound_);
    ASSERT_EQ(refusal.error, api::Error::kNone) << refusal.text;
  }

  // Through the outbound steps; the packets come back in `items`, owned by the caller.
  void encapsulate(std::vector<EncapPacket>& items) {
    std::vector<CryptoJob> jobs(items.size());
    for (EncapPacket& item : items) {
      const Sequence sequence = assign_sequence(*item.sa, item.packet->pkt_len, kNow);
      item.sequence = sequence.number;
      item.drop = sequence.drop;
    }
    for (size_t i = 0; i < items.size(); ++i)
      prepare_encapsulation(items[i], jobs[i]);
    engine_->encrypt(jobs);
    for (size_t i = 0; i < items.size(); ++i)
      finish_encapsulation(items[i], jobs[i]);
  }
  void decapsulate(std::vector<DecapPacket>& items) {
    std::vector<CryptoJob> jobs(items.size());
    for (size_t i = 0; i < items.size(); ++i)
      prepare_decapsulation(items[i], jobs[i]);
    engine_->decrypt(jobs);
    InboundTally tally(kNow);
    for (size_t i = 0; i < items.size(); ++i)
      finish_decapsulation(items[i], jobs[i], tally);
  }

  static DecapPacket decap_item(rte_mbuf* packet, InboundSa& sa, uint16_t esp_offset) {
    return {packet, &sa, 0, sa.spi, esp_offset, kKeep, is_plain_outer(packet, esp_offset), 0};
  }
  DecapPacket decap_item(rte_mbuf* packet) {
    const int ip_bytes = inbound_->outer_family == api::Family::kIpv6 ? 40 : 20;
    return decap_item(packet, *inbound_, static_cast<uint16_t>(ip_bytes + (inbound_->encap ? 8 : 0)));
  }

  struct Outcome {
    api::DropReason drop;
    Bytes bytes;  // of the packet where it was kept
  };
  Outcome receive(rte_mbuf* packet) {
    std::vector<DecapPacket> items = {decap_item(packet)};
    decapsulate(items);
    Outcome outcome{items[0].drop, is_kept(items[0].drop) ? to_bytes(items[0].packet) : Bytes{}};
    rte_pktmbuf_free(items[0].packet);
    return outcome;
  }
  Outcome receive(const Bytes& bytes) { return receive(to_packet(bytes)); }
  Outcome send(rte_mbuf* packet) {
    std::vector<EncapPacket> items = {{packet, outbound_.get(), 0, kKeep}};
    encapsulate(items);
    Outcome outcome{items[0].drop, is_kept(items[0].drop) ? to_bytes(items[0].packet) : Bytes{}};
    rte_pktmbuf_free(items[0].packet);
    return outcome;
  }
  Outcome send(const Bytes& bytes) { return send(to_packet(bytes)); }

  std::unique_ptr<CryptoEngine> engine_;
  api::InboundRow inbound_row_{};
  api::OutboundRow outbound_row_{};
  OuterHeader outer_{};
  InboundSaPtr inbound_;
  OutboundSaPtr outbound_;
  uint32_t buffers_before_ = 0;
};

}  // namespace sallyport::dataplane::testing
