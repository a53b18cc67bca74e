// SPDX-License-Identifier: BSD-3-Clause
// Value types of the configuration: IP addresses, prefixes and an interface's address with its prefix length.
// Pure; any thread. Bytes are in network order, an IPv4 address in the first four of them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::control {

enum class IpVersion : uint8_t { kV4 = 4, kV6 = 6 };

struct IpAddress {
  IpVersion version = IpVersion::kV4;
  std::array<uint8_t, 16> bytes{};  // unused ones are zero

  [[nodiscard]] bool is_v4() const { return version == IpVersion::kV4; }
  // fe80::/10 (RFC 4291 section 2.5.6): means something on its link only. IPv4 has 169.254.0.0/16, but that
  // is routed inside tunnels all the same.
  [[nodiscard]] bool is_link_local() const;
  [[nodiscard]] uint8_t max_prefix_length() const { return is_v4() ? 32 : 128; }
  [[nodiscard]] std::string to_string() const;  // RFC 5952 for IPv6
  auto operator<=>(const IpAddress&) const = default;
};

// Host bits are zero.
struct IpPrefix {
  IpAddress address;
  uint8_t length = 0;

  [[nodiscard]] bool contains(const IpAddress& other) const;
  [[nodiscard]] bool overlaps(const IpPrefix& other) const;
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const IpPrefix&) const = default;
};

// An address on an interface and the prefix that is on that link: 10.0.0.1/16.
struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix_length = 0;

  [[nodiscard]] IpPrefix prefix() const;
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const InterfaceAddress&) const = default;
};

// The prefix of this length that the address lies in.
[[nodiscard]] IpPrefix prefix_of(const IpAddress& address, uint8_t length);

[[nodiscard]] std::optional<IpAddress> parse_address(std::string_view text);
// ADDRESS/LENGTH; nothing is said about host bits.
[[nodiscard]] std::optional<InterfaceAddress> parse_interface_address(std::string_view text);
// ADDRESS/LENGTH with host bits zero.
[[nodiscard]] std::optional<IpPrefix> parse_prefix(std::string_view text);

}  // namespace sallyport::control
