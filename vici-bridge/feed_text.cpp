// SPDX-License-Identifier: BSD-3-Clause
// Pure, any thread.
#include "vici-bridge/feed_text.h"

#include <arpa/inet.h>

namespace sallyport::vici {
namespace {

// Length of the UTF-8 sequence at the start of `text`; 0 if there is none. RFC 3629 section 4.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t(0); };
  const auto in = [&](size_t i, uint8_t low, uint8_t high) { return byte(i) >= low && byte(i) <= high; };
  const auto tail = [&](size_t i) { return in(i, 0x80, 0xbf); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (in(0, 0xc2, 0xdf)) return tail(1) ? 2 : 0;
  if (in(0, 0xe0, 0xef)) {
    const uint8_t low = first == 0xe0 ? 0xa0 : 0x80;   // no overlong forms
    const uint8_t high = first == 0xed ? 0x9f : 0xbf;  // no surrogates
    return in(1, low, high) && tail(2) ? 3 : 0;
  }
  if (in(0, 0xf0, 0xf4)) {
    const uint8_t low = first == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xf4 ? 0x8f : 0xbf;  // up to U+10FFFF
    return in(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string address_text(uint8_t family, const uint8_t* bytes) {
  char text[INET6_ADDRSTRLEN] = "none";
  if (family == 4) inet_ntop(AF_INET, bytes, text, sizeof text);
  if (family == 6) inet_ntop(AF_INET6, bytes, text, sizeof text);
  return text;
}

}  // namespace

std::string clean_text(std::string_view text) {
  const bool keep_high = is_utf8(text);
  std::string cleaned(text);
  for (char& c : cleaned) {
    const uint8_t byte = uint8_t(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !keep_high)) c = '?';
  }
  return cleaned;
}

std::string to_string(const sp_address& address) {
  return address_text(address.family, address.bytes);
}

std::string to_string(const sp_selector& selector) {
  std::string text =
      address_text(selector.family, selector.from) + "-" + address_text(selector.family, selector.to);
  const bool any_port = selector.port_from == 0 && selector.port_to == 65535;
  if (selector.protocol == 0 && any_port) return text;
  text += "[" + (selector.protocol == 0 ? std::string("any") : std::to_string(selector.protocol));
  if (!any_port) text += "/" + std::to_string(selector.port_from) + "-" + std::to_string(selector.port_to);
  return text + "]";
}

const char* alert_name(sp_alert alert) {
  switch (alert) {
    case SP_ALERT_RETRANSMIT_SEND:
      return "no answer yet, sent again";
    case SP_ALERT_RETRANSMIT_TIMEOUT:
      return "no answer, gave up";
    case SP_ALERT_PEER_AUTH_FAILED:
      return "the peer could not prove its identity";
    case SP_ALERT_LOCAL_AUTH_FAILED:
      return "the peer did not accept our identity";
    case SP_ALERT_PROPOSAL_MISMATCH_IKE:
      return "no IKE proposal in common";
    case SP_ALERT_PROPOSAL_MISMATCH_CHILD:
      return "no ESP proposal in common";
    case SP_ALERT_TS_MISMATCH:
      return "no traffic selector in common";
    case SP_ALERT_INSTALL_FAILED:
      return "the SA could not be installed";
    case SP_ALERT_PEER_UNREACHABLE:
      return "the peer's address could not be reached or resolved";
    case SP_ALERT_RETRANSMIT_CLEARED:
      return "the peer answers again";
  }
  return "unknown alert";
}

}  // namespace sallyport::vici
