// SPDX-License-Identifier: BSD-3-Clause
// The world as workers see it: ports, neighbours, next-hop groups, VRFs, tunnels and SAs. The manager thread
// is its only writer: it publishes immutable objects by an atomic pointer, or stores into the atomic fields
// named below. Workers only read (but for the fields of an SA that sa/sa.h gives to its home worker). What
// the manager has taken out it frees only after every worker has passed a quiescent state (World::qsbr).
#pragma once

#include <rte_rcu_qsbr.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "dataplane/api/messages.h"
#include "dataplane/fib/fib.h"
#include "dataplane/fib/ipv6_fib.h"
#include "dataplane/packet/dpdk_memory.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/sa/sa.h"
#include "dataplane/sa/sa_table.h"

namespace sallyport::dataplane {

inline constexpr uint32_t kPublicVrf = 0;
inline constexpr uint16_t kMinPathMtuBytes = 576;  // floor for a learnt path MTU (RFC 791, RFC 1191)
inline constexpr uint32_t kMaxAddressesPerPort = 16;

// Pointers to published objects by id. T may hold atomics; a worker gets it const.
template <typename T>
class IdTable {
 public:
  explicit IdTable(uint32_t capacity)
      : capacity_(capacity), entries_(make_dpdk_array<std::atomic<const T*>>(capacity)) {}

  // nullptr where nothing is published, or beyond the table. Any worker, valid until its next quiescent
  // state.
  const T* at(uint32_t id) const {
    return id < capacity_ ? entries_[id].load(std::memory_order_acquire) : nullptr;
  }
  // Puts `object` there, nullptr for none, and returns what was there, to be freed after a quiescent state.
  // Manager; `id` must be inside the table.
  const T* publish(uint32_t id, const T* object) {
    assert(id < capacity_);
    return entries_[id].exchange(object, std::memory_order_acq_rel);
  }
  uint32_t capacity() const { return capacity_; }

 private:
  uint32_t capacity_;
  DpdkArray<std::atomic<const T*>> entries_;
};

// Immutable once published, but for the atomics. A port comes up in this order: device started with a pair of
// queues per worker, Port published in World::ports, then in World::port_list; it goes in the opposite order,
// the device stopped after a quiescent state.
struct Port {
  uint32_t id;             // API id, below api::kMaxPorts
  uint16_t device;         // DPDK's port id
  uint16_t rx_queues;      // worker w polls queue w; with fewer queues than workers the others don't poll
  uint32_t vrf_id;         // kPublicVrf: public
  uint16_t mtu_bytes;      // of the IP packet
  uint16_t address_count;  // the gateway's own addresses on this port
  rte_ether_addr mac;
  std::array<uint32_t, kMaxAddressesPerPort> addresses_be;
  std::atomic<bool> link_up{true};      // writer: manager
  std::atomic<bool> has_mirror{false};  // writer: manager
  uint16_t ipv6_count;                  // of the gateway's own IPv6 addresses on this port
  std::array<Ipv6Address, kMaxAddressesPerPort> ipv6_addresses;

  bool is_public() const { return vrf_id == kPublicVrf; }
  bool owns(uint32_t address_be) const {
    if (address_count > 0 && addresses_be[0] == address_be) [[likely]]
      return true;
    for (uint16_t i = 1; i < address_count; ++i) {
      if (addresses_be[i] == address_be) return true;
    }
    return false;
  }
  bool owns(const Ipv6Address& address) const {
    const auto last = ipv6_addresses.begin() + ipv6_count;
    return std::find(ipv6_addresses.begin(), last, address) != last;
  }
};

// The ports that workers poll, in the order they poll them. Immutable; replaced whole.
struct PortList {
  std::vector<const Port*> ports;
};

// Immutable; a changed MAC is a new Neighbour under the same id.
struct Neighbour {
  uint32_t id;
  uint32_t port_id;
  bool resolved;
  EthernetRewrite
      rewrite;  // where resolved; for IPv4 packets, whatever the neighbour's own family (RFC 8950)
  api::Address address;
};

// Whether it may carry at all; who of those that may does is the manager's choice.
inline bool can_carry(const api::GroupMember& member) {
  return member.up != 0 && member.weight != 0;
}
// Bit i: members[i] can carry. At most 64 members.
inline uint64_t able_members(std::span<const api::GroupMember> members) {
  uint64_t able = 0;
  for (size_t i = 0; i < members.size(); ++i)
    able |= uint64_t{can_carry(members[i])} << i;
  return able;
}

// A next-hop group: any number of tunnels, neighbours and so on with weights. Immutable; replaced whole.
class NextHopGroup {
 public:
  static constexpr uint32_t kBuckets = 256;

  // `carrying`: bit i for members[i]; those can_carry and are of one rank. They share the buckets by weight
  // (rendezvous hashing over their keys, and for members of one key over their order), each as many as its
  // weight says. A member of that rank that doesn't carry has its buckets only lent to others: so when one
  // goes it takes only its own flows with it, and gets just those back. In a group of kByPolicy all this
  // holds for those of each policy.
  NextHopGroup(uint32_t id, uint32_t vrf_id, std::span<const api::GroupMember> members, uint64_t carrying,
               api::MemberChoice choice = api::MemberChoice::kByFlow);

  // Of a group of kByFlow, or where just one carries: who carries a flow, the same for both directions where
  // packet/ipv4.h's flow_hash is; nullptr: nobody.
  const api::GroupMember* member(uint32_t hash) const {
    if (live_ == 0) return nullptr;
    return &members_[live_ == 1 ? only_ : buckets_[hash % kBuckets]];
  }
  // Of a group of kByPolicy: whether members()[index], which carries, shares its policy's flows with others,
  // and who of them carries a flow then.
  bool shares(uint32_t index) const { return tables_[index] != kAlone; }
  const api::GroupMember& sharer(uint32_t index, uint32_t hash) const {
    return members_[buckets_[size_t{tables_[index]} * kBuckets + hash % kBuckets]];
  }
  uint32_t id() const { return id_; }
  uint32_t vrf_id() const { return vrf_id_; }
  uint32_t live() const { return live_; }  // how many carry
  uint64_t carrying() const { return carrying_; }
  api::MemberChoice choice() const { return choice_; }
  std::span<const api::GroupMember> members() const { return members_; }

 private:
  static constexpr uint8_t kAlone = 0xff;

  void share_buckets(uint64_t carriers);
  void share_by_policy();

  uint32_t id_, vrf_id_, live_;
  uint8_t only_ = 0;  // index of the one that carries
  api::MemberChoice choice_;
  uint64_t carrying_;
  std::vector<uint8_t> buckets_;  // a table of kBuckets for those that share flows; none: nobody does
  std::vector<uint8_t> tables_;   // of kByPolicy: by member, which table, or kAlone
  std::vector<api::GroupMember> members_;
};

// A member of a group in one register.
struct Member {
  uint64_t bits;

  static Member of(const api::GroupMember& member) {
    return {uint64_t{member.id} << 32 | static_cast<uint8_t>(member.kind)};
  }
  api::MemberKind kind() const { return static_cast<api::MemberKind>(bits & 0xff); }
  uint32_t id() const { return static_cast<uint32_t>(bits >> 32); }
};

// Groups by id. Beside a group with just one live member lies that member by value: most packets need no more
// than that one load.
class GroupTable {
 public:
  explicit GroupTable(uint32_t capacity)
      : groups_(capacity), only_(make_dpdk_array<std::atomic<uint64_t>>(capacity)) {}

  // As IdTable's.
  const NextHopGroup* at(uint32_t id) const { return groups_.at(id); }
  const NextHopGroup* publish(uint32_t id, const NextHopGroup* group) {
    const NextHopGroup* old = groups_.publish(id, group);
    const api::GroupMember* only = group != nullptr && group->live() == 1 ? group->member(0) : nullptr;
    only_[id].store(only == nullptr ? 0 : Member::of(*only).bits, std::memory_order_release);
    return old;
  }
  // The one live member; of kind 0 where there is none or there are several, or beyond the table.
  Member only_member(uint32_t id) const {
    return {id < capacity() ? only_[id].load(std::memory_order_acquire) : 0};
  }
  uint32_t capacity() const { return groups_.capacity(); }

 private:
  IdTable<NextHopGroup> groups_;
  DpdkArray<std::atomic<uint64_t>> only_;
};

// A VRF other than the public one. The object stays until the VRF is deleted; its tables change inside.
struct Vrf {
  uint32_t id;
  std::unique_ptr<Ipv4Fib> fib4;        // writer: manager
  std::unique_ptr<Ipv6Fib> fib6;        // writer: manager; nullptr: no IPv6 routes
  std::atomic<bool> has_mirror{false};  // writer: manager
};

// Set in Tunnel::outbound_slot beside the slot where the tunnel sends on several SAs, each for selectors of
// its own: the packet decides. Such a number, like api::kNone, is no slot of World::outbound_sas, so that
// whoever looks for just one SA there finds none.
inline constexpr uint32_t kSeveralSas = 1u << 31;
static_assert(kSeveralSas > api::kSlotMask && (api::kNone & kSeveralSas) != 0);

// A tunnel. The object stays until the tunnel is deleted. Writer of every field: manager. Small, as packets
// to many sites need one each.
struct alignas(16) Tunnel {
  uint32_t id = 0;
  std::atomic<uint32_t> neighbour_id{api::kNone};  // next hop on the public side; its port is where it leaves
  std::atomic<uint32_t> outbound_slot{
      api::kNone};  // the SA to send on; with kSeveralSas the newest, and World::outbound_beside has the next
  std::atomic<uint16_t> path_mtu_bytes{
      1500};  // of the outer packet: the port's, or as learnt, aged by the manager
  std::atomic<bool> mss_clamp{true};
  uint8_t vrf_id = 0;
};
static_assert(sizeof(Tunnel) == 16 && api::kMaxVrfs <= 256);

// The memory of tunnels, side by side. Manager, or before it starts.
class TunnelPool {
 public:
  class Return {
   public:
    explicit Return(TunnelPool* pool = nullptr) : pool_(pool) {}
    void operator()(Tunnel* tunnel) const { pool_->free_.push_back(tunnel); }

   private:
    TunnelPool* pool_;
  };
  using Pointer = std::unique_ptr<Tunnel, Return>;

  // Of `capacity` tunnels and some more: a deleted one is free only after a quiescent state.
  explicit TunnelPool(uint32_t capacity);
  // nullptr where none is free.
  Pointer make();

 private:
  static constexpr uint32_t kResting = 1024;

  DpdkArray<Tunnel> tunnels_;
  std::vector<Tunnel*> free_;
};

struct WorldConfig {
  uint32_t workers = 1;
  uint32_t slots = 65536;       // of SAs; 20 bytes each
  uint32_t neighbours = 65536;  // ids are below these; 8 bytes each
  uint32_t groups = 65536;      // at most kMaxGroupId: that one is kProbeGroup
  uint32_t tunnels = 65536;
};

// Made by main before any worker starts, and outlives them all.
class World {
 public:
  explicit World(const WorldConfig& config);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  uint32_t workers() const { return workers_; }
  uint32_t home_worker(uint32_t slot) const {
    return home_mask_ + 1 == workers_ ? slot & home_mask_
                                      : slot % workers_;  // a division takes a dozen cycles
  }
  // Reader w is worker w. Workers are online while they run and report after every loop.
  rte_rcu_qsbr* qsbr() const { return qsbr_; }

  IdTable<Port> ports;
  std::atomic<const PortList*> port_list{nullptr};
  IdTable<Neighbour> neighbours;
  GroupTable groups;
  IdTable<Vrf> vrfs;
  IdTable<Tunnel> tunnels;
  TunnelPool tunnel_pool;
  // By tunnel: how many probe packets came out of it lately (path/probe_packets.cpp). Writer: its SAs' home
  // workers, which may lose a count.
  DpdkArray<std::atomic<uint32_t>> probe_counts;
  // Slot s is used by home_worker(s) alone. Others may ask whether a slot is empty, and read of an SA what
  // never changes: its selectors.
  SaTable<InboundSa> inbound_sas;
  SaTable<OutboundSa> outbound_sas;
  // By slot of an SA that its tunnel sends on with others: the slot of the next older one, api::kNone of the
  // oldest. Writer: manager. A list may change under its readers (path/choose_sa.h); an SA that has left it,
  // or its tunnel, stays in its slot until every worker has passed a quiescent state.
  DpdkArray<std::atomic<uint32_t>> outbound_beside;

 private:
  uint32_t workers_;
  uint32_t home_mask_;  // workers - 1 where that is a power of two, else 0
  rte_rcu_qsbr* qsbr_;
};

}  // namespace sallyport::dataplane
