// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: what a public port may bring as ESP, through the inbound steps: as it came, and once more as the
// cleartext of a rightly sealed packet, so that what lies behind the integrity check is reached too. The
// input's first byte chooses algorithm, ESN and TOS.
#include <rte_eal.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "dataplane/esp/decapsulate.h"
#include "dataplane/packet/fragment.h"
#include "dataplane/packet/icmp_error.h"
#include "dataplane/packet/icmpv6_error.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/tcp_mss.h"
#include "dataplane/policy/selector_set.h"

namespace {

using namespace sallyport;
using namespace sallyport::dataplane;

constexpr uint16_t kRoom = 2048;
constexpr uint32_t kSpi = 0x12300005;
constexpr uint32_t kOuterBytes = 20, kEspHeaderBytes = 8;

// One of each kind.
struct Suite {
  api::Algorithm algorithm;
  api::Integrity integrity;
};
constexpr std::array kSuites = {
    Suite{api::Algorithm::kAes128Gcm16, api::Integrity::kNone},
    Suite{api::Algorithm::kAes128Cbc, api::Integrity::kHmacSha256_128},
    Suite{api::Algorithm::kChaCha20Poly1305, api::Integrity::kNone},
    Suite{api::Algorithm::kNull, api::Integrity::kHmacSha1_96},
    Suite{api::Algorithm::kAes256Ccm8, api::Integrity::kNone},
    Suite{api::Algorithm::kAes128Gmac, api::Integrity::kNone},
    Suite{api::Algorithm::kAes256Gcm8, api::Integrity::kNone},
    Suite{api::Algorithm::kAes256Cbc, api::Integrity::kHmacSha512_256},
};

// What the first byte says.
struct Choice {
  explicit Choice(uint8_t byte) : tos(byte & 3), esn((byte & 4) != 0), suite(kSuites[byte >> 3 & 7]) {}
  uint8_t tos;
  bool esn;
  Suite suite;
};

void require(bool condition) {
  if (!condition) abort();
}

struct World {
  World() {
    std::array<const char*, 8> arguments = {"fuzz",
                                            "--no-huge",
                                            "-m",
                                            "64",
                                            "--no-pci",
                                            "--no-shconf",
                                            "--no-telemetry",
                                            "--log-level=lib.*:error"};
    require(rte_eal_init(static_cast<int>(arguments.size()), const_cast<char**>(arguments.data())) >= 0);
    pool = rte_pktmbuf_pool_create("fuzz", 63, 0, 0, RTE_PKTMBUF_HEADROOM + kRoom, SOCKET_ID_ANY);
    engine = CryptoEngine::create();
    require(pool != nullptr && engine != nullptr);
    const std::array<api::Selector, 2> both = {
        {{api::Family::kIpv4, 17, 1000, 2000, 0, {10}, {10, 255, 255, 255}},
         {api::Family::kIpv6, 17, 1000, 2000, 0, {0x20}, {0x3f, 0xff}}}};
    require(selectors.assign(both, both) == api::Error::kNone);
  }
  InboundSaPtr make_sa(const Choice& choice, bool encap) {
    const KeySizes sizes = key_sizes(choice.suite.algorithm, choice.suite.integrity);
    api::SetInboundSa message{};
    message.spi = kSpi;
    message.replay_window = 64;
    message.esn = choice.esn;
    message.encap = encap;
    message.keys.algorithm = choice.suite.algorithm;
    message.keys.integrity = choice.suite.integrity;
    message.keys.key_bytes = sizes.key_bytes;
    message.keys.integrity_key_bytes = sizes.integrity_key_bytes;
    message.local.family = message.remote.family = api::Family::kIpv4;
    InboundSaPtr sa;
    row.spi = 0;
    require(create_inbound_sa(message, row, *engine, SOCKET_ID_ANY, sa).error == api::Error::kNone);
    return sa;
  }
  rte_mempool* pool;
  std::unique_ptr<CryptoEngine> engine;
  SelectorSet selectors;
  api::InboundRow row{};
};

World& world() {
  static World made;
  return made;
}

void inspect_ipv4(uint8_t* packet, uint32_t bytes) {
  require(check_ipv4(packet, bytes) == kKeep);
  auto& header = *reinterpret_cast<rte_ipv4_hdr*>(packet);
  require(ipv4_total_bytes(header) == bytes);
  flow_hash(read_flow(header));
  world().selectors.matches_inbound(header);
  clamp_tcp_mss(header, 1000);
  rte_pktmbuf_free(build_icmp_error(world().pool, header, IcmpError::kFragmentationNeeded, 1, 1400));
}

void inspect_ipv6(uint8_t* packet, uint32_t bytes) {
  require(check_ipv6(packet, bytes) == kKeep);
  auto& header = *reinterpret_cast<rte_ipv6_hdr*>(packet);
  require(ipv6_total_bytes(header) == bytes);
  Ipv6Transport transport;
  if (find_transport({packet, bytes}, transport) == kKeep) require(transport.offset_bytes <= bytes);
  flow_hash(read_flow(header));
  world().selectors.matches_inbound(header);
  clamp_tcp_mss(header, 1000);
  rte_pktmbuf_free(build_icmpv6_error(world().pool, header, Icmpv6Error::kPacketTooBig, Ipv6Address{}, 1400));
}

// The steps that follow on an inner packet, on a copy of exactly its size so that reading beyond it is
// noticed.
void inspect_inner(const rte_mbuf* packet, api::DropReason verdict) {
  const uint32_t bytes = packet->pkt_len;
  require(packet->nb_segs == 1 && bytes == packet->data_len && bytes <= kRoom);
  const auto copy = std::make_unique<uint8_t[]>(bytes);
  std::memcpy(copy.get(), rte_pktmbuf_mtod(packet, const void*), bytes);
  (verdict == kKeepIpv6 ? inspect_ipv6 : inspect_ipv4)(copy.get(), bytes);
}

void run(rte_mbuf* packet, InboundSa& sa, uint16_t esp_offset) {
  std::array<DecapPacket, 1> items = {
      {{packet, &sa, 0, sa.spi, esp_offset, kKeep, is_plain_outer(packet, esp_offset), 0}}};
  std::array<CryptoJob, 1> jobs;
  for (size_t i = 0; i < items.size(); ++i)
    prepare_decapsulation(items[i], jobs[i]);
  world().engine->decrypt(jobs);
  InboundTally tally(1);
  for (size_t i = 0; i < items.size(); ++i)
    finish_decapsulation(items[i], jobs[i], tally);
  if (is_kept(items[0].drop)) inspect_inner(items[0].packet, items[0].drop);
  rte_pktmbuf_free(items[0].packet);
}

rte_mbuf* packet_of_size(size_t bytes) {
  rte_mbuf* packet = rte_pktmbuf_alloc(world().pool);
  require(packet != nullptr && rte_pktmbuf_append(packet, static_cast<uint16_t>(bytes)) != nullptr);
  return packet;
}

// Where the ESP of a whole packet of either family lies; `total_bytes` 0: nowhere.
struct Outer {
  uint32_t total_bytes, offset;
  bool encap;
};

Outer outer_ipv4(const uint8_t* data, uint32_t size) {
  if (check_ipv4(data, size) != kKeep) return {};
  const auto& header = *reinterpret_cast<const rte_ipv4_hdr*>(data);
  const bool encap = header.next_proto_id == 17;
  return {ipv4_total_bytes(header), ipv4_header_bytes(header) + (encap ? 8 : 0), encap};
}

Outer outer_ipv6(const uint8_t* data, uint32_t size) {
  if (check_ipv6(data, size) != kKeep) return {};
  const uint32_t total_bytes = ipv6_total_bytes(*reinterpret_cast<const rte_ipv6_hdr*>(data));
  Ipv6Transport transport;
  if (find_transport({data, total_bytes}, transport) != kKeep || transport.fragment) return {};
  const bool encap = transport.protocol == 17;
  return {total_bytes, transport.offset_bytes + (encap ? 8 : 0), encap};
}

// The input as a whole packet, outer header included; as the path does, only where that header is right.
void as_it_came(const uint8_t* data, size_t size, const Choice& choice) {
  if (size == 0 || size > kRoom) return;
  const auto [total_bytes, offset, encap] =
      (data[0] >> 4 == 6 ? outer_ipv6 : outer_ipv4)(data, static_cast<uint32_t>(size));
  if (total_bytes == 0 || total_bytes < offset) return;
  rte_mbuf* packet = packet_of_size(total_bytes);
  std::memcpy(rte_pktmbuf_mtod(packet, void*), data, total_bytes);
  const InboundSaPtr sa = world().make_sa(choice, encap);
  run(packet, *sa, static_cast<uint16_t>(offset));
}

// The input as the text behind the IV, its last two bytes pad length and next header, under a right ICV.
void sealed(const uint8_t* data, size_t size, const Choice& choice) {
  const EspShape shape = esp_shape(choice.suite.algorithm, choice.suite.integrity);
  const size_t head_bytes = kOuterBytes + kEspHeaderBytes + shape.iv_bytes;
  const size_t text_bytes = size & ~size_t{shape.align_bytes - 1u};
  if (text_bytes < shape.align_bytes || text_bytes > kRoom - head_bytes - shape.icv_bytes) return;
  rte_mbuf* packet = packet_of_size(head_bytes + text_bytes + shape.icv_bytes);
  auto* start = rte_pktmbuf_mtod(packet, uint8_t*);
  std::memset(start, 0, head_bytes);
  start[0] = 0x45;
  start[1] = choice.tos;
  start[9] = 50;
  const std::array<uint8_t, 8> header = {0x12, 0x30, 0, 5, 0, 0, 0, 1};
  const std::array<uint8_t, 12> aad = {0x12, 0x30, 0, 5, 0, 0, 0, choice.esn ? uint8_t{0} : uint8_t{1},
                                       0,    0,    0, 1};
  std::memcpy(start + kOuterBytes, header.data(), header.size());
  std::memcpy(start + head_bytes, data, text_bytes);
  const InboundSaPtr sa = world().make_sa(choice, false);
  std::array<CryptoJob, 1> jobs{};
  jobs[0].key = &sa->key;
  jobs[0].text = start + head_bytes;
  jobs[0].text_bytes = static_cast<uint32_t>(text_bytes);
  jobs[0].aad_bytes = choice.esn ? 12 : 8;
  jobs[0].algorithm = sa->algorithm;
  std::memcpy(jobs[0].aad.data(), aad.data(), jobs[0].aad_bytes);
  world().engine->encrypt(jobs);
  require(jobs[0].ok);
  run(packet, *sa, kOuterBytes);
  require(world().row.icv_failed.load() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Choice choice(data[0]);
  as_it_came(data + 1, size - 1, choice);
  sealed(data + 1, size - 1, choice);
  require(rte_mempool_avail_count(world().pool) == 63);
  return 0;
}
