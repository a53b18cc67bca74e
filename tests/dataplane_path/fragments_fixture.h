// SPDX-License-Identifier: BSD-3-Clause
// Fragments of datagrams from B to A, given to a Reassembler one by one.
#pragma once

#include <memory>
#include <random>

#include "dataplane/path/reassembly.h"
#include "tests/dataplane_path/sites_ipv6.h"

namespace sallyport::dataplane::testing {

inline constexpr uint16_t kMoreFragments = 0x2000;
inline constexpr uint32_t kRoomBytes = 2040;  // any buffer has them, behind headroom and fragment header

struct Piece {
  uint32_t begin;
  Bytes data;
  bool more;

  uint32_t end() const { return begin + static_cast<uint32_t>(data.size()); }
  bool operator==(const Piece&) const = default;
};

class FragmentsTest : public PathTest {
 protected:
  void SetUp() override {
    PathTest::SetUp();
    start_over();
  }
  void TearDown() override {
    reassembler_.reset();
    PathTest::TearDown();
  }
  void start_over() {
    reassembler_.reset();
    reassembler_ = Reassembler::create(SOCKET_ID_ANY);
    ASSERT_NE(reassembler_, nullptr);
  }

  struct Made {
    Bytes packet;  // the first one; empty: none
    uint32_t given_up;
    uint32_t too_large;
    std::vector<Bytes> packets;
  };
  Made add(const Bytes& fragment) {
    const bool is_ipv6 = fragment[0] >> 4 == 6;
    const Reassembler::Outcome outcome =
        is_ipv6 ? reassembler_->add_ipv6(to_packet(fragment)) : reassembler_->add(to_packet(fragment));
    Made made{{}, outcome.given_up, outcome.too_large, {}};
    for (uint32_t i = 0; i < outcome.count; ++i) {
      const PacketPtr packet(outcome.packets.at(i));
      EXPECT_TRUE(is_private_linear(packet.get()) || packet->pkt_len > kRoomBytes);
      made.packets.push_back(to_bytes(packet.get()));
    }
    if (!made.packets.empty()) made.packet = made.packets[0];
    return made;
  }
  Made add(api::Family family, uint32_t id, const Piece& piece) {
    return add(family == api::Family::kIpv6 ? fragment_of_ipv6(id, piece) : fragment_of_ipv4(id, piece));
  }

  static Bytes fragment_of_ipv4(uint32_t id, const Piece& piece) {
    return ipv4(piece.data, {kPublicB, kPublicA, 50, 0, 64, static_cast<uint16_t>(id),
                             static_cast<uint16_t>(piece.begin / 8 | (piece.more ? kMoreFragments : 0))});
  }
  static Bytes fragment_of_ipv6(uint32_t id, const Piece& piece) {
    return ipv6(fragment6(50, piece.begin, piece.more, id, piece.data),
                {.source = kPublicB6, .destination = kPublicA6, .next_header = 44});
  }
  // The datagram as it was before it was fragmented; the IPv4 checksum is not computed.
  static Bytes whole(api::Family family, uint32_t id, const Bytes& data) {
    if (family == api::Family::kIpv6)
      return ipv6(data, {.source = kPublicB6, .destination = kPublicA6, .next_header = 50});
    Bytes packet = ipv4(data, {kPublicB, kPublicA, 50, 0, 64, static_cast<uint16_t>(id)});
    put16(packet, 10, 0);
    return packet;
  }

  Bytes random_bytes(size_t count) {
    Bytes bytes(count);
    for (uint8_t& byte : bytes)
      byte = static_cast<uint8_t>(random_());
    return bytes;
  }
  // `data` in so many pieces of unequal size.
  static std::vector<Piece> pieces_of(const Bytes& data, uint32_t count) {
    std::vector<Piece> pieces;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const auto end = i + 1 == count ? static_cast<uint32_t>(data.size()) : at + 16 + 8 * i;
      pieces.push_back({at, Bytes(data.begin() + at, data.begin() + end), i + 1 != count});
      at = end;
    }
    return pieces;
  }
  uint32_t held() const { return packets_before_ - rte_mempool_avail_count(packet_pool()); }

  std::mt19937 random_{1};
  std::unique_ptr<Reassembler> reassembler_;
};

}  // namespace sallyport::dataplane::testing
