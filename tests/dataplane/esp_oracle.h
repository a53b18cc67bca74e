// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode written a second time, from RFC 4303, 3948 and the algorithms' own RFCs alone and on
// OpenSSL: what our packets are held against.
#pragma once

#include <array>
#include <optional>

#include "tests/dataplane/packets.h"

namespace sallyport::dataplane::testing {

enum class OracleCipher { kGcm, kGmac, kCcm, kChaCha, kCbc, kCleartext };

struct OracleSa {
  uint32_t spi = 0x12300005;
  Bytes key = Bytes(20, 0x5a);  // the cipher's key, and its salt
  bool esn = false;
  bool encap = false;
  uint32_t source = 0xc6336401, destination = 0xcb007101;  // 198.51.100.1, 203.0.113.1
  uint16_t source_port = 4500, destination_port = 4500;
  OracleCipher cipher = OracleCipher::kGcm;
  size_t icv_bytes = 16;
  const char* digest = nullptr;  // of the HMAC beside kCbc and kCleartext: OpenSSL's name
  Bytes integrity_key = {};
  // The outer addresses where they are IPv6.
  std::optional<std::array<uint8_t, 16>> source6 = std::nullopt, destination6 = std::nullopt;

  size_t iv_bytes() const;
  size_t align_bytes() const { return cipher == OracleCipher::kCbc ? 16 : 4; }
};

struct SealOptions {
  std::optional<uint8_t> next_header = std::nullopt;  // instead of the one of the inner packet's version
  uint8_t outer_tos = 0;
  std::optional<uint8_t> pad_bytes = std::nullopt;  // instead of the fewest that align
  std::optional<uint8_t> pad_length_says = std::nullopt;
  std::optional<uint64_t> iv = std::nullopt;  // instead of the sequence number; CBC's is made of it
};

// The whole outer packet.
Bytes seal(const OracleSa& sa, uint64_t sequence, const Bytes& inner, const SealOptions& options = {});

struct Opened {
  Bytes outer;  // IP header, and UDP header where encapsulated
  uint32_t spi, sequence_low;
  uint64_t iv;  // its first 8 bytes; 0 without one
  Bytes whole_iv;
  Bytes inner;  // without padding
  Bytes padding;
  uint8_t next_header;
};

// Nothing where the packet is malformed, its outer header wrong in any field that isn't a choice, or the ICV
// wrong.
std::optional<Opened> open(const OracleSa& sa, uint32_t sequence_high, const Bytes& packet);

}  // namespace sallyport::dataplane::testing
