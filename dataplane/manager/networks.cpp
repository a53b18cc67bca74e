// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/networks.h"

#include <rte_byteorder.h>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/dump.h"
#include "dataplane/manager/table_limits.h"
#include "dataplane/path/probe_packets.h"

namespace sallyport::dataplane {
namespace {

bool is_ipv4(const api::Prefix& prefix) {
  return prefix.address.family == api::Family::kIpv4;
}

uint32_t host_order(const api::Address& address) {
  return rte_be_to_cpu_32(ipv4_be(address));
}

// Within the prefix that every virtual network has a route to from the first.
bool is_of_probes(const api::Prefix& prefix) {
  return is_ipv4(prefix) && prefix.length >= kProbePrefixLength &&
         (host_order(prefix.address) & ~3u) == kProbePrefix;
}

FibResult add(Vrf& vrf, const api::Prefix& prefix, uint32_t group_id) {
  return is_ipv4(prefix) ? vrf.fib4->add(host_order(prefix.address), prefix.length, group_id)
                         : vrf.fib6->add(prefix.address.bytes, prefix.length, group_id);
}

FibResult remove(Vrf& vrf, const api::Prefix& prefix) {
  return is_ipv4(prefix) ? vrf.fib4->remove(host_order(prefix.address), prefix.length)
                         : vrf.fib6->remove(prefix.address.bytes, prefix.length);
}

Failure to_failure(FibResult result, const api::Prefix& prefix) {
  switch (result) {
    case FibResult::kDone:
    case FibResult::kUnchanged:
      return success();
    case FibResult::kNotFound:
      return {api::Error::kNotFound, "there is no route to " + to_text(prefix)};
    case FibResult::kFull:
      return {api::Error::kExhausted,
              "route to " + to_text(prefix) + ": the virtual network's route table is full"};
    case FibResult::kInvalid:
      break;
  }
  return {api::Error::kInvalid, "route to " + to_text(prefix) + ": the route table does not take it"};
}

}  // namespace

// The workers have stopped: nothing reads the World any more.
Networks::~Networks() {
  for (const auto& [id, entry] : entries_)
    context_.world.vrfs.publish(id, nullptr);
}

Failure Networks::set_vrf(const api::SetVrf& message) {
  if (const auto it = entries_.find(message.vrf_id); it != entries_.end()) {
    it->second.message = message;
    return success();
  }
  auto vrf = std::make_unique<Vrf>();
  const FibConfig config =
      fib_config_for(message.vrf_id, context_.world.inbound_sas.slots(), context_.world.qsbr());
  vrf->id = message.vrf_id;
  vrf->fib4 = Ipv4Fib::create(config);
  vrf->fib6 = Ipv6Fib::create(config);
  if (!vrf->fib4 || !vrf->fib6)
    return {api::Error::kExhausted, "virtual network " + std::string(text_of(message.name)) +
                                        ": its route table takes " +
                                        std::to_string((fib_memory_bytes(config) >> 20) + 1) +
                                        " MB that are not left; give the dataplane more --memory"};
  if (vrf->fib4->add(kProbePrefix, kProbePrefixLength, kProbeGroup) != FibResult::kDone)
    return {api::Error::kExhausted,
            "virtual network " + std::string(text_of(message.name)) + ": its route table takes no route"};
  context_.world.vrfs.publish(message.vrf_id, vrf.get());
  entries_.emplace(message.vrf_id, Entry{message, std::move(vrf), nullptr});
  return success();
}

Failure Networks::delete_vrf(uint32_t id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return not_found("virtual network", id);
  if (it->second.routes > 0)
    return {api::Error::kInUse, "virtual network " + std::string(text_of(it->second.message.name)) + " has " +
                                    std::to_string(it->second.routes) + " routes; delete those first"};
  if (auto failure = context_.references.check_unused(ObjectKind::kVrf, id, "virtual network",
                                                      "ports, groups or tunnels");
      failure.failed())
    return failure;
  context_.world.vrfs.publish(id, nullptr);
  context_.retirer.retire(std::move(it->second.vrf));
  entries_.erase(it);
  return success();
}

Networks::RouteKey Networks::key_of(uint32_t vrf_id, const api::Prefix& prefix) {
  return {vrf_id, prefix.address.family, prefix.address.bytes, prefix.length};
}

Failure Networks::set_route(const api::SetRoute& message) {
  const auto it = entries_.find(message.vrf_id);
  if (it == entries_.end()) return not_found("virtual network", message.vrf_id);
  if (is_of_probes(message.prefix))
    return {api::Error::kInvalid, "route to " + to_text(message.prefix) +
                                      ": the tunnels' probes have these addresses to themselves"};
  const NextHopGroup* group = context_.world.groups.at(message.group_id);
  if (group == nullptr) return not_found("group", message.group_id);
  if (group->vrf_id() != message.vrf_id)
    return {api::Error::kInvalid, "route to " + to_text(message.prefix) + ": group " +
                                      std::to_string(message.group_id) +
                                      " belongs to another virtual network"};
  if (auto failure = to_failure(add(*it->second.vrf, message.prefix, message.group_id), message.prefix);
      failure.failed())
    return failure;
  context_.references.add(ObjectKind::kGroup, message.group_id);
  const auto [route, is_new] = routes_.try_emplace(key_of(message.vrf_id, message.prefix), message);
  if (is_new)
    ++it->second.routes;
  else
    context_.references.drop(ObjectKind::kGroup, std::exchange(route->second, message).group_id);
  return success();
}

Failure Networks::delete_route(const api::DeleteRoute& message) {
  const auto route = routes_.find(key_of(message.vrf_id, message.prefix));
  if (route == routes_.end())
    return {api::Error::kNotFound, "there is no route to " + to_text(message.prefix)};
  Entry& entry = entries_.at(message.vrf_id);
  if (auto failure = to_failure(remove(*entry.vrf, message.prefix), message.prefix); failure.failed())
    return failure;
  context_.references.drop(ObjectKind::kGroup, route->second.group_id);
  --entry.routes;
  routes_.erase(route);
  return success();
}

Failure Networks::set_mirror(uint32_t id, Mirror mirror) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return not_found("virtual network", id);
  it->second.mirror = std::make_unique<Mirror>(std::move(mirror));
  it->second.vrf->has_mirror.store(true, std::memory_order_release);
  return success();
}

Mirror* Networks::mirror(uint32_t id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : it->second.mirror.get();
}

DumpSource Networks::dump_vrfs() const {
  return dump_of(entries_, [](uint32_t, const Entry& entry) { return entry.message; });
}

DumpSource Networks::dump_routes() const {
  return dump_of(routes_, [](const RouteKey&, const api::SetRoute& message) { return message; });
}

}  // namespace sallyport::dataplane
