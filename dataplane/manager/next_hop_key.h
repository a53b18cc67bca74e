// SPDX-License-Identifier: BSD-3-Clause
// What a next hop is known by on the link: a port and an address there. Manager thread.
#pragma once

#include <cstdint>
#include <tuple>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

struct NextHopKey {
  uint32_t port_id;
  api::Address address;
  auto operator<=>(const NextHopKey& other) const {
    return std::tie(port_id, address.family, address.bytes) <=>
           std::tie(other.port_id, other.address.family, other.address.bytes);
  }
  bool operator==(const NextHopKey& other) const { return (*this <=> other) == 0; }
};

}  // namespace sallyport::dataplane
