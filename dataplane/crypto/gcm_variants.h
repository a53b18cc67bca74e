// SPDX-License-Identifier: BSD-3-Clause
// AES-GCM with an ICV of 8 or 12 bytes (RFC 4106 section 6) and AES-GMAC (RFC 4543), by the library's direct
// calls. Inside crypto/ only. Worker threads.
#pragma once

#include "dataplane/crypto/job_burst.h"

namespace sallyport::dataplane {

// Whether the job was encrypted, or decrypted with the right ICV. Its key is of kind kGcm or kGmac.
bool run_gcm_variant(IMB_MGR* library, CryptoJob& job, CryptoDirection direction);

}  // namespace sallyport::dataplane
