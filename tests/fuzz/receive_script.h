// SPDX-License-Identifier: BSD-3-Clause
// What fuzz_receive plays: steps one after another, each a header of 5 bytes and its payload. Whatever bytes
// there are mean something: every field is taken modulo what it chooses from, a payload ends with the input.
#pragma once

#include <cstdint>
#include <span>

#include "tests/dataplane/packets.h"

namespace sallyport::dataplane::testing {

enum class Step : uint8_t {
  kFrame,   // payload: an IP packet, or a frame with its Ethernet header (kRawFrame)
  kSealed,  // payload: a Sealing, then the inner packet
  kRun,     // `what`: how often the workers poll and which of them; `how`: into Pause
  kChange,  // `what`: a Change; `how`: of which object
  kMirror,  // payload: a frame from a port's mirror TAP, or an IP packet from a virtual network's TUN
  kCount
};

// Of `what` for kFrame and kSealed (of which the low bits are the SA).
inline constexpr uint8_t kFromLan = 1, kRawFrame = 2, kToMany = 4, kOtherLan = 8;
inline constexpr uint8_t kOtherQueue = 0x40, kOtherEncapsulation = 0x80;
// Of `what` for kRun.
inline constexpr uint8_t kFirstWorkerOnly = 4, kSecondWorkerOnly = 8;
// Of `what` for kMirror; the other bits: port or virtual network.
inline constexpr uint8_t kTun = 1;

// Of `how` for packets, in its low 3 bits; the others say more.
enum class Shape : uint8_t {
  kPlain,
  kSegmented,   // two segments, cut after 1 + 4 x more bytes
  kShared,      // somebody else has a reference
  kIndirect,    // a clone
  kToTheEnd,    // no tailroom, or one byte
  kToTheStart,  // no headroom
  kRepeated,    // 1 + more times the same packet
  kPadded,      // link-layer padding of more bytes; 31: a second segment that makes it larger than a buffer
};

// Time that passes before a run.
inline constexpr uint64_t kPausesNs[] = {0,           1'000'000,     60'000'000,    150'000'000,
                                         600'000'000, 1'200'000'000, 4'000'000'000, 30'000'000'000};

enum class Change : uint8_t {
  kRemoveInbound,
  kRemoveOutbound,
  kDeactivate,  // the tunnel has no SA to send on
  kLinkDown,
  kLinkUp,
  kPortGone,
  kNeighbourUnresolved,
  kNeighbourGone,
  kNeighbourResolved,
  kPortMirrorGone,
  kVrfMirrorGone,
  kPathMtu,            // of a tunnel, as if a router had said so
  kNoBuffers,          // from here on; of the pool of received packets, or of the workers' own where odd
  kBuffers,            // again
  kExceptionRingFull,  // of a worker; until the next run is over
  kHandoverRingFull,   // from a worker
  kTransmitFull,       // of a port; until the end
  kDuplicateSpi,       // an SA's SPI again with another key, which is refused
  kTunnelGone,
  kInjectionRingFull,  // to a worker
  kCount
};

// How a packet is sealed by the oracle, and what happens to it afterwards.
struct Sealing {
  uint16_t sequence = 1;
  uint8_t next_header = 0;  // 0: of the inner packet's version
  uint8_t outer_tos = 0;
  uint8_t more_padding = 0;  // blocks of alignment, at most 15
  uint8_t pad_length = 0;    // what the trailer says; 0: the truth
  uint16_t change_at = 0;    // offset in the outer packet
  uint8_t change_by = 0;     // XOR
  uint8_t cut_bytes = 0;     // off the end, with outer lengths that agree
  uint8_t source = 0;        // kOtherPort, kOtherAddress, kExtension
  uint8_t fragment = 0;  // the outer packet in pieces of 8 times so many bytes; the top bit: last one first
};
static_assert(sizeof(Sealing) == 12);
inline constexpr uint8_t kOtherPort = 1, kOtherAddress = 2, kExtension = 4;

struct StepHeader {
  uint8_t step, what, how;
  uint8_t size_low, size_high;  // of the payload
};
static_assert(sizeof(StepHeader) == 5);

// Writes one.
class Script {
 public:
  Script& packet(const Bytes& packet, uint8_t what = 0, uint8_t how = 0) {
    return step(Step::kFrame, what, how, packet);
  }
  Script& sealed(uint8_t sa, const Bytes& inner, const Sealing& sealing = {}, uint8_t what = 0,
                 uint8_t how = 0) {
    Bytes payload(sizeof sealing);
    std::memcpy(payload.data(), &sealing, sizeof sealing);
    payload.insert(payload.end(), inner.begin(), inner.end());
    return step(Step::kSealed, static_cast<uint8_t>(what | sa), how, payload);
  }
  Script& run(uint8_t times = 3, uint8_t pause = 0, uint8_t workers = 0) {
    return step(Step::kRun, static_cast<uint8_t>((times - 1) | workers), pause, {});
  }
  Script& change(Change change, uint8_t of = 0) {
    return step(Step::kChange, static_cast<uint8_t>(change), of, {});
  }
  Script& mirror(const Bytes& packet, uint8_t what) { return step(Step::kMirror, what, 0, packet); }
  const Bytes& bytes() const { return bytes_; }

 private:
  Script& step(Step step, uint8_t what, uint8_t how, const Bytes& payload) {
    const auto size = static_cast<uint16_t>(payload.size());
    bytes_.insert(bytes_.end(), {static_cast<uint8_t>(step), what, how, static_cast<uint8_t>(size),
                                 static_cast<uint8_t>(size >> 8)});
    bytes_.insert(bytes_.end(), payload.begin(), payload.end());
    return *this;
  }

  Bytes bytes_;
};

inline uint8_t shaped(Shape shape, uint8_t more = 0) {
  return static_cast<uint8_t>(static_cast<uint8_t>(shape) | more << 3);
}

}  // namespace sallyport::dataplane::testing
