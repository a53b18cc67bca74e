// SPDX-License-Identifier: BSD-3-Clause
// What an IPv6 packet on a public port is. Pure, any thread.
#pragma once

#include "dataplane/path/classify.h"

namespace sallyport::dataplane {

// `packet` has passed check_ipv6 and ends with its payload. Neighbour discovery and multicast listener
// discovery are for the link's own addresses, known to us or not, and neighbour discovery has hop limit 255
// (RFC 4861 section 7.1); ESP and IKE are to the port's own addresses alone. Fragments whose fragment header
// is not right behind the IPv6 header are dropped.
Classified classify_public_ipv6(std::span<const uint8_t> packet, const Port& port);

}  // namespace sallyport::dataplane
