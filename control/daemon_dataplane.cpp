// SPDX-License-Identifier: BSD-3-Clause
// The daemon's dealings with the dataplane: what it is found to hold on each connect, mirrors, refusals and
// events.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "control/addresses.h"
#include "control/daemon.h"

namespace sallyport::control {

struct Daemon::Inventory {
  std::map<api::Type, std::vector<Bytes>> items;
};

namespace {

constexpr std::array kInventory = {
    api::Type::kSetVrf,       api::Type::kSetPort,      api::Type::kSetAddress,
    api::Type::kSetNeighbour, api::Type::kSetTunnel,    api::Type::kSetGroup,
    api::Type::kSetRoute,     api::Type::kSetInboundSa, api::Type::kSetOutboundSa};

constexpr std::array kStages = {Stage::kVrf,    Stage::kPort,  Stage::kAddress, Stage::kNeighbour,
                                Stage::kTunnel, Stage::kGroup, Stage::kRoute};

}  // namespace

void Daemon::on_dataplane(const api::HelloReply& hello) {
  hello_ = hello;
  std::string why;
  const std::string path(hello.shared_state_path.data(),
                         strnlen(hello.shared_state_path.data(), hello.shared_state_path.size()));
  if (!counters_.open(path, why)) events_.add("dataplane", "counters", "cannot be read: " + why);
  take_inventory(std::make_shared<Inventory>(), 0);
}

void Daemon::take_inventory(std::shared_ptr<Inventory> inventory, size_t next) {
  if (next == kInventory.size()) return adopt(*inventory);
  const api::Type what = kInventory[next];
  dataplane_.dump(what, [this, inventory, next, what](const DataplaneAnswer& answer) {
    if (answer.lost) return;
    if (!answer.ok()) spdlog::error("dataplane: cannot be asked for what it holds: {}", answer.text);
    inventory->items[what] = answer.items;
    take_inventory(inventory, next + 1);
  });
}

void Daemon::adopt(const Inventory& inventory) {
  std::map<uint32_t, std::string> port_names;
  for (const Bytes& item : inventory.items.at(api::Type::kSetVrf)) {
    const auto vrf = message_cast<api::SetVrf>(item);
    ids_.vrfs.adopt(name_of(vrf.name), vrf.vrf_id);
  }
  for (const Bytes& item : inventory.items.at(api::Type::kSetPort)) {
    const auto port = message_cast<api::SetPort>(item);
    const std::string device(port.device.data(), strnlen(port.device.data(), port.device.size()));
    port_names[port.port_id] = name_of(port.name);
    ids_.ports.adopt(name_of(port.name) + "@" + device, port.port_id);
  }
  for (const Bytes& item : inventory.items.at(api::Type::kSetNeighbour)) {
    const auto neighbour = message_cast<api::SetNeighbour>(item);
    ids_.neighbours.adopt(neighbour_name(port_names[neighbour.port_id], from_api(neighbour.address)),
                          neighbour.neighbour_id);
  }
  path_mtu_.clear();
  unhealthy_.clear();
  members_.clear();
  carrying_.clear();
  for (const Bytes& item : inventory.items.at(api::Type::kSetTunnel)) {
    const auto tunnel = message_cast<api::SetTunnel>(item);
    ids_.tunnels.adopt(name_of(tunnel.name), tunnel.tunnel_id);
    path_mtu_[name_of(tunnel.name)] = tunnel.path_mtu_bytes;
    if (tunnel.unhealthy != 0) unhealthy_[tunnel.tunnel_id] = static_cast<api::HealthCause>(tunnel.unhealthy);
  }
  for (const Bytes& item : inventory.items.at(api::Type::kSetGroup)) {
    const auto group = message_cast<api::SetGroup>(item);
    ids_.groups.adopt(name_of(group.name), group.group_id);
    learn_carrying(group);
  }
  for (const Stage stage : kStages)
    tables_.learn(stage, inventory.items.at(set_type(stage)));
  adopt_sas(inventory);
  for (auto& [name, port] : ports_)
    port = {};
  tunnel_mirrors_given_.clear();
  adopted_ = true;
  events_.add(
      "dataplane", "dataplane",
      fmt::format("connected: {} workers, {} SAs held", hello_.workers, feed_.ledger().records().size()));
  rebuild();
  feed_.start(hello_.workers, hello_.slots);
  review_soon();
}

void Daemon::adopt_sas(const Inventory& inventory) {
  const auto now = std::chrono::steady_clock::now();
  SaLedger& ledger = feed_.ledger();
  std::set<SaId> held;
  for (const Bytes& item : inventory.items.at(api::Type::kSetInboundSa)) {
    const auto sa = message_cast<api::SetInboundSa>(item);
    ledger.learn_inbound(sa, ids_.tunnels.name_of(sa.tunnel_id), now);
    held.insert({sa.spi, sa.spi & api::kSlotMask, true});
  }
  feed_.activation().forget_all();
  for (const Bytes& item : inventory.items.at(api::Type::kSetOutboundSa)) {
    const auto sa = message_cast<api::SetOutboundSa>(item);
    const std::string tunnel = ids_.tunnels.name_of(sa.tunnel_id);
    const SaId id{sa.spi, sa.slot, false};
    ledger.learn_outbound(sa, tunnel, now);
    if (sa.activate) feed_.activation().learn(*ledger.find(id));
    held.insert(id);
  }
  ledger.retain_only(held);
}

void Daemon::commit() {
  if (!adopted_) return;
  const std::vector<TableRequest> requests = tables_.commit();
  bool ports_changed = false;
  for (const TableRequest& request : requests) {
    ports_changed |= request.stage == Stage::kPort;
    dataplane_.request_bytes(request.type, request.message, [this, request](const DataplaneAnswer& answer) {
      if (!answer.ok() && !answer.lost) on_refused(request, answer);
    });
  }
  const bool ports_unknown = std::any_of(gateway_.ports.begin(), gateway_.ports.end(),
                                         [this](const auto& entry) { return !ports_[entry.first].known; });
  if (ports_changed || ports_unknown) {
    dataplane_.dump(api::Type::kSetPort, [this](const DataplaneAnswer& answer) {
      if (answer.ok()) on_port_dump(answer.items);
    });
  }
  give_mirrors();
}

void Daemon::on_refused(const TableRequest& request, const DataplaneAnswer& answer) {
  tables_.refused(request);
  refused_ = true;
  if (request.type == api::Type::kSetPort) {
    PortState& port = ports_[name_of(message_cast<api::SetPort>(request.message).name)];
    if (port.error != answer.text) {
      events_.add("port", name_of(message_cast<api::SetPort>(request.message).name), answer.text);
    }
    port.error = answer.text;
    return;
  }
  // The same refusal comes again with every attempt.
  if (answer.text != last_refusal_) spdlog::warn("dataplane refused: {}", answer.text);
  last_refusal_ = answer.text;
}

void Daemon::on_port_dump(const std::vector<Bytes>& items) {
  for (const Bytes& item : items) {
    const auto message = message_cast<api::SetPort>(item);
    const std::string name = name_of(message.name);
    if (port_id(name) != message.port_id) continue;  // none of ours, or the device it had before
    PortState& port = ports_[name];
    port.known = true;
    port.error.clear();
    port.mac = message.mac;
    port.link_up = message.link_up != 0;
    try {
      networks_.set_mac(name, message.mac);
    } catch (const std::system_error& error) {
      events_.add("port", name, error.what());
    }
  }
  give_mirrors();
}

void Daemon::give_mirrors() {
  const auto give = [this](api::MirrorKind kind, uint32_t id, const std::string& name, int fd) {
    api::SetMirror message{};
    message.kind = kind;
    message.id = id;
    dataplane_.request(api::Type::kSetMirror, message,
                       [this, name](const DataplaneAnswer& answer) {
                         if (!answer.ok() && !answer.lost)
                           events_.add("port", name, "the mirror was refused: " + answer.text);
                       },
                       {fd});
  };
  for (auto& [name, port] : ports_) {
    const Mirror* mirror = networks_.port_mirror(name);
    const auto id = port_id(name);
    if (!port.known || port.mirror_given || mirror == nullptr || !id) continue;
    port.mirror_given = true;
    give(api::MirrorKind::kPort, *id, name, mirror->fd());
  }
  for (const auto& [name, network] : gateway_.virtual_networks) {
    const Mirror* mirror = networks_.tunnel_mirror(name);
    const auto id = ids_.vrfs.find(name);
    if (mirror == nullptr || !id || !tunnel_mirrors_given_.insert(name).second) continue;
    give(api::MirrorKind::kVrf, *id, name, mirror->fd());
  }
}

void Daemon::on_dataplane_event(const api::Header& header, std::span<const uint8_t> bytes) {
  switch (header.type) {
    case api::Type::kNeighbourWanted:
      return on_neighbour_wanted(message_cast<api::NeighbourWanted>(bytes));
    case api::Type::kLinkChanged: {
      const auto event = message_cast<api::LinkChanged>(bytes);
      for (auto& [name, port] : ports_) {
        if (port_id(name) != event.port_id) continue;
        port.link_up = event.up != 0;
        events_.add("link", name, event.up ? "up" : "down");
      }
      return;
    }
    case api::Type::kPathMtuChanged: {
      const auto event = message_cast<api::PathMtuChanged>(bytes);
      const std::string tunnel = ids_.tunnels.name_of(event.tunnel_id);
      path_mtu_[tunnel] = event.path_mtu_bytes;
      events_.add("tunnel", tunnel, fmt::format("path MTU is {}", event.path_mtu_bytes));
      return;
    }
    case api::Type::kHealthChanged:
      return on_health(message_cast<api::HealthChanged>(bytes));
    case api::Type::kGroupChanged:
      return on_group(message_cast<api::GroupChanged>(bytes));
    case api::Type::kPacketAudited:
      if (gateway_.settings.audit) feed_.on_dataplane_event(header, bytes);
      return;
    default:
      feed_.on_dataplane_event(header, bytes);
  }
}

void Daemon::on_neighbour_wanted(const api::NeighbourWanted& event) {
  for (const auto& [name, port] : gateway_.ports) {
    if (port_id(name) != event.port_id) continue;
    try {
      networks_.resolve_neighbour(name, from_api(event.address));
    } catch (const std::system_error& error) {
      spdlog::warn("neighbour {} on {}: {}", to_string(event.address), name, error.what());
    }
  }
}

}  // namespace sallyport::control
