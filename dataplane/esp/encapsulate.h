// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode outbound (RFC 4303 section 3.3, RFC 3948 section 3): prepare each packet of a burst, then
// CryptoEngine::encrypt. Inlined where the path's steps call it. Worker threads; no state of
// their own, and none of the SA's written, so that any worker may run them.
#pragma once

#include <immintrin.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/esp/overhead.h"
#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

namespace esp_detail {

inline constexpr uint8_t kNextHeaderIpv4 = 4;
inline constexpr uint32_t kLinkHeaderBytes = RTE_ETHER_HDR_LEN;  // left free for the neighbour's rewrite

// RFC 4303 section 2.4: the padding 1, 2, 3, ..., its length, the next header.
inline constexpr std::array<uint8_t, 16> kPadding = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// The same in one word for short padding, by its length.
inline constexpr uint32_t kShortPadding = 4;
inline constexpr std::array<uint64_t, kShortPadding> kShortTrailers = {0x0400, 0x04'01'01, 0x04'02'02'01,
                                                                       0x04'03'03'02'01};

// `end`: where the inner packet ends. There is room for at least 8 bytes.
inline void write_trailer(uint8_t* end, uint32_t pad_bytes) {
  static_assert(kNextHeaderIpv4 == 4);
  if (pad_bytes < kShortPadding) {
    const uint64_t trailer_le = rte_cpu_to_le_64(kShortTrailers[pad_bytes]);
    std::memcpy(end, &trailer_le, sizeof trailer_le);
    return;
  }
  std::memcpy(end, kPadding.data(), pad_bytes);
  end[pad_bytes] = static_cast<uint8_t>(pad_bytes);
  end[pad_bytes + 1] = kNextHeaderIpv4;
}

// RFC 4301 section 5.1.2.1 and RFC 6040 section 4.1, normal mode. `sequence` gives the identification: unique
// among 65,536 neighbours, and no state. `inherited`: what comes from the inner header's first 8 bytes, and
// what the policy sets; `fixed_sum`: one's complement sum of what is the same for every packet. The header is
// put together in registers: version and TOS, length, identification, fragment; TTL and protocol; addresses.
inline void write_ipv4_header(uint8_t* start, uint64_t inherited, uint32_t ttl_and_protocol,
                              uint64_t addresses, uint64_t fixed_sum, uint32_t total_bytes,
                              uint64_t sequence) {
  static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  const uint32_t length_and_id_be = rte_cpu_to_be_32(total_bytes << 16 | static_cast<uint16_t>(sequence));
  const uint64_t variable = inherited | uint64_t{length_and_id_be} << 16;
  // A sum plus itself with its halves exchanged has the sum of the halves, carry and all, in its upper half.
  // The first one doesn't overflow: of the fragment word, the highest, only the DF bit is set.
  uint64_t sum = variable + fixed_sum;
  sum += std::rotr(sum, 32);
  auto half = static_cast<uint32_t>(sum >> 32);
  half += std::rotr(half, 16);
  const uint64_t first = variable | RTE_IPV4_VHL_DEF;
  const uint32_t second = ttl_and_protocol | (~half & 0xffff'0000);
  std::memcpy(start, &first, sizeof first);
  std::memcpy(start + 8, &second, sizeof second);
  std::memcpy(start + 12, &addresses, sizeof addresses);
}

// The outer header of an SA with plain_addresses.
inline void write_plain_outer(uint8_t* start, uint64_t addresses, uint32_t total_bytes, uint64_t inner,
                              uint64_t sequence) {
  constexpr uint32_t kTtlAndProtocol = kOuterTtl | IPPROTO_ESP << 8;
  const uint64_t fixed_sum =
      RTE_IPV4_VHL_DEF + kTtlAndProtocol + (addresses & 0xffffffff) + (addresses >> 32);
  write_ipv4_header(start, inner & kPlainInheritedMask, kTtlAndProtocol, addresses, fixed_sum, total_bytes,
                    sequence);
}

// The first 8 bytes of an IPv4 header.
inline uint64_t load_first(const uint8_t* header) {
  uint64_t first;
  std::memcpy(&first, header, sizeof first);
  return first;
}

// For a packet that can't be grown in place: a copy that may be, in its stead. The same one where there is no
// buffer for it.
rte_mbuf* make_linear(rte_mbuf* packet);

// Where a word of the sequence number (a vector's lower half, little-endian) goes, by quarters of a vector:
// its high or low 32 bits in network order, or zero.
enum class SequenceWord : uint32_t { kZero = 0x80808080, kLow = 0x00010203, kHigh = 0x04050607 };
template <SequenceWord kFirst, SequenceWord kSecond, SequenceWord kThird, SequenceWord kFourth>
inline __m128i sequence_order() {
  const auto quarter = [](SequenceWord word) { return static_cast<int>(word); };
  return _mm_setr_epi32(quarter(kFirst), quarter(kSecond), quarter(kThird), quarter(kFourth));
}

// What a wrapped packet begins with.
enum class Front { kOuterHeader, kLinkHeader };

// Packets of one SA one after the other, each wrapped with the next sequence number: what is the same for all
// of them is prepared once. RFC 4106: nonce = salt and IV, AAD = SPI and sequence number, the high word
// between with ESN. The IV is the sequence number: unique under the key.
template <Front kFront>
class Encapsulation {
 public:
  // `outer_bytes`: of the headers before ESP. `link`: the Ethernet header before those, or nullptr.
  [[gnu::always_inline]] Encapsulation(const OutboundSa& sa, uint32_t outer_bytes, uint64_t first_sequence,
                                       const EthernetRewrite* link)
      : key_(&sa.key),
        sequence_(first_sequence),
        esp_bytes_(kEspHeaderBytes + sa.shape.iv_bytes),
        outer_bytes_(outer_bytes),
        added_bytes_(outer_bytes + esp_bytes_ + sa.shape.icv_bytes),
        pad_mask_(sa.shape.align_bytes - 1u),
        job_kind_(static_cast<uint32_t>(sa.algorithm) | (sa.esn ? 12u : 8u) << 16),
        salt_(_mm_cvtsi32_si128(static_cast<int>(sa.salt))),
        spi_(_mm_cvtsi32_si128(static_cast<int>(rte_cpu_to_be_32(sa.spi)))),
        nonce_order_(sequence_order<kZero, kHigh, kLow, kZero>()),
        esp_order_(sequence_order<kZero, kLow, kHigh, kLow>()),
        aad_order_(sa.esn ? nonce_order_ : esp_order_),
        link_(link) {}

  // Padding, trailer, ESP header, IV, outer headers (`write_outer(start, total_bytes, inner, sequence)`) and
  // link header around a packet that starts at the inner IP header; and its job. kKeep or kNoRoom: then the
  // job isn't filled.
  template <typename WriteOuter>
  [[gnu::always_inline]] api::DropReason wrap_next(rte_mbuf*& packet, CryptoJob& job,
                                                   WriteOuter write_outer) {
    const uint64_t sequence = sequence_++;
    const uint32_t inner_bytes = rte_pktmbuf_pkt_len(packet);
    const uint32_t pad_bytes = -(inner_bytes + kEspTrailerBytes) & pad_mask_;
    const uint32_t text_bytes = inner_bytes + pad_bytes + kEspTrailerBytes;
    const uint32_t total_bytes = text_bytes + added_bytes_;
    if (total_bytes > UINT16_MAX) [[unlikely]]
      return api::DropReason::kNoRoom;
    const uint32_t head_bytes = outer_bytes_ + esp_bytes_;
    if (!is_private_linear(packet) || !has_room(packet, head_bytes, total_bytes)) [[unlikely]] {
      const rte_mbuf* before = packet;
      packet = make_linear(packet);
      if (packet == before || !has_room(packet, head_bytes, total_bytes)) return api::DropReason::kNoRoom;
    }
    uint8_t* inner = rte_pktmbuf_mtod(packet, uint8_t*);
    put_around(packet, head_bytes, total_bytes);
    fill_job(job, inner, text_bytes, sequence);
    uint8_t* esp = inner - esp_bytes_;
    uint8_t* outer = esp - outer_bytes_;
    if constexpr (kFront == Front::kLinkHeader)
      std::memcpy(outer - kLinkHeaderBytes, link_, sizeof *link_);  // two bytes too many: a single store
    write_outer(outer, total_bytes, inner, sequence);
    write_esp(esp, inner, sequence);
    write_trailer(inner + inner_bytes, pad_bytes);
    return kKeep;
  }

 private:
  using enum SequenceWord;

  // The link header's room is to be there in any case.
  static bool has_room(const rte_mbuf* packet, uint32_t head_bytes, uint32_t total_bytes) {
    const auto frame_bytes = static_cast<int32_t>(kLinkHeaderBytes + total_bytes);
    const int32_t start = packet->data_off - static_cast<int32_t>(kLinkHeaderBytes + head_bytes);
    return start >= 0 && start + frame_bytes <= packet->buf_len;
  }

  // The headers go in front.
  void put_around(rte_mbuf* packet, uint32_t head_bytes, uint32_t total_bytes) const {
    constexpr uint32_t kLinkBytes = kFront == Front::kLinkHeader ? kLinkHeaderBytes : 0;
    packet->data_off = static_cast<uint16_t>(packet->data_off - (head_bytes + kLinkBytes));
    packet->data_len = static_cast<uint16_t>(total_bytes + kLinkBytes);
    packet->pkt_len = total_bytes + kLinkBytes;
  }

  void fill_job(CryptoJob& job, uint8_t* text, uint32_t text_bytes, uint64_t sequence) const {
    const __m128i number = _mm_cvtsi64_si128(static_cast<int64_t>(sequence));
    const uint64_t size_and_kind = text_bytes | uint64_t{job_kind_} << 32;
    static_assert(offsetof(CryptoJob, algorithm) == offsetof(CryptoJob, text_bytes) + 4 &&
                  offsetof(CryptoJob, aad_bytes) == offsetof(CryptoJob, algorithm) + 2 &&
                  offsetof(CryptoJob, ok) == offsetof(CryptoJob, aad_bytes) + 1);
    job.key = key_;
    job.text = text;
    std::memcpy(&job.text_bytes, &size_and_kind, sizeof size_and_kind);
    store(job.nonce.data(), _mm_or_si128(_mm_shuffle_epi8(number, nonce_order_), salt_));
    store(job.aad.data(), _mm_or_si128(_mm_shuffle_epi8(number, aad_order_), spi_));
  }

  // The IV lies in the 8 bytes before the text: those are the header where the algorithm has no IV (NULL),
  // which is therefore written after it, and half of CBC's, which CryptoEngine overwrites.
  void write_esp(uint8_t* esp, uint8_t* text, uint64_t sequence) const {
    const __m128i number = _mm_cvtsi64_si128(static_cast<int64_t>(sequence));
    const __m128i header_and_iv = _mm_or_si128(_mm_shuffle_epi8(number, esp_order_), spi_);
    const int64_t iv = _mm_extract_epi64(header_and_iv, 1), header = _mm_cvtsi128_si64(header_and_iv);
    std::memcpy(text - sizeof iv, &iv, sizeof iv);
    std::memcpy(esp, &header, sizeof header);
  }

  static void store(uint8_t* to, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value); }

  const CipherKey* key_;
  uint64_t sequence_;
  uint32_t esp_bytes_, outer_bytes_, added_bytes_, pad_mask_;
  uint32_t job_kind_;  // algorithm, size of the AAD and a verdict of false as they lie in a CryptoJob
  __m128i salt_, spi_;
  __m128i nonce_order_, esp_order_, aad_order_;
  const EthernetRewrite* link_;
};

}  // namespace esp_detail

// prepare_encapsulation, as below, where the inner packet is IPv6 or the outer header not plain.
[[gnu::noinline]] api::DropReason prepare_other_encapsulation(rte_mbuf*& packet, const OutboundSa& sa,
                                                              uint64_t sequence, CryptoJob& job);

using esp_detail::Front;

// Packets of one SA whose outer header is plain, with sequence numbers one after the other.
template <Front kFront>
class PlainEncapsulation {
 public:
  // `addresses`: of the SA, not 0. `link`: what each packet is to begin with, or nullptr.
  [[gnu::always_inline]] PlainEncapsulation(const OutboundSa& sa, uint64_t addresses, uint64_t first_sequence,
                                            const EthernetRewrite* link)
      : encapsulation_(sa, sizeof(rte_ipv4_hdr), first_sequence, link), addresses_(addresses) {}

  // As prepare_encapsulation.
  [[gnu::always_inline]] api::DropReason prepare_next(rte_mbuf*& packet, CryptoJob& job) {
    using namespace esp_detail;
    return encapsulation_.wrap_next(packet, job,
                                    [addresses = addresses_](uint8_t* start, uint32_t total_bytes,
                                                             const uint8_t* inner, uint64_t sequence) {
                                      write_plain_outer(start, addresses, total_bytes, load_first(inner),
                                                        sequence);
                                    });
  }

 private:
  esp_detail::Encapsulation<kFront> encapsulation_;
  uint64_t addresses_;
};

// Writes padding, trailer, ESP header, IV and outer headers around the packet and fills its job. On the way
// in the packet's data starts at the inner IPv4 header, which has passed check_ipv4, and ends with the inner
// packet (no link-layer padding); on the way out it starts at the outer IP header, to be sent once the job
// is done. `sequence` is from assign_sequence. kKeep; kKeepIpv6 where the outer packet is IPv6; or kNoRoom:
// the job isn't filled. The buffer can be exchanged for another where it was shared or segmented; in any case
// `packet` is the one to send or free.
[[gnu::always_inline]] inline api::DropReason prepare_encapsulation(rte_mbuf*& packet, const OutboundSa& sa,
                                                                    uint64_t sequence, CryptoJob& job) {
  const uint64_t addresses = sa.plain_addresses.load(std::memory_order_acquire);
  if (addresses == 0) [[unlikely]]
    return prepare_other_encapsulation(packet, sa, sequence, job);
  PlainEncapsulation<Front::kOuterHeader> encapsulation(sa, addresses, sequence, nullptr);
  return encapsulation.prepare_next(packet, job);
}

}  // namespace sallyport::dataplane
