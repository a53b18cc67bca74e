// SPDX-License-Identifier: BSD-3-Clause
// Keeps a flow's order over a rekey. A NIC spreads ESP over its queues by SPI, so the first packets of a new
// SA may reach its home worker while the last ones of the SA before it still wait in another worker's queue.
// They are held until every worker has taken what had come by then, but not for long: what comes meanwhile is
// not waited for. Home worker only.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/path/inbound.h"

namespace sallyport::dataplane {

class FirstPackets {
 public:
  FirstPackets() = default;
  ~FirstPackets();
  FirstPackets(const FirstPackets&) = delete;
  FirstPackets& operator=(const FirstPackets&) = delete;

  // True: taken, because the SA is not open yet. An SA opens by `release`, or here where there is nothing to
  // wait for.
  bool hold(PathContext& context, InboundSa& sa, const DecapPacket& packet);

  // True once every worker has passed a loop since the newest SA's first packet, or waited long enough. What
  // they handed over may still lie in the rings.
  bool settled(const PathContext& context) const;

  // To be called after a turn of the rings that began `settled`; `drained`: they were empty at its end. Opens
  // the SAs and sends the packets on once all is taken that was in the rings at first.
  void end_turn(PathContext& context, bool drained);

 private:
  void release(PathContext& context);
  static void open(PathContext& context, InboundBurst& burst);

  static constexpr uint32_t kCapacity = 512;  // where it is full they all go on at once
  static constexpr uint64_t kMaxHoldNs = 50'000'000;

  uint32_t count_ = 0;
  uint64_t token_ = 0;  // of QSBR
  uint64_t deadline_ns_ = 0;
  uint32_t turns_ = 0;  // since settled
  std::array<DecapPacket, kCapacity> packets_;
};

}  // namespace sallyport::dataplane
