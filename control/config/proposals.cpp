// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/proposals.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

enum class Kind { kEncryption, kAead, kGcm16, kIntegrity, kPrf, kGroup, kEsn, kWeak };

struct Keyword {
  Kind kind;
  std::string reason;  // of kWeak
};

using Keywords = std::map<std::string, Keyword>;

Keywords make_keywords() {
  Keywords words;
  const auto add = [&words](Kind kind, const std::vector<std::string>& names,
                            const std::string& reason = "") {
    for (const std::string& name : names)
      words[name] = {kind, reason};
  };
  for (const std::string size : {"128", "192", "256"}) {
    const std::string aes = "aes" + size;
    add(Kind::kGcm16, {aes + "gcm16", aes + "gcm128", aes + "gcm"});
    add(Kind::kAead,
        {aes + "gcm12", aes + "gcm96", aes + "gcm8", aes + "gcm64", aes + "ccm16", aes + "ccm128",
         aes + "ccm12", aes + "ccm96", aes + "ccm8", aes + "ccm64", aes + "gmac"});
    add(Kind::kEncryption, {aes, aes + "ctr", "camellia" + size, "camellia" + size + "ctr"});
  }
  add(Kind::kAead, {"chacha20poly1305"});
  add(Kind::kEncryption, {"aes"});
  add(Kind::kIntegrity, {"sha", "sha1", "sha2_256", "sha256", "sha2_384", "sha384", "sha2_512", "sha512",
                         "aesxcbc", "aescmac"});
  add(Kind::kPrf, {"prfsha1", "prfsha256", "prfsha384", "prfsha512", "prfaesxcbc", "prfaescmac"});
  add(Kind::kGroup,
      {"modp2048", "modp3072", "modp4096", "modp6144", "modp8192", "ecp224", "ecp256", "ecp384", "ecp521",
       "ecp224bp", "ecp256bp", "ecp384bp", "ecp512bp", "curve25519", "x25519", "curve448", "x448"});
  add(Kind::kEsn, {"esn", "noesn"});
  add(Kind::kWeak, {"des", "des_iv64"}, "DES has 56-bit keys and is broken");
  add(Kind::kWeak, {"3des"}, "3DES has 64-bit blocks, which leak after few gigabytes (Sweet32)");
  add(Kind::kWeak, {"blowfish", "blowfish128", "blowfish192", "blowfish256"},
      "Blowfish has 64-bit blocks, which leak after few gigabytes (Sweet32)");
  add(Kind::kWeak, {"cast128"}, "CAST-128 has 64-bit blocks, which leak after few gigabytes (Sweet32)");
  add(Kind::kWeak, {"md5", "md5_128", "prfmd5"}, "MD5 is broken");
  add(Kind::kWeak, {"null"}, "without encryption the packets can be read by anyone");
  add(Kind::kWeak, {"modp768", "modp1024", "modp1024s160", "modp1536", "ecp192", "ecp192bp"},
      "the group is too small for today's computers");
  add(Kind::kWeak, {"modp2048s224", "modp2048s256"}, "the group has small subgroups (RFC 8247)");
  add(Kind::kWeak, {"modpnone", "ecpnone", "modpnull"}, "there is no key exchange without a group");
  return words;
}

const Keywords& keywords() {
  static const Keywords kWords = make_keywords();
  return kWords;
}

std::vector<std::string> split(const std::string& proposal) {
  std::vector<std::string> words;
  size_t from = 0;
  while (true) {
    const size_t dash = proposal.find('-', from);
    words.push_back(proposal.substr(from, dash - from));
    if (dash == std::string::npos) return words;
    from = dash + 1;
  }
}

struct Parts {
  std::multiset<Kind> kinds;
  std::optional<ProposalProblem> problem;
  [[nodiscard]] bool has(Kind kind) const { return kinds.contains(kind); }
  [[nodiscard]] bool has_aead() const { return has(Kind::kAead) || has(Kind::kGcm16); }
};

// Sorts the words by kind, and refuses what is unknown or weak.
Parts parts_of(const std::string& proposal, const std::string& good) {
  Parts parts;
  std::set<std::string> seen;
  for (const std::string& word : split(proposal)) {
    const auto found = keywords().find(word);
    if (found == keywords().end()) {
      std::set<std::string> known;
      for (const auto& [name, keyword] : keywords()) {
        if (keyword.kind != Kind::kWeak) known.insert(name);
      }
      std::string hint = did_you_mean(word, known);
      if (hint.empty()) hint = "for example " + good;
      parts.problem = {"unknown algorithm '" + word.substr(0, 40) + "' in the proposal", hint};
      return parts;
    }
    if (found->second.kind == Kind::kWeak) {
      parts.problem = {"'" + word + "' is refused: " + found->second.reason, "use " + good};
      return parts;
    }
    if (!seen.insert(word).second) {
      parts.problem = {"'" + word + "' is there twice", "name each algorithm once"};
      return parts;
    }
    parts.kinds.insert(found->second.kind);
  }
  if (parts.has_aead() && parts.has(Kind::kEncryption)) {
    parts.problem = {"authenticated and plain encryption in one proposal", "write two proposals"};
  } else if (parts.has_aead() && parts.has(Kind::kIntegrity)) {
    parts.problem = {"an authenticated cipher (GCM, CCM, ChaCha20-Poly1305) takes no integrity algorithm",
                     "leave it out; a pseudo-random function of IKE is written prfsha384"};
  } else if (!parts.has_aead() && !parts.has(Kind::kEncryption)) {
    parts.problem = {"the proposal has no encryption algorithm", "for example " + good};
  } else if (parts.has(Kind::kEncryption) && !parts.has(Kind::kIntegrity)) {
    parts.problem = {"encryption without integrity is refused: packets could be altered unnoticed",
                     "use " + good};
  }
  return parts;
}

}  // namespace

std::optional<ProposalProblem> check_ike_proposal(const std::string& proposal) {
  const std::string good = "aes256gcm16-prfsha384-ecp384";
  const Parts parts = parts_of(proposal, good);
  if (parts.problem) return parts.problem;
  if (parts.has(Kind::kEsn))
    return ProposalProblem{"'esn' and 'noesn' belong to ESP, not to IKE", "leave it out"};
  if (proposal.find("gmac") != std::string::npos) {
    return ProposalProblem{"'gmac' is refused: it does not encrypt", "use " + good};
  }
  if (parts.has_aead() && !parts.has(Kind::kPrf)) {
    return ProposalProblem{"an authenticated cipher needs a pseudo-random function", "for example " + good};
  }
  if (!parts.has(Kind::kGroup)) {
    return ProposalProblem{"the proposal has no key exchange group", "for example " + good};
  }
  return std::nullopt;
}

std::optional<ProposalProblem> check_esp_proposal(const std::string& proposal) {
  const std::string good = "aes256gcm16-esn";
  const Parts parts = parts_of(proposal, good);
  if (parts.problem) return parts.problem;
  if (parts.has(Kind::kPrf))
    return ProposalProblem{"a pseudo-random function belongs to IKE, not to ESP", "leave it out"};
  if (parts.has(Kind::kEncryption) || parts.has(Kind::kAead)) {
    return ProposalProblem{"not supported by this version: ESP with anything but AES-GCM with a 16-byte ICV",
                           "use aes128gcm16, aes192gcm16 or aes256gcm16"};
  }
  return std::nullopt;
}

}  // namespace sallyport::control
