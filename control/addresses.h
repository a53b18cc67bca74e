// SPDX-License-Identifier: BSD-3-Clause
// Addresses between the forms that configuration, dataplane API and SA feed give them. Pure; any thread.
#pragma once

#include <cstring>
#include <string>

#include "control/config/ip.h"
#include "dataplane/api/messages.h"
#include "vici-bridge/key_message.h"

namespace sallyport::control {

[[nodiscard]] inline api::Address to_api(const IpAddress& address) {
  api::Address out{};
  out.family = address.is_v4() ? api::Family::kIpv4 : api::Family::kIpv6;
  out.bytes = address.bytes;
  return out;
}

[[nodiscard]] inline IpAddress from_api(const api::Address& address) {
  IpAddress out;
  out.version = address.family == api::Family::kIpv6 ? IpVersion::kV6 : IpVersion::kV4;
  out.bytes = address.bytes;
  return out;
}

[[nodiscard]] inline api::Prefix to_api(const IpPrefix& prefix) {
  return {to_api(prefix.address), prefix.length, {}};
}

[[nodiscard]] inline api::Address to_api(const sp_address& address) {
  api::Address out{};
  out.family = static_cast<api::Family>(address.family);
  std::memcpy(out.bytes.data(), address.bytes, out.bytes.size());
  return out;
}

[[nodiscard]] inline sp_address to_feed(const api::Address& address, uint16_t port) {
  sp_address out{};
  out.family = static_cast<uint8_t>(address.family);
  out.port = port;
  std::memcpy(out.bytes, address.bytes.data(), address.bytes.size());
  return out;
}

[[nodiscard]] inline std::string to_string(const api::Address& address) {
  return address.family == api::Family::kNone ? "" : from_api(address).to_string();
}

// RFC 5952 section 6: an IPv6 address is in brackets before a port.
[[nodiscard]] inline std::string endpoint_text(const api::Address& address, uint16_t port) {
  const bool is_v6 = address.family == api::Family::kIpv6;
  return (is_v6 ? "[" + to_string(address) + "]:" : to_string(address) + ":") + std::to_string(port);
}

[[nodiscard]] inline std::string mac_to_string(const api::Mac& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text;
}

inline void set_name(api::Name& field, const std::string& name) {
  field.fill('\0');
  std::memcpy(field.data(), name.data(), std::min(name.size(), field.size() - 1));
}

[[nodiscard]] inline std::string name_of(const api::Name& field) {
  return {field.data(), strnlen(field.data(), field.size())};
}

}  // namespace sallyport::control
