// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/ports.h"

#include <rte_ethdev.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/dump.h"
#include "dataplane/manager/numa.h"
#include "dataplane/packet/addresses.h"

namespace sallyport::dataplane {
namespace {

bool is_ipv6(const api::Address& address) {
  return address.family == api::Family::kIpv6;
}

Failure check_ipv6_mtu(const api::SetPort& port, uint16_t mtu_bytes) {
  if (mtu_bytes >= kIpv6MinMtuBytes) return success();
  return {api::Error::kInvalid, "port " + std::string(text_of(port.name)) + ": IPv6 needs an MTU of " +
                                    std::to_string(kIpv6MinMtuBytes) + " bytes, not " +
                                    std::to_string(mtu_bytes)};
}

void publish_addresses(std::span<const api::Address> addresses, Port& port) {
  port.address_count = port.ipv6_count = 0;
  for (const api::Address& address : addresses) {
    if (is_ipv6(address))
      port.ipv6_addresses[port.ipv6_count++] = address.bytes;
    else
      port.addresses_be[port.address_count++] = ipv4_be(address);
  }
}

}  // namespace

// The workers have stopped: nothing reads the World any more.
Ports::~Ports() {
  context_.world.port_list.store(nullptr, std::memory_order_release);
  for (const auto& [id, entry] : entries_)
    context_.world.ports.publish(id, nullptr);
}

Failure Ports::set_port(const api::SetPort& message) {
  if (auto failure = check(message); failure.failed()) return failure;
  const auto it = entries_.find(message.port_id);
  return it == entries_.end() ? open(message) : change(it->second, message);
}

Failure Ports::check(const api::SetPort& message) const {
  if (message.mtu_bytes > context_.max_mtu_bytes)
    return {api::Error::kInvalid, "port " + std::string(text_of(message.name)) + ": the MTU of " +
                                      std::to_string(message.mtu_bytes) + " bytes is larger than --max-mtu " +
                                      std::to_string(context_.max_mtu_bytes) + " of the dataplane"};
  if (message.vrf_id != kPublicVrf && context_.world.vrfs.at(message.vrf_id) == nullptr)
    return not_found("virtual network", message.vrf_id);
  for (const auto& [id, entry] : entries_)
    if (id != message.port_id && text_of(entry.message.name) == text_of(message.name))
      return {api::Error::kInUse,
              "port " + std::to_string(id) + " has the name " + std::string(text_of(message.name))};
  return success();
}

Failure Ports::open(const api::SetPort& message) {
  const auto side = message.vrf_id == kPublicVrf ? PortSide::kPublic : PortSide::kLan;
  auto device =
      PortDevice::open(std::string(text_of(message.device)), side,
                       static_cast<uint16_t>(context_.world.workers()), message.mtu_bytes, context_.pools);
  if (!device.ok()) {
    auto failure = device.failure();
    failure.text = "port " + std::string(text_of(message.name)) + ": " + failure.text;
    return failure;
  }
  Entry& entry = entries_[message.port_id];
  entry.message = message;
  entry.device = std::make_unique<PortDevice>(std::move(device.value()));
  context_.references.add(ObjectKind::kVrf, message.vrf_id);
  publish(entry);
  spdlog::info("port {} opened: {}; {}", text_of(message.name), text_of(message.device),
               describe(entry.device->spread()));
  if (const auto warning = numa_warning(entry.device->numa_node(), context_.worker_nodes); !warning.empty())
    spdlog::warn("port {}: {}", text_of(message.name), warning);
  return success();
}

Failure Ports::change(Entry& entry, const api::SetPort& message) {
  if (text_of(entry.message.device) != text_of(message.device))
    return {api::Error::kInUse, "port " + std::string(text_of(message.name)) + " is open on device " +
                                    std::string(text_of(entry.message.device)) + "; delete it first"};
  if (std::any_of(entry.addresses.begin(), entry.addresses.end(), is_ipv6))
    if (auto failure = check_ipv6_mtu(message, message.mtu_bytes); failure.failed()) return failure;
  if (entry.message.mtu_bytes != message.mtu_bytes)
    if (auto failure = entry.device->set_mtu(message.mtu_bytes); failure.failed()) return failure;
  const bool changed = entry.message.mtu_bytes != message.mtu_bytes || entry.message.vrf_id != message.vrf_id;
  context_.references.add(ObjectKind::kVrf, message.vrf_id);
  context_.references.drop(ObjectKind::kVrf, entry.message.vrf_id);
  entry.message = message;
  if (changed) publish(entry);
  return success();
}

// A new Port takes the place of the old one, which workers may still be reading.
void Ports::publish(Entry& entry) {
  auto port = std::make_unique<Port>();
  port->id = entry.message.port_id;
  port->device = entry.device->port();
  port->rx_queues = static_cast<uint16_t>(context_.world.workers());
  port->vrf_id = entry.message.vrf_id;
  port->mtu_bytes = entry.message.mtu_bytes;
  std::copy(entry.device->mac().begin(), entry.device->mac().end(), port->mac.addr_bytes);
  publish_addresses(entry.addresses, *port);
  // A change of the link is poll_links' to tell.
  port->link_up = entry.published != nullptr ? entry.published->link_up.load(std::memory_order_relaxed)
                                             : entry.device->link_up();
  port->has_mirror = entry.mirror != nullptr;
  context_.world.ports.publish(port->id, port.get());
  auto old = std::exchange(entry.published, std::move(port));
  publish_list();
  context_.retirer.retire(std::move(old));
}

void Ports::publish_list() {
  auto list = std::make_unique<PortList>();
  for (const auto& [id, entry] : entries_)
    list->ports.push_back(entry.published.get());
  context_.world.port_list.store(list.get(), std::memory_order_release);
  context_.retirer.retire(std::exchange(list_, std::move(list)));
}

Failure Ports::delete_port(uint32_t id, std::function<void()> done) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return not_found("port", id);
  if (auto failure = context_.references.check_unused(ObjectKind::kPort, id, "port", "neighbours or groups");
      failure.failed())
    return failure;
  context_.references.drop(ObjectKind::kVrf, it->second.message.vrf_id);
  auto entry = std::make_shared<Entry>(std::move(it->second));
  entries_.erase(it);
  publish_list();
  context_.world.ports.publish(id, nullptr);
  context_.retirer.after_grace([entry, done = std::move(done)] {
    spdlog::info("port {} closed", text_of(entry->message.name));
    entry->device.reset();
    done();
  });
  return success();
}

Failure Ports::set_address(const api::SetAddress& message) {
  const auto it = entries_.find(message.port_id);
  if (it == entries_.end()) return not_found("port", message.port_id);
  if (is_ipv6(message.address))
    if (auto failure = check_ipv6_mtu(it->second.message, it->second.message.mtu_bytes); failure.failed())
      return failure;
  auto& addresses = it->second.addresses;
  for (const auto& address : addresses)
    if (same_address(address, message.address)) return success();
  if (addresses.size() >= kMaxAddressesPerPort)
    return {api::Error::kExhausted, "port " + std::string(text_of(it->second.message.name)) + " has " +
                                        std::to_string(kMaxAddressesPerPort) + " addresses already"};
  addresses.push_back(message.address);
  publish(it->second);
  return success();
}

Failure Ports::delete_address(const api::SetAddress& message) {
  const auto it = entries_.find(message.port_id);
  if (it == entries_.end()) return not_found("port", message.port_id);
  if (std::erase_if(it->second.addresses, [&](const auto& a) { return same_address(a, message.address); }) ==
      0)
    return {api::Error::kNotFound, "port " + std::string(text_of(it->second.message.name)) +
                                       " has no address " + to_text(message.address)};
  publish(it->second);
  return success();
}

Failure Ports::set_mirror(uint32_t id, Mirror mirror) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return not_found("port", id);
  it->second.mirror = std::make_unique<Mirror>(std::move(mirror));
  it->second.published->has_mirror.store(true, std::memory_order_release);
  return success();
}

const Port* Ports::find(uint32_t id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : it->second.published.get();
}

Mirror* Ports::mirror(uint32_t id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : it->second.mirror.get();
}

rte_mempool* Ports::pool(uint32_t id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second.device->pool();
}

bool Ports::poll_links() {
  bool changed = false;
  for (auto& [id, entry] : entries_) {
    const bool up = entry.device->link_up();
    if (up == entry.published->link_up.load(std::memory_order_relaxed)) continue;
    entry.published->link_up.store(up, std::memory_order_release);
    spdlog::info("port {}: link {}", text_of(entry.message.name), up ? "up" : "down");
    auto event = make_message<api::LinkChanged>(api::Type::kLinkChanged, 0);
    event.port_id = id;
    event.up = up;
    context_.send_event(std::as_bytes(std::span(&event, 1)));
    changed = true;
  }
  return changed;
}

void Ports::count_missed(api::PortCounters* counters, uint32_t counter_workers) const {
  for (const auto& [id, entry] : entries_) {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(entry.device->port(), &stats) != 0) continue;
    counters[size_t{id} * counter_workers + counter_workers - 1].rx_dropped.store(stats.imissed,
                                                                                  std::memory_order_relaxed);
  }
}

DumpSource Ports::dump_ports() const {
  return dump_of(entries_, [](uint32_t, const Entry& entry) {
    auto message = entry.message;
    message.link_up = entry.published->link_up.load(std::memory_order_relaxed);
    message.has_mirror = entry.mirror != nullptr;
    message.mac = entry.device->mac();
    return message;
  });
}

DumpSource Ports::dump_addresses() const {
  return [this, port = uint32_t{0}, index = size_t{0}]() mutable -> std::optional<Bytes> {
    for (auto it = entries_.lower_bound(port); it != entries_.end(); ++it) {
      if (it->first != port) index = 0;
      port = it->first;
      if (index >= it->second.addresses.size()) continue;
      auto message = make_message<api::SetAddress>(api::Type::kSetAddress, 0);
      message.port_id = port;
      message.address = it->second.addresses[index++];
      return bytes_of(message);
    }
    return std::nullopt;
  };
}

}  // namespace sallyport::dataplane
