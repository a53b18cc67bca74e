// SPDX-License-Identifier: BSD-3-Clause
// The objects that every benchmark gives a dataplane, each one request. Addresses in host order.
#pragma once

#include <cstdint>
#include <string>

#include "bench/api_client.h"

namespace sallyport::bench {

// Throws ApiError where the text doesn't fit.
template <size_t kSize>
void set_text(std::array<char, kSize>& field, const std::string& text) {
  if (text.size() >= kSize)
    throw ApiError(text + ": longer than " + std::to_string(kSize - 1) + " characters");
  field = {};
  text.copy(field.data(), kSize - 1);
}

api::Address address(uint32_t host_order);
// With an MTU of 1500 bytes and one address of its own. `vrf` 0: public.
void set_port(ApiClient& client, uint32_t id, uint32_t vrf, const char* name, const std::string& device,
              uint32_t own_address);
void set_neighbour(ApiClient& client, uint32_t id, uint32_t port, uint32_t ip, const api::Mac& mac);
// Of one member.
void set_group(ApiClient& client, uint32_t vrf, uint32_t id, const std::string& name,
               const api::GroupMember& member);
void set_route(ApiClient& client, uint32_t vrf, uint32_t prefix, uint8_t length, uint32_t group);

}  // namespace sallyport::bench
