// SPDX-License-Identifier: BSD-3-Clause
#include "control/selector_text.h"

#include <fmt/format.h>

#include <bit>

#include "control/addresses.h"

namespace sallyport::control {
namespace {

using Bytes = std::array<uint8_t, 16>;

std::string address_text(api::Family family, const Bytes& bytes) {
  return to_string(api::Address{family, {}, bytes});
}

// Of the prefix that is the range; -1: none is.
int prefix_length(const Bytes& from, const Bytes& to, size_t bytes) {
  int length = 0;
  bool differs = false;
  for (size_t i = 0; i < bytes; ++i) {
    const auto different = static_cast<uint8_t>(from[i] ^ to[i]);
    if (differs && different != 0xff) return -1;
    if (!differs) length += std::countl_zero(different);
    differs |= different != 0;
    if ((from[i] & different) != 0 || !std::has_single_bit(different + 1u)) return -1;  // host bits: 0 to 1
  }
  return length;
}

std::string range_text(const api::Selector& selector) {
  const std::string from = address_text(selector.family, selector.from);
  const int length =
      prefix_length(selector.from, selector.to, selector.family == api::Family::kIpv4 ? 4 : 16);
  return length >= 0 ? fmt::format("{}/{}", from, length)
                     : from + "-" + address_text(selector.family, selector.to);
}

}  // namespace

std::string selector_text(const api::Selector& selector) {
  const bool any_port = selector.port_from == 0 && selector.port_to == 0xffff;
  std::string text = range_text(selector);
  if (selector.protocol == 0 && any_port) return text;
  text += fmt::format("[{}", selector.protocol);
  if (!any_port) text += fmt::format("/{}", selector.port_from);
  if (!any_port && selector.port_to != selector.port_from) text += fmt::format("-{}", selector.port_to);
  return text + "]";
}

}  // namespace sallyport::control
