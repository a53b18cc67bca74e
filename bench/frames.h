// SPDX-License-Identifier: BSD-3-Clause
// Frames for a static benchmark gateway (static_gateway.h), as its host and its peer send them. ESP is sealed
// here with bare IPsec-MB, so that what the gateway decrypts is not of its own making.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/static_gateway.h"

namespace sallyport::bench {

using Frame = std::vector<uint8_t>;

// From the host to the site: `inner_bytes` of IPv4, 28 at least (UDP).
Frame lan_frame(const api::Mac& gateway_mac, uint32_t site, uint32_t inner_bytes);

class EspSealer {
 public:
  EspSealer();
  ~EspSealer();
  EspSealer(const EspSealer&) = delete;
  EspSealer& operator=(const EspSealer&) = delete;

  // From the site by the peer, in tunnel mode, to the host. Sequence numbers of 32 bits, no ESN.
  Frame wan_frame(const StaticGateway& gateway, const api::Mac& gateway_mac, const SaPair& pair,
                  uint32_t sequence, uint32_t inner_bytes);

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace sallyport::bench
