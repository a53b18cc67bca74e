// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/probe_packet.h"

#include <netinet/in.h>
#include <rte_byteorder.h>

#include <cstring>
#include <utility>

#include "dataplane/packet/addresses.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/ipv6.h"
#include "dataplane/path/probe_packets.h"

namespace sallyport::dataplane {
namespace {

constexpr uint8_t kEchoRequest = 8, kEchoAnswer = 0, kEchoRequestIpv6 = 128, kEchoAnswerIpv6 = 129;
constexpr uint32_t kDataMark = 0x53505042;  // tells a probe from anybody's echo
constexpr uint32_t kIpv6Version = uint32_t{6} << 28;
constexpr uint16_t kDontFragment = 0x4000;

struct [[gnu::packed]] Echo {
  uint8_t type, code;
  uint16_t checksum, identifier_be, sequence_be;
  uint32_t mark_be, tunnel_id_be;
  uint64_t nonce;
};
static_assert(sizeof(Echo) == 24 && sizeof(rte_ipv6_hdr) + sizeof(Echo) == kMaxProbeBytes);

Echo echo_of(const ProbePacket& probe, uint8_t type) {
  Echo echo{};
  echo.type = type;
  echo.identifier_be = rte_cpu_to_be_16(probe.identifier);
  echo.sequence_be = rte_cpu_to_be_16(probe.sequence);
  echo.mark_be = rte_cpu_to_be_32(kDataMark);
  echo.tunnel_id_be = rte_cpu_to_be_32(probe.tunnel_id);
  echo.nonce = probe.nonce;
  return echo;
}

uint32_t write_ipv4(const ProbePacket& probe, std::span<uint8_t> room) {
  rte_ipv4_hdr ip{};
  ip.version_ihl = RTE_IPV4_VHL_DEF;
  ip.total_length = rte_cpu_to_be_16(sizeof ip + sizeof(Echo));
  ip.fragment_offset = rte_cpu_to_be_16(kDontFragment);
  ip.time_to_live = probe.hops;
  ip.next_proto_id = IPPROTO_ICMP;
  std::memcpy(&ip.src_addr, probe.source.bytes.data(), sizeof ip.src_addr);
  std::memcpy(&ip.dst_addr, probe.target.bytes.data(), sizeof ip.dst_addr);
  write_ipv4_checksum(ip);
  Echo echo = echo_of(probe, probe.kind == ProbePacket::Kind::kRequest ? kEchoRequest : kEchoAnswer);
  echo.checksum = static_cast<uint16_t>(~rte_raw_cksum(&echo, sizeof echo));
  std::memcpy(room.data(), &ip, sizeof ip);
  std::memcpy(room.data() + sizeof ip, &echo, sizeof echo);
  return sizeof ip + sizeof echo;
}

uint32_t write_ipv6(const ProbePacket& probe, std::span<uint8_t> room) {
  rte_ipv6_hdr ip{};
  ip.vtc_flow = rte_cpu_to_be_32(kIpv6Version);
  ip.payload_len = rte_cpu_to_be_16(sizeof(Echo));
  ip.proto = IPPROTO_ICMPV6;
  ip.hop_limits = probe.hops;
  std::memcpy(&ip.src_addr, probe.source.bytes.data(), sizeof ip.src_addr);
  std::memcpy(&ip.dst_addr, probe.target.bytes.data(), sizeof ip.dst_addr);
  Echo echo = echo_of(probe, probe.kind == ProbePacket::Kind::kRequest ? kEchoRequestIpv6 : kEchoAnswerIpv6);
  const std::span message(reinterpret_cast<const uint8_t*>(&echo), sizeof echo);
  echo.checksum = static_cast<uint16_t>(~transport_sum(ip, IPPROTO_ICMPV6, message));
  std::memcpy(room.data(), &ip, sizeof ip);
  std::memcpy(room.data() + sizeof ip, &echo, sizeof echo);
  return sizeof ip + sizeof echo;
}

// What the message behind the IP header says; nothing where it is no probe's.
std::optional<ProbePacket> read_echo(std::span<const uint8_t> message, uint8_t request, uint8_t answer) {
  Echo echo;
  if (message.size() != sizeof echo) return std::nullopt;
  std::memcpy(&echo, message.data(), sizeof echo);
  if ((echo.type != request && echo.type != answer) || echo.code != 0 ||
      rte_be_to_cpu_32(echo.mark_be) != kDataMark)
    return std::nullopt;
  ProbePacket probe;
  probe.kind = echo.type == request ? ProbePacket::Kind::kRequest : ProbePacket::Kind::kAnswer;
  probe.identifier = rte_be_to_cpu_16(echo.identifier_be);
  probe.sequence = rte_be_to_cpu_16(echo.sequence_be);
  probe.tunnel_id = rte_be_to_cpu_32(echo.tunnel_id_be);
  probe.nonce = echo.nonce;
  return probe;
}

std::optional<ProbePacket> read_ipv4(std::span<const uint8_t> packet) {
  if (check_ipv4(packet.data(), static_cast<uint32_t>(packet.size())) != kKeep) return std::nullopt;
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(packet.data());
  if (ip.version_ihl != RTE_IPV4_VHL_DEF || ipv4_total_bytes(ip) != packet.size() || ipv4_is_fragment(ip) ||
      ip.next_proto_id != IPPROTO_ICMP)
    return std::nullopt;
  const auto message = packet.subspan(sizeof ip);
  auto probe = read_echo(message, kEchoRequest, kEchoAnswer);
  if (!probe || rte_raw_cksum(message.data(), message.size()) != 0xffff) return std::nullopt;
  probe->source = to_address(ip.src_addr);
  probe->target = to_address(ip.dst_addr);
  probe->hops = ip.time_to_live;
  return probe;
}

std::optional<ProbePacket> read_ipv6(std::span<const uint8_t> packet) {
  if (check_ipv6(packet.data(), static_cast<uint32_t>(packet.size())) != kKeep) return std::nullopt;
  const auto& ip = *reinterpret_cast<const rte_ipv6_hdr*>(packet.data());
  if (ipv6_total_bytes(ip) != packet.size() || ip.proto != IPPROTO_ICMPV6) return std::nullopt;
  const auto message = packet.subspan(sizeof ip);
  auto probe = read_echo(message, kEchoRequestIpv6, kEchoAnswerIpv6);
  if (!probe || transport_sum(ip, IPPROTO_ICMPV6, message) != 0xffff) return std::nullopt;
  probe->source = to_address(ipv6_source(ip));
  probe->target = to_address(ipv6_destination(ip));
  probe->hops = ip.hop_limits;
  return probe;
}

bool is_between(const ProbePacket& probe, const api::Address& source, const api::Address& target) {
  return same_address(probe.source, source) && same_address(probe.target, target);
}

}  // namespace

uint32_t write_probe(const ProbePacket& probe, std::span<uint8_t> room) {
  return probe.source.family == api::Family::kIpv6 ? write_ipv6(probe, room) : write_ipv4(probe, room);
}

std::optional<ProbePacket> read_probe(std::span<const uint8_t> packet) {
  if (packet.empty()) return std::nullopt;
  return packet[0] >> 4 == 6 ? read_ipv6(packet) : read_ipv4(packet);
}

ProbePacket gateway_probe(api::Family family) {
  ProbePacket probe;
  const bool ipv6 = family == api::Family::kIpv6;
  probe.source = ipv6 ? to_address(kProbeSourceIpv6) : to_address(rte_cpu_to_be_32(kProbeSource));
  probe.target = ipv6 ? to_address(kProbeTargetIpv6) : to_address(rte_cpu_to_be_32(kProbeTarget));
  probe.hops = kGatewayProbeHops;
  return probe;
}

bool is_gateway_request(const ProbePacket& probe) {
  const ProbePacket ours = gateway_probe(probe.source.family);
  return probe.kind == ProbePacket::Kind::kRequest && probe.hops == kGatewayProbeHops &&
         is_between(probe, ours.source, ours.target);
}

bool is_gateway_answer(const ProbePacket& probe) {
  const ProbePacket ours = gateway_probe(probe.source.family);
  return probe.kind == ProbePacket::Kind::kAnswer && probe.hops == kGatewayProbeHops &&
         is_between(probe, ours.target, ours.source);
}

ProbePacket answer_to(const ProbePacket& request) {
  ProbePacket answer = request;
  std::swap(answer.source, answer.target);
  answer.kind = ProbePacket::Kind::kAnswer;
  return answer;
}

}  // namespace sallyport::dataplane
