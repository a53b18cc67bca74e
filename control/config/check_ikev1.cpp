// SPDX-License-Identifier: BSD-3-Clause
// What a connection with IKEv1 (RFC 2409) can't do, or not safely.
#include <array>
#include <string_view>

#include "control/config/sections.h"

namespace sallyport::control {

namespace {

// Algorithms of an IKE proposal that IKEv1's phase 1 has no number for, by how their names begin.
constexpr std::array<std::string_view, 2> kCombinedModes = {"gcm", "ccm"};

bool is_combined_mode(const std::string& proposal) {
  for (const std::string_view mode : kCombinedModes) {
    if (proposal.find(mode) != std::string::npos) return true;
  }
  return proposal.find("chacha20") != std::string::npos;
}

void check_phase_1(Reader& reader, const std::string& path, const Ike& ike) {
  for (size_t i = 0; i < ike.proposals.size(); ++i) {
    const std::string place = path + ".ike.proposals[" + std::to_string(i) + "]";
    const std::string& proposal = ike.proposals[i];
    if (is_combined_mode(proposal)) {
      reader.error_at(place, "IKEv1 itself has no authenticated ciphers (GCM, CCM, ChaCha20-Poly1305)",
                      "for example aes256-sha384-ecp384; esp.proposals may have them");
    } else if (proposal.find("-prf") != std::string::npos) {
      reader.error_at(place, "IKEv1 has no pseudo-random function of its own, it uses the hash",
                      "for example aes256-sha384-ecp384");
    }
  }
}

}  // namespace

void check_ikev1(Reader& reader, const Connection& connection) {
  const std::string path = "connections." + connection.name;
  const Ike& ike = connection.ike;
  if (ike.version != 1) {
    if (ike.aggressive)
      reader.error_at(path + ".ike.aggressive", "IKEv2 has no aggressive mode", "leave the key out");
    return;
  }
  if (ike.aggressive && connection.auth.is_psk()) {
    reader.error_at(path + ".ike.aggressive",
                    "aggressive mode with a shared secret is refused: it hands anyone who asks a hash of the "
                    "secret, to guess it from at leisure",
                    "leave the key out for main mode, or use certificates");
  }
  if (connection.mobike) {
    reader.error_at(path + ".mobike", "IKEv1 has no MOBIKE", "leave the key out, or use IKEv2");
  }
  check_phase_1(reader, path, ike);
}

}  // namespace sallyport::control
