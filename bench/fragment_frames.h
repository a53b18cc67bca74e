// SPDX-License-Identifier: BSD-3-Clause
// Outer fragments for a static benchmark gateway: of a good frame, and such as a flood is made of, which
// never make a packet.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/frames.h"

namespace sallyport::bench {

// What a flood is of. Sources: any, one that is not the peer, or the peer's own address (IPv4), with
// fragments of random places or with such as the peer's own are.
enum class Flood : uint8_t {
  kNone,
  kAnySource,
  kOneSource,
  kPeersAddress,
  kPeersPieces,
  kOverlapping,
  kIpv6,
  kIpv6Overlapping
};
struct FloodName {
  Flood flood;
  std::string_view name;
};
inline constexpr std::array<FloodName, 8> kFloods = {{{Flood::kNone, "none"},
                                                      {Flood::kAnySource, "ipv4, any source"},
                                                      {Flood::kOneSource, "ipv4, one source"},
                                                      {Flood::kPeersAddress, "ipv4, peer's source"},
                                                      {Flood::kPeersPieces, "ipv4, peer's pieces"},
                                                      {Flood::kOverlapping, "ipv4, overlapping"},
                                                      {Flood::kIpv6, "ipv6, any source"},
                                                      {Flood::kIpv6Overlapping, "ipv6, overlapping"}}};

// An IPv4 frame of the peer's as two fragments, in order; the first one is about half.
std::array<Frame, 2> in_two(const Frame& frame, uint16_t id);

// Fragments of ESP to the gateway's public address of either family, of random datagrams: of 64 bytes, or as
// in_two makes them of `peers`.
class FloodMaker {
 public:
  FloodMaker(Flood flood, const api::Mac& gateway_mac, Frame peers)
      : flood_(flood), gateway_mac_(gateway_mac), peers_(std::move(peers)) {}
  Frame next();

 private:
  Flood flood_;
  api::Mac gateway_mac_;
  Frame peers_;
  std::mt19937 random_{1};
  uint32_t count_ = 0;
};

}  // namespace sallyport::bench
