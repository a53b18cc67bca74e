// SPDX-License-Identifier: BSD-3-Clause
// ESP's algorithms on OpenSSL, one payload at a time: the oracle's cryptography.
#pragma once

#include <optional>

#include "tests/dataplane/esp_oracle.h"

namespace sallyport::dataplane::testing {

// What a payload is encrypted or decrypted with besides the SA's keys.
struct OraclePayload {
  uint64_t sequence;
  Bytes iv;
};

// Ciphertext and ICV of `text`, which is aligned.
Bytes protect(const OracleSa& sa, const OraclePayload& payload, const Bytes& text);
// The text; nothing where the ICV is wrong.
std::optional<Bytes> unprotect(const OracleSa& sa, const OraclePayload& payload, const Bytes& ciphertext,
                               const Bytes& icv);

}  // namespace sallyport::dataplane::testing
