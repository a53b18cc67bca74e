// SPDX-License-Identifier: BSD-3-Clause
// ESP's algorithms as IKE numbers them (RFC 7296 section 3.3.2), as the dataplane's API does, and in
// strongSwan's words. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "dataplane/api/algorithm.h"

namespace sallyport::control {

struct EspTransforms {
  api::Algorithm algorithm;
  api::Integrity integrity;
};

// `key_bytes`: of the encryption key, salt included; `integrity`: 0 for none. Nothing for what the API has no
// number for; whether the two go together is the dataplane's to say.
[[nodiscard]] std::optional<EspTransforms> transforms_of(uint16_t encryption, size_t key_bytes,
                                                         uint16_t integrity);

// As in a proposal: aes256gcm16, aes256-sha256.
[[nodiscard]] std::string algorithm_name(api::Algorithm algorithm, api::Integrity integrity);

}  // namespace sallyport::control
