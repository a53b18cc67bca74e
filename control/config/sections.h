// SPDX-License-Identifier: BSD-3-Clause
// The parts of the parser: one function for each section of the file, then the checks across sections. Each
// reports into the Reader of its Section and fills in what it could read.
#pragma once

#include "control/config/yaml_reader.h"

namespace sallyport::control {

void parse_connection(Section& section, Connection& connection);

// References, names and addresses used twice, prefixes that collide. Looks only at what could be read.
void check_references(Reader& reader, const Gateway& gateway);
void check_addresses(Reader& reader, const Gateway& gateway);
// What IKEv1 can't do, or not safely.
void check_ikev1(Reader& reader, const Connection& connection);
void check_connections(Reader& reader, const Gateway& gateway);
void check_tunnels(Reader& reader, const Gateway& gateway);
void check_overrides(Reader& reader, const Gateway& gateway);
void check_secrets(Reader& reader, const Gateway& gateway);

// The absolute path of a pre-shared secret or private key, if the file is there, holds one, and nobody else
// can read it.
[[nodiscard]] std::string read_psk_path(Reader& reader, const Value& value);
[[nodiscard]] std::string read_key_path(Reader& reader, const Value& value);
// The same for a certificate, which others may read.
[[nodiscard]] std::string read_certificate_path(Reader& reader, const Value& value);
// Whether two files that read_psk_path took hold the same secret; line ends are none of it.
[[nodiscard]] bool hold_same_secret(const std::string& one, const std::string& other);

// The address of a single host.
[[nodiscard]] std::optional<IpAddress> read_host_address(Reader& reader, const Value& value);
// One that other links reach, too.
[[nodiscard]] std::optional<IpAddress> read_routed_address(Reader& reader, const Value& value);
// A prefix that can be routed.
[[nodiscard]] std::optional<IpPrefix> read_routed_prefix(Reader& reader, const Value& value);

// Says why an address can't be that of a single host, or nothing.
[[nodiscard]] std::optional<std::string> not_a_host(const IpAddress& address);
// The same for an address with its prefix on a link.
[[nodiscard]] std::optional<std::string> bad_on_link(const InterfaceAddress& address);

// Reads an optional key into target; leaves the default where it is absent or wrong.
template <typename Target, typename Read, typename... Arguments>
void read_key(Section& section, const std::string& key, Target& target, Read read, Arguments&&... arguments) {
  const auto value = section.take(key);
  if (!value) return;
  if (auto result = read(section.reader(), *value, std::forward<Arguments>(arguments)...)) {
    target = static_cast<Target>(std::move(*result));
  }
}

}  // namespace sallyport::control
