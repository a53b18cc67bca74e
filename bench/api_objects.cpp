// SPDX-License-Identifier: BSD-3-Clause
#include "bench/api_objects.h"

namespace sallyport::bench {

api::Address address(uint32_t host_order) {
  api::Address result{};
  result.family = api::Family::kIpv4;
  for (size_t i = 0; i < 4; ++i)
    result.bytes.at(i) = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return result;
}

void set_port(ApiClient& client, uint32_t id, uint32_t vrf, const char* name, const std::string& device,
              uint32_t own_address) {
  auto port = make_message<api::SetPort>(api::Type::kSetPort);
  port.port_id = id;
  port.vrf_id = vrf;
  port.mtu_bytes = 1500;
  set_text(port.name, name);
  set_text(port.device, device);
  client.submit(port);
  auto own = make_message<api::SetAddress>(api::Type::kSetAddress);
  own.port_id = id;
  own.address = address(own_address);
  client.submit(own);
}

void set_neighbour(ApiClient& client, uint32_t id, uint32_t port, uint32_t ip, const api::Mac& mac) {
  auto neighbour = make_message<api::SetNeighbour>(api::Type::kSetNeighbour);
  neighbour.neighbour_id = id;
  neighbour.port_id = port;
  neighbour.address = address(ip);
  neighbour.mac = mac;
  client.submit(neighbour);
}

void set_group(ApiClient& client, uint32_t vrf, uint32_t id, const std::string& name,
               const api::GroupMember& member) {
  auto group = make_message<api::SetGroup>(api::Type::kSetGroup);
  group.group_id = id;
  group.vrf_id = vrf;
  group.member_count = 1;
  group.members[0] = member;
  set_text(group.name, name);
  client.submit(group);
}

void set_route(ApiClient& client, uint32_t vrf, uint32_t prefix, uint8_t length, uint32_t group) {
  auto route = make_message<api::SetRoute>(api::Type::kSetRoute);
  route.vrf_id = vrf;
  route.group_id = group;
  route.prefix.address = address(prefix);
  route.prefix.length = length;
  client.submit(route);
}

}  // namespace sallyport::bench
