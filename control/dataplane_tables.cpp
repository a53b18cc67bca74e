// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_tables.h"

#include <algorithm>

namespace sallyport::control {
namespace {

using api::Type;

template <typename... Parts>
std::string key_of(const Parts&... parts) {
  std::string key;
  (key.append(reinterpret_cast<const char*>(&parts), sizeof parts), ...);
  return key;
}

template <typename Message>
Bytes without_header(Message message) {
  message.header = {};
  Bytes bytes(sizeof message);
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

TableObject object_of(Stage stage, const Bytes& item) {
  switch (stage) {
    case Stage::kVrf:
      return table_object(message_cast<api::SetVrf>(item));
    case Stage::kPort:
      return table_object(message_cast<api::SetPort>(item));
    case Stage::kAddress:
      return table_object(message_cast<api::SetAddress>(item));
    case Stage::kNeighbour:
      return table_object(message_cast<api::SetNeighbour>(item));
    case Stage::kTunnel:
      return table_object(message_cast<api::SetTunnel>(item));
    case Stage::kGroup:
      return table_object(message_cast<api::SetGroup>(item));
    case Stage::kRoute:
      break;
  }
  return table_object(message_cast<api::SetRoute>(item));
}

template <typename Message>
TableRequest request_of(Type type, Stage stage, const std::string& key, const Message& message) {
  return {type, stage, key, without_header(message)};
}

TableRequest delete_by_id(Type type, Stage stage, const std::string& key, uint32_t id) {
  api::DeleteById message{};
  message.id = id;
  return request_of(type, stage, key, message);
}

TableRequest delete_request(Stage stage, const std::string& key, const Bytes& held) {
  switch (stage) {
    case Stage::kVrf:
      return delete_by_id(Type::kDeleteVrf, stage, key, message_cast<api::SetVrf>(held).vrf_id);
    case Stage::kPort:
      return delete_by_id(Type::kDeletePort, stage, key, message_cast<api::SetPort>(held).port_id);
    case Stage::kAddress:
      return {Type::kDeleteAddress, stage, key, held};
    case Stage::kNeighbour:
      return delete_by_id(Type::kDeleteNeighbour, stage, key,
                          message_cast<api::SetNeighbour>(held).neighbour_id);
    case Stage::kTunnel:
      return delete_by_id(Type::kDeleteTunnel, stage, key, message_cast<api::SetTunnel>(held).tunnel_id);
    case Stage::kGroup:
      return delete_by_id(Type::kDeleteGroup, stage, key, message_cast<api::SetGroup>(held).group_id);
    case Stage::kRoute:
      break;
  }
  const auto route = message_cast<api::SetRoute>(held);
  api::DeleteRoute message{};
  message.vrf_id = route.vrf_id;
  message.prefix = route.prefix;
  return request_of(Type::kDeleteRoute, stage, key, message);
}

}  // namespace

TableObject table_object(const api::SetVrf& vrf) {
  return {Stage::kVrf, key_of(vrf.vrf_id), without_header(vrf)};
}

TableObject table_object(const api::SetPort& port) {
  api::SetPort plain = port;
  plain.link_up = plain.has_mirror = 0;
  plain.mac = {};
  return {Stage::kPort, key_of(port.port_id), without_header(plain)};
}

TableObject table_object(const api::SetAddress& address) {
  return {Stage::kAddress, key_of(address.port_id, address.address), without_header(address)};
}

TableObject table_object(const api::SetNeighbour& neighbour) {
  return {Stage::kNeighbour, key_of(neighbour.neighbour_id), without_header(neighbour)};
}

TableObject table_object(const api::SetTunnel& tunnel) {
  api::SetTunnel plain = tunnel;
  plain.outbound_slot = 0;
  plain.path_mtu_bytes = 0;
  plain.unhealthy = 0;
  return {Stage::kTunnel, key_of(tunnel.tunnel_id), without_header(plain)};
}

TableObject table_object(const api::SetGroup& group) {
  api::SetGroup plain = group;
  plain.carrying = 0;
  return {Stage::kGroup, key_of(group.group_id), without_header(plain)};
}

TableObject table_object(const api::SetRoute& route) {
  return {Stage::kRoute, key_of(route.vrf_id, route.prefix), without_header(route)};
}

Type set_type(Stage stage) {
  switch (stage) {
    case Stage::kVrf:
      return Type::kSetVrf;
    case Stage::kPort:
      return Type::kSetPort;
    case Stage::kAddress:
      return Type::kSetAddress;
    case Stage::kNeighbour:
      return Type::kSetNeighbour;
    case Stage::kTunnel:
      return Type::kSetTunnel;
    case Stage::kGroup:
      return Type::kSetGroup;
    case Stage::kRoute:
      break;
  }
  return Type::kSetRoute;
}

void DataplaneTables::replace(const std::string& section, std::vector<TableObject> objects) {
  auto& wanted = wanted_[section];
  wanted.clear();
  for (TableObject& object : objects) {
    wanted[{object.stage, std::move(object.key)}] = std::move(object.message);
  }
  if (wanted.empty()) wanted_.erase(section);
}

void DataplaneTables::learn(Stage stage, const std::vector<Bytes>& items) {
  std::erase_if(held_, [stage](const auto& entry) { return entry.first.first == stage; });
  for (const Bytes& item : items) {
    TableObject object = object_of(stage, item);
    held_[{stage, std::move(object.key)}] = std::move(object.message);
  }
}

void DataplaneTables::forget_all() {
  held_.clear();
}

std::vector<TableRequest> DataplaneTables::commit() {
  std::map<Key, const Bytes*> wanted;
  for (const auto& [section, objects] : wanted_) {
    for (const auto& [key, message] : objects)
      wanted[key] = &message;
  }
  std::vector<TableRequest> requests;
  for (const auto& [key, message] : wanted) {
    const auto held = held_.find(key);
    if (held != held_.end() && held->second == *message) continue;
    requests.push_back({set_type(key.first), key.first, key.second, *message});
  }
  for (auto it = held_.rbegin(); it != held_.rend(); ++it) {
    if (!wanted.contains(it->first)) {
      requests.push_back(delete_request(it->first.first, it->first.second, it->second));
    }
  }
  held_.clear();
  for (const auto& [key, message] : wanted)
    held_[key] = *message;
  return requests;
}

void DataplaneTables::refused(const TableRequest& request) {
  const Key key{request.stage, request.key};
  if (request.type == set_type(request.stage)) {
    held_.erase(key);
    return;
  }
  // A delete that was refused: believe it still there, in a form that no one wants.
  Bytes held = request.message;
  if (request.stage == Stage::kRoute) {
    const auto route = message_cast<api::DeleteRoute>(request.message);
    api::SetRoute plain{};
    plain.vrf_id = route.vrf_id;
    plain.prefix = route.prefix;
    held = without_header(plain);
  } else if (request.stage != Stage::kAddress) {
    // Every Set* message of these kinds starts with the id, right after the header, as DeleteById does.
    held = request.message;
  }
  held_.try_emplace(key, std::move(held));
}

std::vector<Bytes> DataplaneTables::wanted(Stage stage) const {
  std::vector<Bytes> out;
  for (const auto& [section, objects] : wanted_) {
    for (const auto& [key, message] : objects) {
      if (key.first == stage) out.push_back(message);
    }
  }
  return out;
}

}  // namespace sallyport::control
