// SPDX-License-Identifier: BSD-3-Clause
// Decapsulation of packets of one SA side by side: what is the same for all of them is in registers, and
// whatever is unusual about one is left to the functions of esp/decapsulate.h. Home worker.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/esp/decapsulate.h"
#include "dataplane/packet/tcp_mss.h"

namespace sallyport::dataplane {

// Before decryption. The SA's window must not move meanwhile.
class RunPreparation {
 public:
  [[gnu::always_inline]] explicit RunPreparation(const InboundSa& sa)
      : key_(&sa.key),
        bottom_(sa.esn ? sa.window.bottom() : 0),
        right_edge_(sa.window.right_edge()),
        window_off_(sa.window.packets() == 0),
        esp_bytes_(kEspHeaderBytes + sa.shape.iv_bytes),
        frame_bytes_(static_cast<uint32_t>(sizeof(rte_ipv4_hdr)) + esp_bytes_ + sa.shape.icv_bytes),
        align_bytes_(sa.shape.align_bytes),
        job_kind_(static_cast<uint32_t>(sa.algorithm) | (sa.esn ? 12u : 8u) << 16),
        salt_(_mm_cvtsi32_si128(static_cast<int>(sa.salt))),
        aad_order_(sa.esn ? order(kSpi, kNothing, kSequence) : order(kSpi, kSequence, kNothing)) {}

  // True: done as by prepare_decapsulation. False, and no change, where the packet is not plain, does not
  // come newest or is to be dropped.
  [[gnu::always_inline]] bool prepare(DecapPacket& item, CryptoJob& job) const {
    static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
    const uint32_t text_bytes = item.packet->pkt_len - frame_bytes_;
    const auto beyond_least = static_cast<int32_t>(text_bytes - align_bytes_);
    if (!item.plain || beyond_least < 0 || (text_bytes & (align_bytes_ - 1)) != 0) [[unlikely]]
      return false;
    uint8_t* esp = rte_pktmbuf_mtod_offset(item.packet, uint8_t*, sizeof(rte_ipv4_hdr));
    uint32_t low_be;
    std::memcpy(&low_be, esp + sizeof(uint32_t), sizeof low_be);
    const uint64_t sequence = ReplayWindow::number_above(bottom_, rte_be_to_cpu_32(low_be));
    if (sequence <= right_edge_ && !window_off_) [[unlikely]]
      return false;
    item.sequence = sequence;
    item.outer_tos = (esp - sizeof(rte_ipv4_hdr))[1];
    fill_job(job, sequence, esp, text_bytes);
    return true;
  }

 private:
  // The quarters of what an ESP packet begins with, as a byte shuffle names them.
  enum Quarter : uint32_t {
    kSpi = 0x03020100,
    kSequence = 0x07060504,
    kFirstIv = 0x0b0a0908,
    kSecondIv = 0x0f0e0d0c,
    kNothing = 0x80808080,
  };
  static __m128i order(Quarter first, Quarter second, Quarter third) {
    return _mm_setr_epi32(static_cast<int>(first), static_cast<int>(second), static_cast<int>(third),
                          static_cast<int>(kNothing));
  }
  static void store(uint8_t* to, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value); }

  // RFC 4106, as esp_detail::fill_job. Header and ICV make 16 bytes at least.
  [[gnu::always_inline]] void fill_job(CryptoJob& job, uint64_t sequence, uint8_t* esp,
                                       uint32_t text_bytes) const {
    static_assert(offsetof(CryptoJob, algorithm) == offsetof(CryptoJob, text_bytes) + 4 &&
                  offsetof(CryptoJob, aad_bytes) == offsetof(CryptoJob, algorithm) + 2 &&
                  offsetof(CryptoJob, ok) == offsetof(CryptoJob, aad_bytes) + 1);
    const uint64_t size_and_kind = text_bytes | uint64_t{job_kind_} << 32;
    const __m128i begin = _mm_loadu_si128(reinterpret_cast<const __m128i*>(esp));
    const __m128i high = _mm_cvtsi64_si128(static_cast<int64_t>(rte_cpu_to_be_64(sequence) << 32));
    const __m128i iv = _mm_shuffle_epi8(begin, order(kNothing, kFirstIv, kSecondIv));
    job.key = key_;
    job.text = esp + esp_bytes_;
    std::memcpy(&job.text_bytes, &size_and_kind, sizeof size_and_kind);
    store(job.nonce.data(), _mm_or_si128(iv, salt_));
    store(job.aad.data(), _mm_or_si128(_mm_shuffle_epi8(begin, aad_order_), high));
  }

  const CipherKey* key_;
  uint64_t bottom_;  // of the sequence numbers that a low word can mean; without ESN 0
  uint64_t right_edge_;
  bool window_off_;
  uint32_t esp_bytes_, frame_bytes_, align_bytes_;
  uint32_t job_kind_;  // algorithm, size of the AAD and a verdict of false as they lie in a CryptoJob
  __m128i salt_, aad_order_;
};

// After decryption. Of an SA that is not `limited`; what it verified is in the SA's window only after
// put_back.
class RunVerification {
 public:
  [[gnu::always_inline]] explicit RunVerification(const InboundSa& sa) : front_(sa.window) {}

  // True: done as by finish_decapsulation; the packet is kept, IPv4 and no TCP SYN, and is yet to be counted
  // in the tally by put_back. False, and no change, of any other.
  [[gnu::always_inline]] bool finish(const DecapPacket& item, const CryptoJob& job) {
    if (!job.ok || !item.plain) [[unlikely]]
      return false;
    const uint8_t* text = job.text;  // not filled where the job was skipped
    const auto text_bytes = static_cast<int32_t>(job.text_bytes);
    uint16_t trailer;  // pad length, next header
    std::memcpy(&trailer, text + text_bytes - kEspTrailerBytes, sizeof trailer);
    const int32_t payload_bytes = text_bytes - static_cast<int32_t>(kEspTrailerBytes) - (trailer & 0xff);
    const auto& inner = *reinterpret_cast<const rte_ipv4_hdr*>(text);
    const auto inner_bytes = static_cast<int32_t>(ipv4_total_bytes(inner));
    if (trailer >> 8 != esp_detail::kIpv4InEsp || inner.version_ihl != RTE_IPV4_VHL_DEF ||
        inner_bytes < static_cast<int32_t>(sizeof inner) || inner_bytes > payload_bytes) [[unlikely]]
      return false;
    if (((inner.type_of_service ^ item.outer_tos) & kEcnMask) != 0 || is_tcp_syn(inner)) [[unlikely]]
      return false;
    if (!front_.advance(item.sequence)) [[unlikely]]
      return false;
    esp_detail::expose_inner(item.packet, text, static_cast<uint32_t>(inner_bytes));
    ++packets_;
    bytes_ += static_cast<uint32_t>(payload_bytes);
    return true;
  }

  // To the SA, whose packets they are.
  void put_back(InboundSa& sa, InboundTally& tally) const {
    front_.put_back(sa.window);
    if (packets_ == 0) return;
    tally.enter(sa);
    tally.add(packets_, bytes_);
  }

 private:
  ReplayWindow::Front front_;
  uint32_t packets_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace sallyport::dataplane
