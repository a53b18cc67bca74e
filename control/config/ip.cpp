// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/ip.h"

#include <arpa/inet.h>

#include <charconv>

namespace sallyport::control {

namespace {

bool equal_bits(const IpAddress& a, const IpAddress& b, uint8_t length) {
  const size_t whole = length / 8;
  for (size_t i = 0; i < whole; ++i) {
    if (a.bytes[i] != b.bytes[i]) return false;
  }
  if (length % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - length % 8));
  return ((a.bytes[whole] ^ b.bytes[whole]) & mask) == 0;
}

}  // namespace

bool IpAddress::is_link_local() const {
  return !is_v4() && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

bool IpPrefix::contains(const IpAddress& other) const {
  return address.version == other.version && equal_bits(address, other, length);
}

bool IpPrefix::overlaps(const IpPrefix& other) const {
  return length <= other.length ? contains(other.address) : other.contains(address);
}

std::string IpPrefix::to_string() const {
  return address.to_string() + "/" + std::to_string(length);
}

IpPrefix InterfaceAddress::prefix() const {
  return prefix_of(address, prefix_length);
}

std::string InterfaceAddress::to_string() const {
  return address.to_string() + "/" + std::to_string(prefix_length);
}

IpPrefix prefix_of(const IpAddress& address, uint8_t length) {
  IpPrefix prefix{address, length};
  for (size_t i = 0; i < prefix.address.bytes.size(); ++i) {
    const size_t first_bit = i * 8;
    if (first_bit >= length) {
      prefix.address.bytes[i] = 0;
    } else if (first_bit + 8 > length) {
      prefix.address.bytes[i] &= static_cast<uint8_t>(0xff << (first_bit + 8 - length));
    }
  }
  return prefix;
}

std::optional<IpAddress> parse_address(std::string_view text) {
  const std::string terminated(text);
  if (terminated.find(char{0}) != std::string::npos) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address = {IpVersion::kV6, {}};
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::optional<InterfaceAddress> parse_interface_address(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  uint8_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!address || digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  if (length > address->max_prefix_length()) return std::nullopt;
  return InterfaceAddress{*address, length};
}

std::optional<IpPrefix> parse_prefix(std::string_view text) {
  const auto parsed = parse_interface_address(text);
  if (!parsed || parsed->prefix().address != parsed->address) return std::nullopt;
  return parsed->prefix();
}

}  // namespace sallyport::control
