// SPDX-License-Identifier: BSD-3-Clause
// Text of the SA feed for people: cleaned names, addresses, selectors, alerts. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "vici-bridge/key_message.h"

namespace sallyport::vici {

// Control bytes become '?', and so does every byte beyond ASCII unless the whole is valid UTF-8 (RFC 3629).
std::string clean_text(std::string_view text);

// "192.0.2.1", "2001:db8::1"; "none" for family 0.
std::string to_string(const sp_address& address);
// "10.0.0.0-10.0.0.255", with "[protocol/from-to]" where narrower than any.
std::string to_string(const sp_selector& selector);
const char* alert_name(sp_alert alert);

}  // namespace sallyport::vici
