// SPDX-License-Identifier: BSD-3-Clause
// Proposals in strongSwan's words (aes256gcm16-prfsha384-ecp384): what this gateway takes, and why it refuses
// the rest. Pure; any thread. The judgement follows RFC 8247 (IKEv2) and RFC 8221 (ESP).
#pragma once

#include <optional>
#include <string>

namespace sallyport::control {

struct ProposalProblem {
  std::string message, hint;
};

[[nodiscard]] std::optional<ProposalProblem> check_ike_proposal(const std::string& proposal);
// AES-GCM, AES-CCM (128 and 256 bits), AES-GMAC, ChaCha20-Poly1305; AES-CBC and NULL with an HMAC of SHA-1 or
// SHA-2. With or without a key exchange group (PFS) and ESN.
[[nodiscard]] std::optional<ProposalProblem> check_esp_proposal(const std::string& proposal);

}  // namespace sallyport::control
