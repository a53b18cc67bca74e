// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/proposals.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

enum class Kind { kEncryption, kAead, kIntegrity, kPrf, kGroup, kEsn, kWeak };
enum class Protocol { kIke, kEsp };

struct Keyword {
  Kind kind;
  std::optional<Protocol> only;  // refused in the other one
  std::string reason;            // of kWeak, and of `only`
};

using Keywords = std::map<std::string, Keyword>;

void add_aes(Keywords& words, const std::string& size) {
  const std::string aes = "aes" + size;
  const auto add = [&](Kind kind, const std::vector<std::string>& suffixes,
                       std::optional<Protocol> only = std::nullopt, const std::string& reason = "") {
    for (const std::string& suffix : suffixes)
      words[aes + suffix] = {kind, only, reason};
  };
  add(Kind::kEncryption, {""});
  add(Kind::kAead, {"gcm16", "gcm128", "gcm", "gcm12", "gcm96", "gcm8", "gcm64"});
  add(Kind::kAead, {"gmac"}, Protocol::kEsp, "without encryption IKE's messages can be read by anyone");
  const std::vector<std::string> ccm = {"ccm16", "ccm128", "ccm", "ccm12", "ccm96", "ccm8", "ccm64"};
  if (size == "192") {
    add(Kind::kAead, ccm, Protocol::kIke, "the dataplane has AES-CCM with 128 and 256-bit keys only");
  } else {
    add(Kind::kAead, ccm);
  }
  add(Kind::kEncryption, {"ctr"}, Protocol::kIke, "the dataplane has counter mode only in GCM and CCM");
}

void add_weak(Keywords& words) {
  const auto add = [&words](const std::vector<std::string>& names, const std::string& reason) {
    for (const std::string& name : names)
      words[name] = {Kind::kWeak, std::nullopt, reason};
  };
  add({"des", "des_iv64"}, "DES has 56-bit keys and is broken");
  add({"3des"}, "3DES has 64-bit blocks, which leak after few gigabytes (Sweet32)");
  add({"blowfish", "blowfish128", "blowfish192", "blowfish256"},
      "Blowfish has 64-bit blocks, which leak after few gigabytes (Sweet32)");
  add({"cast128"}, "CAST-128 has 64-bit blocks, which leak after few gigabytes (Sweet32)");
  add({"md5", "md5_128", "prfmd5"}, "MD5 is broken");
  add({"sha256_96"}, "it cuts SHA2-256 to 96 bits, as no RFC does (RFC 4868: 128)");
  add({"modp768", "modp1024", "modp1024s160", "modp1536", "ecp192", "ecp192bp"},
      "the group is too small for today's computers");
  add({"modp2048s224", "modp2048s256"}, "the group has small subgroups (RFC 8247)");
  add({"modpnone", "ecpnone", "modpnull"}, "there is no key exchange without a group");
}

Keywords make_keywords() {
  Keywords words;
  const auto add = [&words](Kind kind, const std::vector<std::string>& names,
                            std::optional<Protocol> only = std::nullopt, const std::string& reason = "") {
    for (const std::string& name : names)
      words[name] = {kind, only, reason};
  };
  for (const std::string size : {"128", "192", "256"}) {
    add_aes(words, size);
    add(Kind::kEncryption, {"camellia" + size, "camellia" + size + "ctr"}, Protocol::kIke,
        "the dataplane has no Camellia");
  }
  add(Kind::kEncryption, {"aes"});
  add(Kind::kEncryption, {"null"}, Protocol::kEsp, "without encryption IKE's messages can be read by anyone");
  add(Kind::kAead, {"chacha20poly1305"});
  add(Kind::kIntegrity, {"sha", "sha1", "sha2_256", "sha256", "sha2_384", "sha384", "sha2_512", "sha512"});
  add(Kind::kIntegrity, {"aesxcbc", "aescmac"}, Protocol::kIke, "the dataplane has HMAC only");
  add(Kind::kPrf, {"prfsha1", "prfsha256", "prfsha384", "prfsha512", "prfaesxcbc", "prfaescmac"});
  add(Kind::kGroup,
      {"modp2048", "modp3072", "modp4096", "modp6144", "modp8192", "ecp224", "ecp256", "ecp384", "ecp521",
       "ecp224bp", "ecp256bp", "ecp384bp", "ecp512bp", "curve25519", "x25519", "curve448", "x448"});
  add(Kind::kEsn, {"esn", "noesn"});
  add_weak(words);
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
};

bool is_taken(const Keyword& keyword, Protocol protocol) {
  return keyword.kind != Kind::kWeak && keyword.only.value_or(protocol) == protocol;
}

ProposalProblem unknown_word(const std::string& word, Protocol protocol, const std::string& good) {
  std::set<std::string> known;
  for (const auto& [name, keyword] : keywords()) {
    if (is_taken(keyword, protocol)) known.insert(name);
  }
  std::string hint = did_you_mean(word, known);
  if (hint.empty()) hint = "for example " + good;
  return {"unknown algorithm '" + word.substr(0, 40) + "' in the proposal", hint};
}

// Sorts the words by kind, and refuses what is unknown, weak or not for this protocol.
Parts parts_of(const std::string& proposal, Protocol protocol, const std::string& good) {
  Parts parts;
  std::set<std::string> seen;
  for (const std::string& word : split(proposal)) {
    const auto found = keywords().find(word);
    if (found == keywords().end()) {
      parts.problem = unknown_word(word, protocol, good);
      return parts;
    }
    if (!is_taken(found->second, protocol)) {
      parts.problem = {"'" + word + "' is refused: " + found->second.reason, "use " + good};
      return parts;
    }
    if (!seen.insert(word).second) {
      parts.problem = {"'" + word + "' is there twice", "name each algorithm once"};
      return parts;
    }
    parts.kinds.insert(found->second.kind);
  }
  const bool has_aead = parts.has(Kind::kAead);
  if (has_aead && parts.has(Kind::kEncryption)) {
    parts.problem = {"authenticated and plain encryption in one proposal", "write two proposals"};
  } else if (has_aead && parts.has(Kind::kIntegrity)) {
    parts.problem = {"an authenticated cipher (GCM, CCM, ChaCha20-Poly1305) takes no integrity algorithm",
                     "leave it out; a pseudo-random function of IKE is written prfsha384"};
  } else if (!has_aead && !parts.has(Kind::kEncryption)) {
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
  const Parts parts = parts_of(proposal, Protocol::kIke, good);
  if (parts.problem) return parts.problem;
  if (parts.has(Kind::kEsn))
    return ProposalProblem{"'esn' and 'noesn' belong to ESP, not to IKE", "leave it out"};
  if (parts.has(Kind::kAead) && !parts.has(Kind::kPrf)) {
    return ProposalProblem{"an authenticated cipher needs a pseudo-random function", "for example " + good};
  }
  if (!parts.has(Kind::kGroup)) {
    return ProposalProblem{"the proposal has no key exchange group", "for example " + good};
  }
  return std::nullopt;
}

std::optional<ProposalProblem> check_esp_proposal(const std::string& proposal) {
  const std::string good = "aes256gcm16-esn";
  const Parts parts = parts_of(proposal, Protocol::kEsp, good);
  if (parts.problem) return parts.problem;
  if (parts.has(Kind::kPrf))
    return ProposalProblem{"a pseudo-random function belongs to IKE, not to ESP", "leave it out"};
  return std::nullopt;
}

}  // namespace sallyport::control
