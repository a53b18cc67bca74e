// SPDX-License-Identifier: BSD-3-Clause
// AES-CBC and NULL with an HMAC: bursts of the library's ciphers and of its hashes, one after the other.
// Inside crypto/ only. Worker threads.
#pragma once

#include <span>

#include "dataplane/crypto/job_burst.h"

namespace sallyport::dataplane {

// Fetches what `job` needs of its key in this direction.
void prefetch_hmac_key(const CryptoJob& job, CryptoDirection direction);

// Runs all of them, at most kMaxCryptoBurst of kinds kCbc and kNull, and sets their `ok`. Changes the order
// of `jobs`.
void run_hmac_burst(IMB_MGR* library, std::span<CryptoJob*> jobs, CryptoDirection direction);

}  // namespace sallyport::dataplane
