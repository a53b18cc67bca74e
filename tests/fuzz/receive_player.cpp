// SPDX-License-Identifier: BSD-3-Clause
#include "tests/fuzz/receive_player.h"

#include <cstdlib>

#include "dataplane/path/classify.h"
#include "dataplane/path/classify_ipv6.h"
#include "dataplane/path/forward.h"
#include "dataplane/path/forward_ipv6.h"
#include "dataplane/path/mirror_filter.h"
#include "dataplane/path/path_mtu.h"
#include "dataplane/path/reassembly.h"
#include "dataplane/path/validate_ipv6.h"
#include "tests/dataplane_path/visible_devices.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kReceivedPackets = 2047, kReceivedBufferBytes = RTE_PKTMBUF_HEADROOM + 2048;
constexpr size_t kMostBytes = 2000, kMostSteps = 96;
constexpr uint32_t kMostWaiting = 900;                  // frames in a port's queue
constexpr uint64_t kBetweenScriptsNs = 70'000'000'000;  // every rate and timeout has passed

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_receive: %s\n", what);
  abort();
}

Bytes to_vector(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

bool is_ipv6(std::span<const uint8_t> packet) {
  return !packet.empty() && packet[0] >> 4 == 6;
}

// Any that a NIC could not rule out.
bool perhaps_fragment(const Bytes& frame) {
  if (frame.size() < 14 + 20) return false;
  const uint32_t type = get16(frame, 12);
  if (type == 0x0800) return (get16(frame, 14 + 6) & 0x3fff) != 0;
  return type == 0x86dd && std::find(frame.begin() + 14, frame.end(), 44) != frame.end();
}

// The pure functions of the path on a copy of exactly the packet's size, so that reading beyond it is
// noticed.
void inspect(std::span<const uint8_t> packet, const Port& port) {
  const auto copy = std::make_unique<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), copy.get());
  const auto size = static_cast<uint32_t>(packet.size());
  if (check_ipv4(copy.get(), size) == kKeep) {
    classify_public(copy.get(), size, port);
    read_fragmentation_needed({copy.get(), size});
    quoted_by_icmp_error(*reinterpret_cast<const rte_ipv4_hdr*>(copy.get()));
  } else if (check_ipv6(copy.get(), size) == kKeep) {
    const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(copy.get());
    const std::span<const uint8_t> whole(copy.get(), ipv6_total_bytes(header));
    classify_public_ipv6(whole, port);
    check_scope(whole);
    read_packet_too_big(whole);
    quoted_by_icmpv6_error(header);
  }
}

// Pieces of a packet with a plain IP header, of 8 times `units` bytes.
std::vector<Bytes> pieces_of(const Bytes& packet, uint8_t units) {
  const bool ipv6_outer = is_ipv6(packet);
  const size_t header_bytes = ipv6_outer ? 40 : 20, piece_bytes = size_t{8} * units;
  std::vector<Bytes> pieces;
  for (size_t from = header_bytes; from < packet.size(); from += piece_bytes) {
    const size_t to = std::min(from + piece_bytes, packet.size());
    const bool more = to < packet.size();
    const Bytes data(packet.begin() + static_cast<long>(from), packet.begin() + static_cast<long>(to));
    const auto offset = static_cast<uint32_t>(from - header_bytes);
    Bytes piece(packet.begin(), packet.begin() + static_cast<long>(header_bytes));
    if (ipv6_outer) {
      const Bytes payload = fragment6(packet[6], offset, more, 77, data);
      piece[6] = 44;
      put16(piece, 4, static_cast<uint32_t>(payload.size()));
      piece.insert(piece.end(), payload.begin(), payload.end());
    } else {
      piece.insert(piece.end(), data.begin(), data.end());
      put16(piece, 2, static_cast<uint32_t>(piece.size()));
      put16(piece, 6, offset / 8 | (more ? 0x2000 : 0));
      put16(piece, 10, 0);
      put16(piece, 10, internet_checksum(piece, 0, 20));
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

// Takes bytes off the end; the lengths in the headers agree.
void cut(Bytes& packet, const OracleSa& sa, uint8_t bytes) {
  const size_t ip_bytes = sa.source6 ? 40 : 20, head_bytes = ip_bytes + (sa.encap ? 8 : 0);
  packet.resize(std::max(head_bytes, packet.size() - std::min<size_t>(packet.size(), bytes)));
  if (sa.encap) put16(packet, ip_bytes + 4, static_cast<uint32_t>(packet.size() - ip_bytes));
  if (sa.source6) {
    put16(packet, 4, static_cast<uint32_t>(packet.size() - 40));
    return;
  }
  put16(packet, 2, static_cast<uint32_t>(packet.size()));
  put16(packet, 10, 0);
  put16(packet, 10, internet_checksum(packet, 0, 20));
}

// Destination options in front of what an IPv6 packet carries.
void extend(Bytes& packet) {
  const Bytes options = {packet[6], 0, 1, 4, 0, 0, 0, 0};
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  packet[6] = 60;
  put16(packet, 4, static_cast<uint32_t>(packet.size() - 40));
}

Bytes sealed_packet(OracleSa sa, const Sealing& sealing, const Bytes& inner) {
  if ((sealing.source & kOtherPort) != 0) ++sa.source_port;
  if ((sealing.source & kOtherAddress) != 0) sa.source += 7;
  const size_t align = sa.align_bytes();
  const size_t fewest = (align - (inner.size() + 2) % align) % align;
  SealOptions options;
  options.outer_tos = sealing.outer_tos;
  options.pad_bytes = static_cast<uint8_t>(fewest + align * (sealing.more_padding & 15));
  if (sealing.next_header != 0) options.next_header = sealing.next_header;
  if (sealing.pad_length != 0) options.pad_length_says = sealing.pad_length;
  Bytes packet = seal(sa, sealing.sequence, inner, options);
  if (sealing.cut_bytes != 0) cut(packet, sa, sealing.cut_bytes);
  if (sa.source6 && (sealing.source & kExtension) != 0) extend(packet);
  if (sealing.change_at < packet.size()) packet[sealing.change_at] ^= sealing.change_by;
  return packet;
}

}  // namespace

bool start_player() {
  return start_eal();
}

ReceivePlayer::ReceivePlayer()
    : received_pool_(rte_pktmbuf_pool_create_by_ops("received", kReceivedPackets, 0, kMbufPrivateBytes,
                                                    kReceivedBufferBytes, SOCKET_ID_ANY,
                                                    visible_pool_operations())) {
  require(received_pool_ != nullptr, "no pool for received packets");
}

void ReceivePlayer::play(std::span<const uint8_t> script) {
  now_ns_ += kBetweenScriptsNs;
  tally_ = {};
  world_.renew();
  drops_before_ = world_.drops();
  births_before_ = taken_from(packet_pool());
  for (size_t steps = 0; script.size() >= sizeof(StepHeader) && steps < kMostSteps; ++steps) {
    StepHeader header;
    std::memcpy(&header, script.data(), sizeof header);
    script = script.subspan(sizeof header);
    const size_t size = std::min<size_t>(header.size_low | size_t{header.size_high} << 8, script.size());
    step(header, script.first(std::min(size, kMostBytes)));
    script = script.subspan(size);
  }
  settle();
  check_balance();
  world_.forget();
}

void ReceivePlayer::step(const StepHeader& header, std::span<const uint8_t> payload) {
  switch (static_cast<Step>(header.step % static_cast<uint8_t>(Step::kCount))) {
    case Step::kFrame:
      return frame(header, payload);
    case Step::kSealed:
      return sealed(header, payload);
    case Step::kRun:
      return run(header.what, kPausesNs[header.how % std::size(kPausesNs)]);
    case Step::kChange:
      return change(static_cast<Change>(header.what % static_cast<uint8_t>(Change::kCount)), header.how);
    case Step::kMirror:
      return mirror(header, payload);
    case Step::kCount:
      return;
  }
}

void ReceivePlayer::frame(const StepHeader& header, std::span<const uint8_t> payload) {
  const uint8_t what = header.what;
  const uint8_t port_id = (what & kFromLan) == 0    ? kPublicPort
                          : (what & kOtherLan) == 0 ? kLanPort
                                                    : kOtherLanPort;
  const Pending place{port_id, (what & kOtherQueue) != 0};
  if ((what & kRawFrame) != 0) return receive(to_vector(payload), place, header.how);
  inspect(payload, world_.gateway().port(port_id));
  const rte_ether_addr to =
      (what & kToMany) != 0 ? multicast_mac(multicast6(2, 1)) : world_.gateway().mac(port_id);
  receive(ethernet(to_vector(payload), to, is_ipv6(payload) ? 0x86dd : 0x0800), place, header.how);
}

void ReceivePlayer::sealed(const StepHeader& header, std::span<const uint8_t> payload) {
  Sealing sealing;
  if (payload.size() < sizeof sealing) return;
  std::memcpy(&sealing, payload.data(), sizeof sealing);
  OracleSa sa = world_.inbound(header.what % 8 % kSaKinds);
  if ((header.what & kOtherEncapsulation) != 0) sa.encap = !sa.encap;
  const Bytes packet = sealed_packet(sa, sealing, to_vector(payload.subspan(sizeof sealing)));
  const Pending place{kPublicPort, (header.what & kOtherQueue) != 0};
  std::vector<Bytes> packets = {packet};
  if (const uint8_t units = sealing.fragment & 0x7f; units != 0 && packet.size() / (size_t{8} * units) < 40) {
    packets = pieces_of(packet, units);
    if ((sealing.fragment & 0x80) != 0) std::reverse(packets.begin(), packets.end());
  }
  const uint64_t received_before = tally_.received;
  for (const Bytes& piece : packets)
    receive(ethernet6(piece, world_.gateway().mac(kPublicPort)), place, header.how);
  tally_.sealed += tally_.received - received_before;
}

void ReceivePlayer::receive(Bytes frame, Pending place, uint8_t how) {
  const auto shape = static_cast<Shape>(how & 7);
  const uint32_t more = how >> 3;
  if (shape == Shape::kPadded && more < 31) frame.resize(frame.size() + more);
  if (frame.size() > kMostBytes) frame.resize(kMostBytes);
  const uint32_t times = shape == Shape::kRepeated ? 1 + more : 1;
  for (uint32_t i = 0; i < times; ++i) {
    rte_mbuf* packet = shaped_packet(frame, how);
    if (packet == nullptr) return;
    if (place.port_id == kPublicPort && perhaps_fragment(frame)) ++tally_.perhaps_fragments;
    if (place.port_id != kPublicPort) ++tally_.from_lan;
    ++tally_.received;
    enqueue(packet, place);
  }
}

void ReceivePlayer::enqueue(rte_mbuf* packet, Pending place) {
  if (rte_mempool_in_use_count(received_pool_) > kMostWaiting) run(0, 0);
  world_.gateway().receive(place.port_id, packet, place.queue);
}

rte_mbuf* ReceivePlayer::shaped_packet(const Bytes& frame, uint8_t how) {
  const uint32_t more = how >> 3;
  const auto make = [&](size_t from, size_t to) {
    rte_mbuf* packet = rte_pktmbuf_alloc(received_pool_);
    if (packet == nullptr) return packet;
    char* start = rte_pktmbuf_append(packet, static_cast<uint16_t>(to - from));
    std::copy(frame.begin() + static_cast<long>(from), frame.begin() + static_cast<long>(to), start);
    return packet;
  };
  const auto shape = static_cast<Shape>(how & 7);
  const size_t cut_at =
      shape == Shape::kSegmented ? std::min<size_t>(1 + 4 * more, frame.size()) : frame.size();
  rte_mbuf* packet = make(0, cut_at);
  if (packet == nullptr) return nullptr;
  if (shape == Shape::kSegmented || (shape == Shape::kPadded && more == 31)) {
    rte_mbuf* rest = make(cut_at, frame.size());
    if (rest != nullptr && shape == Shape::kPadded)  // not with what an earlier packet left in the buffer
      if (char* padding = rte_pktmbuf_append(rest, kMostBytes); padding != nullptr)
        std::memset(padding, 0, kMostBytes);
    if (rest != nullptr && rte_pktmbuf_chain(packet, rest) != 0) rte_pktmbuf_free(rest);
  } else if (shape == Shape::kShared) {
    rte_mbuf_refcnt_update(packet, 1);
    held_.push_back(packet);
  } else if (shape == Shape::kIndirect) {
    if (rte_mbuf* clone = rte_pktmbuf_clone(packet, received_pool_); clone != nullptr) {
      held_.push_back(packet);
      packet = clone;
    }
  } else if (shape == Shape::kToTheEnd || shape == Shape::kToTheStart) {
    // Even, as drivers lay frames down: an Ethernet header is made of 16-bit words.
    const uint32_t end = packet->data_off + rte_pktmbuf_tailroom(packet);
    const auto offset = static_cast<uint16_t>(shape == Shape::kToTheEnd ? end & ~1u : 0);
    std::memmove(static_cast<char*>(packet->buf_addr) + offset, rte_pktmbuf_mtod(packet, char*),
                 packet->data_len);
    packet->data_off = offset;
  }
  return packet;
}

void ReceivePlayer::mirror(const StepHeader& header, std::span<const uint8_t> payload) {
  const bool is_tun = (header.what & kTun) != 0;
  const uint32_t id = is_tun ? 1 + (header.what >> 1) % 3 : (header.what >> 1) % 3;
  if (!is_tun && mirror_may_send(payload, world_.gateway().port(id)) != kKeep) return;
  rte_mbuf* packet = shaped_packet(to_vector(payload), 0);
  if (packet == nullptr) return;
  PacketMeta& meta = meta_of(packet);
  meta = {};
  meta.kind = is_tun ? MetaKind::kInjectVrf : MetaKind::kInjectPort;
  meta.port_id = meta.vrf_id = id;
  if (rte_ring_enqueue(world_.gateway().rings->injections(id % ReceiveWorld::kWorkers), packet) != 0) {
    rte_pktmbuf_free(packet);
    return;
  }
  ++tally_.received;
  ++tally_.mirrored;
  if (!is_tun && id == kPublicPort) tally_.allowed.push_back(to_vector(payload));
}

void ReceivePlayer::run(uint8_t what, uint64_t pause_ns) {
  now_ns_ += pause_ns;
  for (int times = 1 + (what & 3); times > 0; --times)
    run_workers(what);
  empty_filled();
  take_sent();
}

// What would have to look at a filled ring waits.
bool ReceivePlayer::may_run(uint8_t what, uint32_t worker) const {
  const uint8_t other_only = worker == 0 ? kSecondWorkerOnly : kFirstWorkerOnly;
  const Rings& rings = *world_.gateway().rings;
  const auto is_filled = [&](const rte_ring* ring) {
    return std::find(filled_.begin(), filled_.end(), ring) != filled_.end();
  };
  return (what & (kFirstWorkerOnly | kSecondWorkerOnly)) != other_only &&
         !is_filled(rings.handover(1 - worker, worker)) && !is_filled(rings.injections(worker));
}

void ReceivePlayer::run_workers(uint8_t what) {
  for (uint32_t worker = 0; worker < ReceiveWorld::kWorkers; ++worker) {
    if (!may_run(what, worker)) continue;
    world_.gateway().worker(worker).poll_at(now_ns_);
    rte_rcu_qsbr_quiescent(world_.gateway().world.qsbr(), worker);
  }
  if (filled_.empty()) count_path_mtus();
  if (filled_.empty()) world_.manager().exceptions.drain_workers(now_ns_);
  world_.manager().exceptions.expire(now_ns_);
  world_.manager().context.retirer.poll();
}

// Of the exceptions that wait for the manager: those that end there without a drop.
void ReceivePlayer::count_path_mtus() {
  for (uint32_t worker = 0; worker < ReceiveWorld::kWorkers; ++worker) {
    rte_ring* ring = world_.gateway().rings->exceptions(worker);
    const unsigned waiting = std::min(rte_ring_count(ring), 32u);  // as many as the manager takes at once
    std::vector<void*> packets(rte_ring_count(ring));
    rte_ring_dequeue_bulk(ring, packets.data(), static_cast<unsigned>(packets.size()), nullptr);
    for (unsigned i = 0; i < waiting; ++i)
      tally_.path_mtus += meta_of(static_cast<rte_mbuf*>(packets[i])).kind == MetaKind::kPathMtuIcmp;
    rte_ring_enqueue_bulk(ring, packets.data(), static_cast<unsigned>(packets.size()), nullptr);
  }
}

void ReceivePlayer::take_sent() {
  for (const uint32_t port_id : {kPublicPort, kLanPort, kOtherLanPort}) {
    for (const Bytes& frame : world_.gateway().sent(port_id)) {
      ++tally_.sent;
      tally_.sent_to_lan += port_id != kPublicPort;
      if (port_id == kPublicPort) check_public(frame);
    }
  }
}

// ESP that the peer can open, in pieces or whole, or what a mirror was allowed to send.
void ReceivePlayer::check_public(const Bytes& frame) {
  if (const auto found = std::find(tally_.allowed.begin(), tally_.allowed.end(), frame);
      found != tally_.allowed.end()) {
    tally_.allowed.erase(found);
    return;
  }
  require(frame.size() > 14 + 40, "something short left the public port");
  const Bytes packet = without_ethernet(frame);
  const bool ipv6_outer = get16(frame, 12) == 0x86dd;
  const uint8_t protocol = ipv6_outer ? packet[packet[6] == 44 ? 40 : 6] : packet[9];
  const bool fragment = ipv6_outer ? packet[6] == 44 : (get16(packet, 6) & 0x3fff) != 0;
  const OracleSa& any = world_.outbound(ipv6_outer ? kOuterIpv6 : kGcm);
  require(protocol == 50 || protocol == 17, "neither ESP nor UDP left the public port");
  require(ipv6_outer ? std::equal(packet.begin() + 24, packet.begin() + 40, any.destination6->begin())
                     : get32(packet, 16) == any.destination,
          "something left for another than the peer");
  if (fragment) return;
  for (uint32_t kind = 0; kind < kSaKinds; ++kind) {
    const OracleSa& sa = world_.outbound(kind);
    if (sa.source6.has_value() == ipv6_outer && open(sa, 0, packet).has_value()) return;
  }
  require(false, "what left the public port is no ESP of any SA");
}

// Everything comes to its end: datagrams, neighbours and first packets are given up, queues emptied.
void ReceivePlayer::settle() {
  run(0, 0);
  change(Change::kBuffers, 0);
  for (uint32_t burst = 0; burst <= kReceivedPackets / kBurst; ++burst)  // what waits in the ports' queues
    run_workers(0);
  for (int i = 0; i < 4; ++i) {
    now_ns_ += 4'000'000'000;
    for (int times = 0; times < 4 || rte_ring_count(world_.gateway().rings->exceptions(0)) > 0 ||
                        rte_ring_count(world_.gateway().rings->exceptions(1)) > 0;
         ++times)
      run_workers(0);
    take_sent();
  }
  for (rte_mbuf* packet : std::exchange(held_, {}))
    rte_pktmbuf_free(packet);
}

void ReceivePlayer::check_balance() {
  require(rte_mempool_avail_count(received_pool_) == kReceivedPackets, "a received packet was lost");
  require(rte_mempool_in_use_count(packet_pool()) == 0, "a packet of our own was lost");
  const uint64_t births = taken_from(packet_pool()) - births_before_;
  const uint64_t ends = tally_.sent + tally_.path_mtus + world_.drops() - drops_before_;
  const uint64_t made_of_fragments = Reassembler::kMaxUses * tally_.perhaps_fragments;  // at most
  require(ends <= tally_.received - tally_.perhaps_fragments + made_of_fragments + births,
          "a packet was counted twice");
  require(ends >= tally_.received - tally_.perhaps_fragments, "a packet ended without being counted");
  require(world_.verified_packets() <= tally_.sealed, "a packet that nobody sealed was verified");
  require(tally_.sent_to_lan == 0 || tally_.sealed + tally_.from_lan + tally_.mirrored > 0,
          "cleartext from outside came to a LAN");
}

}  // namespace sallyport::dataplane::testing
