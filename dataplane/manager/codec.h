// SPDX-License-Identifier: BSD-3-Clause
// Checks a request of the dataplane's API before anything else looks at it. Pure functions, any thread.
//
// What validate() lets through has a known type, the exact length of that type (an SA's with the selectors
// that it counts; what lies behind them is not there to be read), enums within range, reserved
// bytes zero, names terminated, prefixes without host bits, and counts within their arrays. Whether ids exist
// is not its concern. Fields marked "in dumps only" are not looked at.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

// The type of a valid request, or kMalformed or kInvalid with the field that is wrong.
Result<api::Type> validate(std::span<const std::byte> message);

// The bytes of a validated message as what they are.
template <typename Message>
Message as(std::span<const std::byte> message) {
  Message result;
  std::memcpy(&result, message.data(), sizeof result);
  return result;
}

// A message with its header filled in and everything else zero.
template <typename Message>
Message make_message(api::Type type, uint32_t sequence) {
  Message message;
  std::memset(static_cast<void*>(&message), 0, sizeof message);
  message.header = {api::kMagic, api::kVersion, type, sizeof message, sequence};
  return message;
}

// Text into a bounded, NUL-terminated field; cut where it doesn't fit.
template <size_t kSize>
void set_text(std::array<char, kSize>& field, std::string_view text) {
  field = {};
  text.copy(field.data(), kSize - 1);
}

template <size_t kSize>
std::string_view text_of(const std::array<char, kSize>& field) {
  return {field.data(), strnlen(field.data(), kSize)};
}

// For messages to people: 192.0.2.1, 2001:db8::1, or "none".
std::string to_text(const api::Address& address);
std::string to_text(const api::Prefix& prefix);

}  // namespace sallyport::dataplane
