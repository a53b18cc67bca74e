// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/codec.h"

#include <arpa/inet.h>

#include <algorithm>

#include "dataplane/crypto/algorithms.h"

namespace sallyport::dataplane {
namespace {

using api::Error;
using api::Type;

// What is wrong with a field; empty: nothing.
struct Fault {
  Error error = Error::kNone;
  const char* text = nullptr;
  explicit operator bool() const { return text != nullptr; }
};

Fault malformed(const char* text) {
  return {Error::kMalformed, text};
}
Fault invalid(const char* text) {
  return {Error::kInvalid, text};
}

template <typename Container>
bool all_zero(const Container& container) {
  return std::all_of(container.begin(), container.end(), [](auto byte) { return byte == 0; });
}

template <size_t kSize>
bool is_terminated(const std::array<char, kSize>& text) {
  return strnlen(text.data(), kSize) < kSize;
}

template <size_t kSize>
bool is_plain(const std::array<char, kSize>& text) {
  const auto used = text_of(text);
  return !used.empty() && std::all_of(used.begin(), used.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Fault check_name(const api::Name& name) {
  if (!is_terminated(name)) return malformed("the name is not terminated");
  if (!is_plain(name)) return invalid("the name is empty or has characters outside printable ASCII");
  return {};
}

Fault check_flag(uint8_t flag) {
  return flag > 1 ? malformed("a flag is neither 0 nor 1") : Fault{};
}

enum class Presence { kRequired, kOptional };

Fault check_address(const api::Address& address, Presence presence) {
  if (!all_zero(address.reserved)) return malformed("reserved bytes of an address are not zero");
  switch (address.family) {
    case api::Family::kNone:
      if (presence == Presence::kRequired) return invalid("an address is missing");
      return all_zero(address.bytes) ? Fault{} : malformed("an address without family has bytes");
    case api::Family::kIpv4:
      return all_zero(std::span(address.bytes).subspan(4))
                 ? Fault{}
                 : malformed("an IPv4 address is longer than 4 bytes");
    case api::Family::kIpv6:
      return {};
  }
  return malformed("unknown address family");
}

Fault check_prefix(const api::Prefix& prefix) {
  if (!all_zero(prefix.reserved)) return malformed("reserved bytes of a prefix are not zero");
  if (auto fault = check_address(prefix.address, Presence::kRequired)) return fault;
  const unsigned bits = prefix.address.family == api::Family::kIpv4 ? 32 : 128;
  if (prefix.length > bits) return invalid("a prefix is longer than its address");
  for (unsigned bit = prefix.length; bit < bits; ++bit)
    if (prefix.address.bytes[bit / 8] & (0x80u >> (bit % 8))) return invalid("a prefix has host bits set");
  return {};
}

Fault check_selector(const api::Selector& selector) {
  if (selector.reserved != 0) return malformed("reserved bytes of a selector are not zero");
  if (selector.family != api::Family::kIpv4 && selector.family != api::Family::kIpv6)
    return malformed("unknown address family in a selector");
  if (selector.family == api::Family::kIpv4 &&
      (!all_zero(std::span(selector.from).subspan(4)) || !all_zero(std::span(selector.to).subspan(4))))
    return malformed("an IPv4 selector is longer than 4 bytes");
  if (selector.from > selector.to) return invalid("a selector's address range is upside down");
  if (selector.port_from > selector.port_to) return invalid("a selector's port range is upside down");
  return {};
}

Fault check_keys(const api::SaKeys& keys) {
  if (!is_supported(keys.algorithm, keys.integrity))
    return {Error::kUnsupported, "this algorithm is not supported, or not with this integrity algorithm"};
  const KeySizes sizes = key_sizes(keys.algorithm, keys.integrity);
  if (keys.key_bytes != sizes.key_bytes) return invalid("the key has the wrong length for its algorithm");
  if (keys.integrity_key_bytes != sizes.integrity_key_bytes)
    return invalid("the integrity key has the wrong length for its algorithm");
  if (!all_zero(std::span(keys.key).subspan(sizes.key_bytes)) ||
      !all_zero(std::span(keys.integrity_key).subspan(sizes.integrity_key_bytes)))
    return malformed("there are bytes beyond the key");
  return {};
}

Fault check_endpoints(const api::Address& local, const api::Address& remote, uint8_t encap,
                      uint16_t local_port, uint16_t remote_port) {
  if (auto fault = check_flag(encap)) return fault;
  if (auto fault = check_address(local, Presence::kRequired)) return fault;
  if (auto fault = check_address(remote, Presence::kRequired)) return fault;
  if (local.family != remote.family) return invalid("local and remote address are of different families");
  if (encap && (local_port == 0 || remote_port == 0)) return invalid("ESP in UDP needs both ports");
  return {};
}

template <typename Sa>
Fault check_sa(const Sa& sa) {
  if (sa.spi <= 255) return invalid("SPIs 0 to 255 are reserved (RFC 4303 section 2.1)");
  if (auto fault = check_flag(sa.esn)) return fault;
  if (auto fault = check_keys(sa.keys)) return fault;
  if (auto fault = check_endpoints(sa.local, sa.remote, sa.encap, sa.local_port, sa.remote_port))
    return fault;
  if (sa.local_selector_count == 0 || sa.remote_selector_count == 0)
    return invalid("an SA needs at least one selector on each side");
  for (const auto& selector : api::local_selectors(sa))
    if (auto fault = check_selector(selector)) return fault;
  for (const auto& selector : api::remote_selectors(sa))
    if (auto fault = check_selector(selector)) return fault;
  return {};
}

Fault check(const api::SetPort& port) {
  if (port.reserved != 0) return malformed("reserved bytes are not zero");
  if (port.port_id >= api::kMaxPorts) return invalid("the port's id is out of range");
  if (port.vrf_id >= api::kMaxVrfs) return invalid("the virtual network's id is out of range");
  if (port.mtu_bytes < 576 || port.mtu_bytes > 9600) return invalid("the MTU lies outside 576 to 9600");
  if (!is_terminated(port.device)) return malformed("the device is not terminated");
  if (!is_plain(port.device)) return invalid("the device is empty or has characters outside printable ASCII");
  return check_name(port.name);
}

Fault check(const api::SetMirror& mirror) {
  switch (mirror.kind) {
    case api::MirrorKind::kPort:
      return mirror.id < api::kMaxPorts ? Fault{} : invalid("the port's id is out of range");
    case api::MirrorKind::kVrf:
      return mirror.id > 0 && mirror.id < api::kMaxVrfs ? Fault{}
                                                        : invalid("the virtual network's id is out of range");
  }
  return malformed("unknown kind of mirror");
}

Fault check(const api::SetVrf& vrf) {
  if (vrf.vrf_id == 0 || vrf.vrf_id >= api::kMaxVrfs)
    return invalid("the virtual network's id is out of range");
  return check_name(vrf.name);
}

Fault check(const api::SetAddress& address) {
  if (address.port_id >= api::kMaxPorts) return invalid("the port's id is out of range");
  return check_address(address.address, Presence::kRequired);
}

Fault check(const api::SetNeighbour& neighbour) {
  if (neighbour.reserved != 0) return malformed("reserved bytes are not zero");
  if (neighbour.port_id >= api::kMaxPorts) return invalid("the port's id is out of range");
  if (neighbour.neighbour_id == api::kNone) return invalid("the neighbour's id is out of range");
  if (neighbour.mac[0] & 1) return invalid("the neighbour's MAC is a group address");
  return check_address(neighbour.address, Presence::kRequired);
}

Fault check(const api::SetGroup& group) {
  if (group.reserved != decltype(group.reserved){}) return malformed("reserved bytes are not zero");
  if (group.choice > api::MemberChoice::kByPolicy) return malformed("unknown choice of members");
  if (group.group_id == api::kNone) return invalid("the group's id is out of range");
  if (group.vrf_id >= api::kMaxVrfs) return invalid("the virtual network's id is out of range");
  if (group.member_count > api::kMaxGroupMembers) return malformed("more members than there is room for");
  for (unsigned i = 0; i < group.member_count; ++i) {
    const auto& member = group.members[i];
    if (member.kind < api::MemberKind::kTunnel || member.kind > api::MemberKind::kDrop)
      return malformed("unknown kind of member");
    if (member.reserved != 0) return malformed("reserved bytes are not zero");
    if (auto fault = check_flag(member.up)) return fault;
  }
  if (auto fault = check_flag(group.preempt)) return fault;
  return check_name(group.name);
}

Fault check(const api::SetRoute& route) {
  if (route.vrf_id == 0 || route.vrf_id >= api::kMaxVrfs)
    return invalid("the virtual network's id is out of range");
  return check_prefix(route.prefix);
}

Fault check(const api::DeleteRoute& route) {
  if (route.vrf_id == 0 || route.vrf_id >= api::kMaxVrfs)
    return invalid("the virtual network's id is out of range");
  return check_prefix(route.prefix);
}

Fault check_probe(const api::Probe& probe) {
  if (probe.kind > api::ProbeKind::kEcho) return malformed("unknown kind of probe");
  if (auto fault = check_flag(probe.shared_target)) return fault;
  if (probe.kind == api::ProbeKind::kNone) return {};
  if (probe.misses < 1 || probe.misses > 100) return invalid("the probe's misses are not 1 to 100");
  if (probe.interval_ms < 50 || probe.interval_ms > 60'000)
    return invalid("the probe's interval is not 50 to 60000 ms");
  if (probe.kind == api::ProbeKind::kGateway) return {};
  if (auto fault = check_address(probe.source, Presence::kRequired)) return fault;
  if (auto fault = check_address(probe.target, Presence::kRequired)) return fault;
  if (probe.source.family != probe.target.family) return invalid("the probe's addresses are of two families");
  return {};
}

Fault check(const api::SetTunnel& tunnel) {
  if (tunnel.tunnel_id == api::kNone) return invalid("the tunnel's id is out of range");
  if (tunnel.vrf_id == 0 || tunnel.vrf_id >= api::kMaxVrfs)
    return invalid("the virtual network's id is out of range");
  if (tunnel.df > api::DfPolicy::kClear) return malformed("unknown DF policy");
  if (tunnel.dscp_policy > api::DscpPolicy::kSet) return malformed("unknown DSCP policy");
  if (tunnel.dscp > 63) return invalid("the DSCP is larger than 63");
  if (auto fault = check_flag(tunnel.mss_clamp)) return fault;
  if (auto fault = check_flag(tunnel.suspect)) return fault;
  if (tunnel.path_tunnel_id == api::kNone) return invalid("the path's tunnel id is out of range");
  if (tunnel.hold_ms > 60'000) return invalid("the hold time is above 60000 ms");
  if (auto fault = check_probe(tunnel.probe)) return fault;
  return check_name(tunnel.name);
}

Fault check(const api::SetInboundSa& sa) {
  if (sa.reserved != 0) return malformed("reserved bytes are not zero");
  if (sa.replay_window != 0 && (sa.replay_window < 32 || sa.replay_window > 4096))
    return invalid("the replay window is neither 0 nor 32 to 4096");
  return check_sa(sa);
}

Fault check(const api::SetOutboundSa& sa) {
  if (auto fault = check_flag(sa.activate)) return fault;
  if (auto fault = check_flag(sa.may_have_sent)) return fault;
  if (sa.slot > api::kSlotMask) return invalid("the slot is out of range");
  return check_sa(sa);
}

Fault check(const api::UpdateSa& update) {
  if (!all_zero(update.reserved)) return malformed("reserved bytes are not zero");
  if (update.direction > api::Direction::kOutbound) return malformed("unknown direction");
  return check_endpoints(update.local, update.remote, update.encap, update.local_port, update.remote_port);
}

Fault check(const api::ActivateSa& sa) {
  return sa.slot > api::kSlotMask ? invalid("the slot is out of range") : Fault{};
}

Fault check(const api::DeleteSa& sa) {
  return sa.direction > api::Direction::kOutbound ? malformed("unknown direction") : Fault{};
}

Fault check(const api::Dump& dump) {
  if (dump.reserved != 0) return malformed("reserved bytes are not zero");
  switch (dump.what) {
    case Type::kSetPort:
    case Type::kSetVrf:
    case Type::kSetAddress:
    case Type::kSetNeighbour:
    case Type::kSetGroup:
    case Type::kSetRoute:
    case Type::kSetTunnel:
    case Type::kSetInboundSa:
    case Type::kSetOutboundSa:
      return {};
    default:
      return malformed("there is nothing of this type to dump");
  }
}

Fault check(const api::DeleteById&) {
  return {};
}
Fault check(const api::Hello&) {
  return {};
}
Fault check(const api::FlushPunts&) {
  return {};
}

template <typename Message>
Fault check_as(std::span<const std::byte> bytes) {
  // In place: a copy would leave key material behind on the stack.
  const auto& message = *reinterpret_cast<const Message*>(bytes.data());
  size_t least_bytes = sizeof(Message);
  if constexpr (requires { message.selectors; }) least_bytes = offsetof(Message, selectors);
  if (bytes.size() < least_bytes) return malformed("the message is shorter than its type");
  if constexpr (requires { message.selectors; })
    if (message.local_selector_count > api::kMaxSelectors ||
        message.remote_selector_count > api::kMaxSelectors)
      return malformed("more selectors than there is room for");
  if (bytes.size() != api::wire_bytes(message)) return malformed("the message is not as long as its type");
  return check(message);
}

Fault check_by_type(Type type, std::span<const std::byte> bytes) {
  switch (type) {
    case Type::kHello:
      return check_as<api::Hello>(bytes);
    case Type::kSetPort:
      return check_as<api::SetPort>(bytes);
    case Type::kDeletePort:
    case Type::kDeleteVrf:
    case Type::kDeleteNeighbour:
    case Type::kDeleteGroup:
    case Type::kDeleteTunnel:
      return check_as<api::DeleteById>(bytes);
    case Type::kSetMirror:
      return check_as<api::SetMirror>(bytes);
    case Type::kSetVrf:
      return check_as<api::SetVrf>(bytes);
    case Type::kSetAddress:
    case Type::kDeleteAddress:
      return check_as<api::SetAddress>(bytes);
    case Type::kSetNeighbour:
      return check_as<api::SetNeighbour>(bytes);
    case Type::kSetGroup:
      return check_as<api::SetGroup>(bytes);
    case Type::kSetRoute:
      return check_as<api::SetRoute>(bytes);
    case Type::kDeleteRoute:
      return check_as<api::DeleteRoute>(bytes);
    case Type::kSetTunnel:
      return check_as<api::SetTunnel>(bytes);
    case Type::kSetInboundSa:
      return check_as<api::SetInboundSa>(bytes);
    case Type::kSetOutboundSa:
      return check_as<api::SetOutboundSa>(bytes);
    case Type::kUpdateSa:
      return check_as<api::UpdateSa>(bytes);
    case Type::kDeleteSa:
      return check_as<api::DeleteSa>(bytes);
    case Type::kDump:
      return check_as<api::Dump>(bytes);
    case Type::kFlushPunts:
      return check_as<api::FlushPunts>(bytes);
    case Type::kActivateSa:
      return check_as<api::ActivateSa>(bytes);
    default:
      return malformed("this type is not a request");
  }
}

}  // namespace

Result<api::Type> validate(std::span<const std::byte> message) {
  if (message.size() < sizeof(api::Header)) return Failure{Error::kMalformed, "shorter than a header"};
  const auto header = as<api::Header>(message);
  if (header.magic != api::kMagic) return Failure{Error::kMalformed, "not a message of this API"};
  if (header.version != api::kVersion)
    return Failure{Error::kMalformed, "version " + std::to_string(header.version) + " of the API, this is " +
                                          std::to_string(api::kVersion) + "; run programs of one release"};
  if (header.length != message.size()) return Failure{Error::kMalformed, "the length in the header is wrong"};
  if (const auto fault = check_by_type(header.type, message)) return Failure{fault.error, fault.text};
  return header.type;
}

std::string to_text(const api::Address& address) {
  if (address.family == api::Family::kNone) return "none";
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(address.family == api::Family::kIpv4 ? AF_INET : AF_INET6, address.bytes.data(), text,
            sizeof text);
  return text;
}

std::string to_text(const api::Prefix& prefix) {
  return to_text(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace sallyport::dataplane
