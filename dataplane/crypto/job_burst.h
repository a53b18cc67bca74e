// SPDX-License-Identifier: BSD-3-Clause
// Every algorithm but AES-GCM with a 16-byte ICV: as bursts of IPsec-MB's jobs, which run several packets'
// blocks side by side. Inside crypto/ only. Worker threads.
#pragma once

#include <span>

#include "dataplane/crypto/crypto_engine.h"

namespace sallyport::dataplane {

enum class CryptoDirection : uint8_t { kEncrypt, kDecrypt };

// Runs those of `jobs` that have a key and are not AES-GCM-16, and sets their `ok`; leaves the others alone.
// As the contract of CryptoEngine::encrypt and decrypt has it.
void run_job_burst(IMB_MGR* library, std::span<CryptoJob> jobs, CryptoDirection direction);

}  // namespace sallyport::dataplane
