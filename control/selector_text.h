// SPDX-License-Identifier: BSD-3-Clause
// A negotiated traffic selector as text. Pure.
#pragma once

#include <string>

#include "dataplane/api/messages.h"

namespace sallyport::control {

// As the configuration's selectors are written, where it is one of those: 10.20.0.0/16, 10.20.1.0/24[6/443].
// Else with ranges: 10.20.0.5-10.20.0.9[6/1000-2000]. Protocol 0 is any; of ICMP and ICMPv6 the number after
// it is type * 256 + code (RFC 7296 section 3.13.1).
[[nodiscard]] std::string selector_text(const api::Selector& selector);

}  // namespace sallyport::control
