// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's API: what sallyportd (or a benchmark) and the dataplane say to each other over a root-only
// unix SOCK_SEQPACKET socket, one message per datagram. Plain data only; no pointers, no strings without a
// bound. A message is as long as its type, but for those of SAs: they end with the last selector they count
// (wire_bytes).
//
// Every request carries a sequence number and gets exactly one Reply with it; a Dump* request gets its items
// (each a Set* message as it could be sent back) and then the Reply. Events come unasked, with sequence 0.
// Set* creates or replaces (idempotent); ids are chosen by the client. Set* of something unchanged changes
// nothing. All integers are in host byte order, SPIs and ports too; addresses are network-order bytes, IPv4
// in the first four.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/api/algorithm.h"

namespace sallyport::api {

inline constexpr uint32_t kMagic = 0x53504450;  // "SPDP"
inline constexpr uint16_t kVersion = 6;
inline constexpr uint32_t kMaxMessageBytes = 8192;
inline constexpr uint32_t kMaxSelectors = 32;     // of one side of an SA
inline constexpr uint32_t kMaxGroupMembers = 64;  // of a next-hop group
inline constexpr uint32_t kSlotBits = 20;  // low bits of our inbound SPIs; slot % workers is the home worker
inline constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
inline constexpr uint32_t kMaxPorts = 64;
inline constexpr uint32_t kMaxVrfs = 256;  // VRF 0 is the public side: it has addresses, but no routes
inline constexpr uint32_t kNone = 0xffffffff;

using Name = std::array<char, 64>;  // NUL-terminated

enum class Type : uint16_t {
  // requests
  kHello = 1,
  kSetPort,
  kDeletePort,
  kSetMirror,  // carries the mirror's file descriptors as SCM_RIGHTS, one per queue
  kSetVrf,
  kDeleteVrf,
  kSetAddress,
  kDeleteAddress,
  kSetNeighbour,
  kDeleteNeighbour,
  kSetGroup,
  kDeleteGroup,
  kSetRoute,
  kDeleteRoute,
  kSetTunnel,
  kDeleteTunnel,
  kSetInboundSa,
  kSetOutboundSa,
  kUpdateSa,
  kDeleteSa,
  kDump,
  kFlushPunts,  // no effect but a Reply after everything before it was seen by all workers
  kActivateSa,
  // answers and events
  kReply = 256,
  kHelloReply,
  kNeighbourWanted,
  kPeerMoved,
  kSaExpired,
  kLinkChanged,
  kPathMtuChanged,
  kHealthChanged,
  kGroupChanged,
  kPacketAudited,
};

struct Header {
  uint32_t magic;
  uint16_t version;
  Type type;
  uint32_t length;  // of the whole message, header included
  uint32_t sequence;
};

enum class Family : uint8_t { kNone = 0, kIpv4 = 4, kIpv6 = 6 };

struct Address {
  Family family;
  std::array<uint8_t, 3> reserved;
  std::array<uint8_t, 16> bytes;
};

struct Prefix {
  Address address;  // host bits zero
  uint8_t length;
  std::array<uint8_t, 3> reserved;
};

using Mac = std::array<uint8_t, 6>;

enum class Error : uint32_t {
  kNone = 0,
  kMalformed,     // the message itself: version, length, enum or padding
  kInvalid,       // a value out of range
  kNotFound,      // an id it refers to doesn't exist
  kInUse,         // still referred to, or the SPI or slot is another SA's
  kExhausted,     // memory, slots, table space
  kUnsupported,   // an algorithm or capability this build or device lacks
  kDeviceFailed,  // DPDK could not open or configure the device
  kUnsafe,        // an outbound SA that may have sent before, with no record of its sequence numbers
};

struct Hello {
  Header header;
};

struct HelloReply {
  Header header;
  std::array<uint8_t, 16> instance;  // random for each start of the dataplane
  uint32_t workers;
  uint32_t slots;
  uint64_t start_time_ns;  // CLOCK_MONOTONIC
  int32_t pid;
  uint32_t max_mtu_bytes;  // of a port, as the mbufs allow
  Name version;
  std::array<char, 128> shared_state_path;
  // DPDK's memory at the time of the answer: packet buffers, route tables and SAs come from it.
  uint64_t memory_bytes, memory_used_bytes;
};

struct Reply {
  Header header;
  Error error;
  uint32_t count;              // items dumped; 0 otherwise
  std::array<char, 240> text;  // why, in a sentence; empty when error is kNone
};

struct SetPort {
  Header header;
  uint32_t port_id;
  uint32_t vrf_id;  // 0: public
  uint16_t mtu_bytes;
  uint8_t link_up;     // in dumps only
  uint8_t has_mirror;  // in dumps only
  Mac mac;             // in dumps only: as the device says
  uint16_t reserved;
  Name name;
  std::array<char, 256> device;  // a PCI address or virtual device string of DPDK
};

struct DeleteById {  // kDeletePort, kDeleteVrf, kDeleteNeighbour, kDeleteGroup, kDeleteTunnel
  Header header;
  uint32_t id;
};

enum class MirrorKind : uint32_t { kPort = 0, kVrf = 1 };  // a port's TAP, or a VRF's TUN

struct SetMirror {
  Header header;
  MirrorKind kind;
  uint32_t id;  // of the port or VRF
};

struct SetVrf {
  Header header;
  uint32_t vrf_id;  // 1 .. kMaxVrfs-1
  Name name;
};

// An address of the gateway itself on a port: packets to it go to the port's mirror; on a public port only
// packets from it may leave the mirror.
struct SetAddress {  // kSetAddress, kDeleteAddress
  Header header;
  uint32_t port_id;
  Address address;
};

struct SetNeighbour {
  Header header;
  uint32_t neighbour_id;
  uint32_t port_id;
  Address address;
  Mac mac;  // all zero: not resolved
  uint16_t reserved;
};

enum class MemberKind : uint8_t {
  kTunnel = 1,     // id: tunnel
  kNeighbour = 2,  // id: neighbour
  kConnected = 3,  // id: port; the destination itself is the neighbour, ask for it
  kLocal = 4,      // id: unused; to the mirror
  kDrop = 5,       // id: unused; dropped, reason no_route
};

struct GroupMember {
  MemberKind kind{};
  uint8_t up = 0;  // it can carry; a tunnel does so only while it is healthy, too
  uint16_t weight = 0;
  uint32_t id = 0;
  // What stands for the member in the hash that spreads the flows. The same number at both ends of a tunnel
  // makes both choose the same tunnel for a flow.
  uint32_t key = 0;
  uint16_t policy = 0;  // for kByPolicy: members of one number have the same selectors
  uint8_t rank = 0;     // 0 first
  uint8_t reserved = 0;
};

// Of the members that are live (up, of a weight above 0, and healthy where they are tunnels) those of the
// lowest rank carry, and share the flows by weight. Where none that is up is healthy those that are only held
// (kHold) count as healthy; where there is none of those either, all whose link is not down; else all.
enum class MemberChoice : uint8_t {
  kByFlow = 0,
  kByPolicy = 1,  // so for each policy: the first one, in the order of the members, within whose outbound
                  // SA's selectors the packet is (RFC 4301 section 4.4.1)
};

struct SetGroup {
  Header header;
  uint32_t group_id;
  uint32_t vrf_id;
  uint32_t member_count;
  MemberChoice choice;
  // 1: a lower rank takes over as soon as a member of it is live. 0: a rank keeps the traffic while one of
  // its members is live.
  uint8_t preempt;
  std::array<uint8_t, 2> reserved;
  uint64_t carrying;  // in dumps only: bit i for members[i]
  Name name;
  std::array<GroupMember, kMaxGroupMembers> members;  // the first member_count of them
};

struct SetRoute {
  Header header;
  uint32_t vrf_id;
  uint32_t group_id;
  Prefix prefix;
};

struct DeleteRoute {
  Header header;
  uint32_t vrf_id;
  Prefix prefix;
};

enum class DfPolicy : uint8_t { kCopy = 0, kSet = 1, kClear = 2 };
enum class DscpPolicy : uint8_t { kCopy = 0, kSet = 1 };

enum class ProbeKind : uint8_t {
  kNone = 0,
  kGateway = 1,  // the peer is a Sallyport: it answers on the tunnel that the probe came by
  kEcho = 2,     // ICMP or ICMPv6 echo requests from source to target, both inside
};

// How the dataplane finds out whether a tunnel's path is alive. Down after `misses` probes without an answer.
struct Probe {
  ProbeKind kind;
  uint8_t shared_target;   // other tunnels probe the same target, so that its answer may come by another one:
                           // down only after two intervals without a verified packet on this tunnel, too
  uint16_t misses;         // 1 .. 100
  uint32_t interval_ms;    // 50 .. 60,000
  Address source, target;  // for kEcho, of one family
};

struct SetTunnel {
  Header header;
  uint32_t tunnel_id;
  uint32_t vrf_id;
  uint32_t neighbour_id;    // of the next hop on the public side; its port is where the tunnel leaves
  uint32_t outbound_slot;   // in dumps only: the newest SA it sends on; kNone: none
  uint16_t path_mtu_bytes;  // in dumps only: of the outer packet, as learnt
  DfPolicy df;
  DscpPolicy dscp_policy;
  uint8_t dscp;       // for DscpPolicy::kSet
  uint8_t mss_clamp;  // 1: clamp TCP MSS to the tunnel's MTU
  uint8_t suspect;    // 1: the peer doesn't answer IKE
  uint8_t unhealthy;  // in dumps only: a HealthCause
  // The tunnel whose health is this one's, too: they lead between the same addresses. Itself as a rule; only
  // that one's probe and suspicion count.
  uint32_t path_tunnel_id;
  // Once unhealthy, a tunnel must have been without fault for so long, doubled (at most to 64 times) for each
  // relapse within a minute of its return, before it is healthy again. 0 .. 60,000.
  uint32_t hold_ms;
  Probe probe;
  Name name;
};

// RFC 4301 section 4.4.1: inclusive ranges; protocol 0 is any. For ICMP the ports are type and code (type in
// the high byte).
struct Selector {
  Family family;
  uint8_t protocol;
  uint16_t port_from, port_to;
  uint16_t reserved;
  std::array<uint8_t, 16> from, to;

  auto operator<=>(const Selector&) const = default;
};

using SaSelectors = std::array<Selector, 2 * kMaxSelectors>;  // the local ones, then the remote ones

struct SaKeys {
  Algorithm algorithm;
  Integrity integrity;
  uint16_t key_bytes;  // encryption key, salt included
  uint16_t integrity_key_bytes;
  std::array<uint8_t, 64> key;
  std::array<uint8_t, 64> integrity_key;
};

struct Lifetimes {  // 0: none; time is kept by the plugin
  uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets;
};

// In dumps keys are all zero.
struct SetInboundSa {
  Header header;
  uint32_t spi;  // its low kSlotBits are the slot
  uint32_t tunnel_id;
  uint32_t replay_window;  // packets, 0 (off) or 32 .. 4096
  uint8_t esn;
  uint8_t encap;  // ESP in UDP
  uint16_t reserved;
  SaKeys keys;
  Lifetimes lifetimes;
  Address local, remote;
  uint16_t local_port, remote_port;
  uint16_t local_selector_count, remote_selector_count;
  SaSelectors selectors;
};

struct SetOutboundSa {
  Header header;
  uint32_t spi;
  uint32_t slot;  // of the inbound SA of the same CHILD_SA
  uint32_t tunnel_id;
  uint8_t esn;
  uint8_t encap;
  uint8_t activate;       // as ActivateSa; in dumps: the tunnel sends on it
  uint8_t may_have_sent;  // refuse (kUnsafe) unless the record of its sequence numbers is there
  SaKeys keys;
  Lifetimes lifetimes;
  Address local, remote;
  uint16_t local_port, remote_port;
  uint16_t local_selector_count, remote_selector_count;
  SaSelectors selectors;
};

enum class Direction : uint32_t { kInbound = 0, kOutbound = 1 };

struct UpdateSa {  // addresses move; keys, sequence numbers and window stay
  Header header;
  Direction direction;
  uint32_t slot;
  uint32_t spi;
  uint8_t encap;
  std::array<uint8_t, 3> reserved;
  Address local, remote;
  uint16_t local_port, remote_port;
};

// The tunnel of this outbound SA sends on it from now on, in the place of the one with the same selectors (in
// any order), if there is one. It sends on SAs of different selectors side by side: each packet goes by the
// one activated last of those that it is within. An SA that it sends on already stays where it is.
struct ActivateSa {
  Header header;
  uint32_t slot;
  uint32_t spi;
};

struct DeleteSa {  // of an SA that isn't there: kNotFound, nothing changes
  Header header;
  Direction direction;
  uint32_t slot;
  uint32_t spi;
};

struct Dump {  // what: one of the kSet* types
  Header header;
  Type what;
  uint16_t reserved;
};

struct FlushPunts {
  Header header;
};

// Events.
struct NeighbourWanted {  // a packet waits for this neighbour
  Header header;
  uint32_t port_id;
  Address address;
};

struct PeerMoved {  // a verified packet came from another address or port (RFC 3948, RFC 7296 section 2.23)
  Header header;
  uint32_t slot, spi;
  Address remote;
  uint16_t remote_port, reserved;
};

enum class ExpireCause : uint8_t { kBytes = 1, kPackets = 2, kSequence = 3 };

struct SaExpired {
  Header header;
  Direction direction;
  uint32_t slot, spi;
  uint8_t hard;
  ExpireCause cause;
  uint16_t reserved;
};

struct LinkChanged {
  Header header;
  uint32_t port_id;
  uint32_t up;
};

struct PathMtuChanged {
  Header header;
  uint32_t tunnel_id;
  uint32_t path_mtu_bytes;
};

enum class HealthCause : uint8_t {
  kHealthy = 0,
  kLink = 1,     // the link of the port where it leaves is down
  kSuspect = 2,  // SetTunnel said so
  kProbe = 3,    // no answer to its probes
  kHold = 4,     // nothing is wrong any more, but not for long enough
};

// Of a tunnel that is its own path, and so of all that have it as theirs.
struct HealthChanged {
  Header header;
  uint32_t tunnel_id;
  HealthCause cause;  // kHealthy: it may carry again
  std::array<uint8_t, 3> reserved;
  uint32_t hold_ms;   // for kHold: how long from now, if nothing happens
  uint32_t after_ms;  // since the last answer for kProbe; since it became unhealthy for kHealthy
};

// Other members carry than before, whatever the reason.
struct GroupChanged {
  Header header;
  uint32_t group_id;
  uint32_t reserved;
  uint64_t carrying;  // bit i for members[i]; 0: none is up
};

// RFC 4303 sections 3.4.2, 3.4.3 and 3.4.4.1.
enum class AuditCause : uint8_t { kUnknownSpi = 0, kReplay = 1, kIntegrity = 2 };
inline constexpr size_t kAuditCauses = 3;

struct PacketAudited {  // an inbound ESP packet that was dropped; limited in rate by worker and cause
  Header header;
  Address source, destination;
  uint32_t spi;
  uint32_t sequence;    // its low 32 bits, as the packet says; 0: the packet ends before
  uint32_t flow_label;  // of IPv6
  uint32_t unrecorded;  // more of them, by this worker and for this cause, since the last one told of
  AuditCause cause;
  std::array<uint8_t, 3> reserved;
};

// How much of a message goes over the socket.
template <typename Message>
constexpr uint32_t wire_bytes(const Message& message) {
  if constexpr (requires { message.selectors; }) {
    const uint32_t count = uint32_t{message.local_selector_count} + message.remote_selector_count;
    const uint32_t most = static_cast<uint32_t>(message.selectors.size());
    return offsetof(Message, selectors) + (count < most ? count : most) * uint32_t{sizeof(Selector)};
  } else {
    return sizeof(Message);
  }
}

// Of an SA's message with counts that fit.
template <typename Message>
constexpr std::span<const Selector> local_selectors(const Message& message) {
  return std::span(message.selectors).first(message.local_selector_count);
}
template <typename Message>
constexpr std::span<const Selector> remote_selectors(const Message& message) {
  return std::span(message.selectors).subspan(message.local_selector_count, message.remote_selector_count);
}

static_assert(sizeof(Header) == 16 && sizeof(Address) == 20 && sizeof(Prefix) == 24);
static_assert(sizeof(SetInboundSa) <= kMaxMessageBytes && sizeof(SetOutboundSa) <= kMaxMessageBytes);

}  // namespace sallyport::api
