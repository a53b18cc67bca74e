// SPDX-License-Identifier: BSD-3-Clause
// Checks the plugin's messages and turns them into values. Pure, any thread. What only the plugin decides
// must be right; text that a peer may have had a hand in (identities) is cleaned instead, so that no peer can
// end the feed.
#include "vici-bridge/feed_message.h"

#include <cstring>

#include "vici-bridge/feed_text.h"

namespace sallyport::vici {
namespace {

Error bad(const sp_feed_header& header, const std::string& what) {
  return Error{"SA feed: message " + std::to_string(header.number) + " of type " +
               std::to_string(header.type) + ": " + what};
}

// A datagram is not aligned for its struct; the copy may hold keys.
template <typename T>
struct Copied {
  T message;
  explicit Copied(std::span<const uint8_t> datagram) {
    std::memcpy(&message, datagram.data(), sizeof message);
  }
  ~Copied() { explicit_bzero(&message, sizeof message); }
  Copied(const Copied&) = delete;
  Copied& operator=(const Copied&) = delete;
};

// Reads fields and remembers the first that breaks a rule.
class Fields {
 public:
  explicit Fields(const sp_feed_header& header) : header_(header) {}

  bool flag(uint8_t value, const char* name) {
    if (value > 1) refuse(std::string(name) + " is " + std::to_string(value) + ", not 0 or 1");
    return value == 1;
  }

  template <size_t kSize>
  std::string text(const char (&field)[kSize], const char* name) {
    const size_t length = strnlen(field, kSize);
    if (length == kSize) refuse(std::string(name) + " has no end");
    return clean_text({field, length});
  }

  sp_address address(const sp_address& value, const char* name) {
    if (value.family != 0 && value.family != 4 && value.family != 6) {
      refuse(std::string(name) + " has address family " + std::to_string(value.family));
    }
    return value;
  }

  FeedSaId sa(uint32_t spi, uint32_t slot, uint8_t inbound) {
    const FeedSaId id{spi, slot, flag(inbound, "inbound")};
    if (slot > SP_SLOT_MASK) refuse("slot " + std::to_string(slot) + " is too large");
    if (id.inbound && spi < 256) refuse("the inbound SPI is a reserved one");
    if (id.inbound && (spi & SP_SLOT_MASK) != slot) refuse("the inbound SPI doesn't carry its slot");
    return id;
  }

  KeyMaterial key(const uint8_t (&bytes)[KeyMaterial::kMaxBytes], uint16_t length, const char* name) {
    if (length > KeyMaterial::kMaxBytes) {
      refuse(std::string(name) + " has " + std::to_string(length) + " bytes");
      return {};
    }
    return KeyMaterial(std::span(bytes, length));
  }

  void refuse(const std::string& what) {
    if (what_.empty()) what_ = what;
  }

  Result<FeedMessage> finish(FeedBody body) {
    if (!what_.empty()) return bad(header_, what_);
    return FeedMessage{header_.number, std::move(body)};
  }

 private:
  const sp_feed_header& header_;
  std::string what_{};
};

std::vector<sp_selector> read_selectors(Fields& fields, std::span<const uint8_t>& rest, uint16_t count) {
  std::vector<sp_selector> selectors(count);
  for (sp_selector& selector : selectors) {
    std::memcpy(&selector, rest.data(), sizeof selector);
    rest = rest.subspan(sizeof selector);
    if (selector.family != 4 && selector.family != 6) {
      fields.refuse("selector of address family " + std::to_string(selector.family));
    }
  }
  return selectors;
}

void read_sa_parameters(Fields& fields, const sp_feed_sa& from, FeedSaAdd& sa) {
  sa.reqid = from.reqid;
  sa.child_id = from.child_id;
  sa.ike_id = from.ike_id;
  sa.replay_window = from.replay_window;
  sa.tunnel_mode = fields.flag(from.tunnel_mode, "tunnel_mode");
  sa.encap = fields.flag(from.encap, "encap");
  sa.esn = fields.flag(from.esn, "esn");
  sa.installed = fields.flag(from.installed, "installed");
  sa.copy_df = fields.flag(from.copy_df, "copy_df");
  sa.copy_ecn = fields.flag(from.copy_ecn, "copy_ecn");
  sa.dscp_mode = from.dscp_mode;
  if (from.dscp_mode > 3) fields.refuse("dscp_mode is " + std::to_string(from.dscp_mode));
  sa.soft_seconds = from.soft_seconds;
  sa.hard_seconds = from.hard_seconds;
  sa.soft_bytes = from.soft_bytes;
  sa.hard_bytes = from.hard_bytes;
  sa.soft_packets = from.soft_packets;
  sa.hard_packets = from.hard_packets;
}

Result<FeedMessage> decode_sa(const sp_feed_header& header, std::span<const uint8_t> datagram) {
  if (datagram.size() < sizeof(sp_feed_sa)) return bad(header, "too short");
  const Copied<sp_feed_sa> copied(datagram);
  const sp_feed_sa& from = copied.message;
  if (from.local_selectors > SP_FEED_MAX_SELECTORS || from.remote_selectors > SP_FEED_MAX_SELECTORS) {
    return bad(header, "too many selectors");
  }
  const size_t selector_count = from.local_selectors + from.remote_selectors;
  if (datagram.size() != sizeof from + selector_count * sizeof(sp_selector))
    return bad(header, "wrong length");

  Fields fields(header);
  FeedSaAdd sa;
  sa.id = fields.sa(from.spi, from.slot, from.inbound);
  read_sa_parameters(fields, from, sa);
  sa.encryption = from.encryption;
  sa.encryption_key = fields.key(from.encryption_key, from.encryption_key_length, "encryption key");
  sa.integrity = from.integrity;
  sa.integrity_key = fields.key(from.integrity_key, from.integrity_key_length, "integrity key");
  sa.local = fields.address(from.local, "local");
  sa.remote = fields.address(from.remote, "remote");
  if (sa.local.family == 0 || sa.local.family != sa.remote.family)
    fields.refuse("addresses of two families, or none");
  sa.ike_name = fields.text(from.ike_name, "ike_name");
  sa.child_name = fields.text(from.child_name, "child_name");
  sa.local_id = fields.text(from.local_id, "local_id");
  sa.remote_id = fields.text(from.remote_id, "remote_id");
  std::span<const uint8_t> rest = datagram.subspan(sizeof from);
  sa.local_selectors = read_selectors(fields, rest, from.local_selectors);
  sa.remote_selectors = read_selectors(fields, rest, from.remote_selectors);
  return fields.finish(std::move(sa));
}

FeedBody read(Fields& fields, const sp_feed_hello& from) {
  FeedHello hello;
  std::copy(std::begin(from.instance), std::end(from.instance), hello.instance.begin());
  hello.strongswan_version = fields.text(from.strongswan_version, "strongswan_version");
  return hello;
}

FeedBody read(Fields& fields, const sp_feed_sa_update& from) {
  FeedSaUpdate update;
  update.id = fields.sa(from.spi, from.slot, from.inbound);
  update.encap = fields.flag(from.encap, "encap");
  update.local = fields.address(from.local, "local");
  update.remote = fields.address(from.remote, "remote");
  if (update.local.family == 0 || update.local.family != update.remote.family) {
    fields.refuse("addresses of two families, or none");
  }
  return update;
}

FeedBody read(Fields& fields, const sp_feed_sa_del& from) {
  return FeedSaDel{fields.sa(from.spi, from.slot, from.inbound), fields.address(from.remote, "remote")};
}

FeedBody read(Fields& fields, const sp_feed_child_event& from) {
  FeedChildEvent event;
  event.rekey = from.header.type == SP_FEED_CHILD_REKEY;
  event.ike_id = from.ike_id;
  event.child_id = from.child_id;
  event.other_id = from.other_id;
  event.reqid = from.reqid;
  event.inbound_spi = from.inbound_spi;
  event.outbound_spi = from.outbound_spi;
  event.state = from.state;
  event.state_name = fields.text(from.state_name, "state_name");
  event.ike_name = fields.text(from.ike_name, "ike_name");
  event.child_name = fields.text(from.child_name, "child_name");
  return event;
}

FeedBody read(Fields& fields, const sp_feed_ike_event& from) {
  FeedIkeEvent event;
  event.rekey = from.header.type == SP_FEED_IKE_REKEY;
  event.ike_id = from.ike_id;
  event.other_id = from.other_id;
  event.state = from.state;
  event.initiator = fields.flag(from.initiator, "initiator");
  event.version = from.version;
  event.state_name = fields.text(from.state_name, "state_name");
  event.ike_name = fields.text(from.ike_name, "ike_name");
  event.local_id = fields.text(from.local_id, "local_id");
  event.remote_id = fields.text(from.remote_id, "remote_id");
  event.local = fields.address(from.local, "local");
  event.remote = fields.address(from.remote, "remote");
  event.initiator_spi = from.initiator_spi;
  event.responder_spi = from.responder_spi;
  return event;
}

FeedBody read(Fields& fields, const sp_feed_alert& from) {
  FeedAlert alert;
  if (from.alert < SP_ALERT_RETRANSMIT_SEND || from.alert > SP_ALERT_RETRANSMIT_CLEARED) {
    fields.refuse("alert " + std::to_string(from.alert) + " is unknown");
    return alert;
  }
  alert.alert = sp_alert(from.alert);
  alert.count = from.count;
  alert.ike_id = from.ike_id;
  alert.ike_name = fields.text(from.ike_name, "ike_name");
  alert.local_id = fields.text(from.local_id, "local_id");
  alert.remote_id = fields.text(from.remote_id, "remote_id");
  alert.detail = fields.text(from.detail, "detail");
  alert.local = fields.address(from.local, "local");
  alert.remote = fields.address(from.remote, "remote");
  return alert;
}

FeedBody read(Fields& fields, const sp_feed_sa_expired& from) {
  FeedSaExpired expired;
  expired.id = fields.sa(from.spi, from.slot, from.inbound);
  expired.expiry = fields.flag(from.hard, "hard") ? Expiry::kHard : Expiry::kSoft;
  return expired;
}

FeedBody read_header_only(uint16_t type) {
  if (type == SP_FEED_SNAPSHOT_BEGIN) return FeedSnapshotBegin{};
  return FeedSnapshotEnd{};
}

template <typename T>
Result<FeedMessage> decode_fixed(const sp_feed_header& header, std::span<const uint8_t> datagram) {
  if (datagram.size() != sizeof(T)) return bad(header, "wrong length");
  const Copied<T> copied(datagram);
  Fields fields(header);
  FeedBody body = read(fields, copied.message);
  return fields.finish(std::move(body));
}

Result<sp_feed_header> check_header(std::span<const uint8_t> datagram) {
  sp_feed_header header{};
  if (datagram.size() < sizeof header)
    return Error{"SA feed: a message of " + std::to_string(datagram.size()) + " bytes"};
  std::memcpy(&header, datagram.data(), sizeof header);
  if (header.magic != SP_FEED_MAGIC)
    return Error{"SA feed: not a feed message", "is this socket the plugin's?"};
  if (header.version != SP_FEED_VERSION) {
    return Error{"SA feed: the plugin speaks version " + std::to_string(header.version) + ", this program " +
                     std::to_string(SP_FEED_VERSION),
                 "install the plugin that was built with this sallyportd and start charon again"};
  }
  if (datagram.size() > SP_FEED_MAX_MESSAGE || header.length != datagram.size()) {
    return bad(header, "its length field says " + std::to_string(header.length) + " of " +
                           std::to_string(datagram.size()) + " bytes");
  }
  if (header.number == 0) return bad(header, "not numbered");
  return header;
}

}  // namespace

Result<FeedMessage> decode_feed_message(std::span<const uint8_t> datagram) {
  const Result<sp_feed_header> checked = check_header(datagram);
  if (!checked) return checked.error();
  const sp_feed_header& header = *checked;
  switch (header.type) {
    case SP_FEED_HELLO:
      return decode_fixed<sp_feed_hello>(header, datagram);
    case SP_FEED_SNAPSHOT_BEGIN:
    case SP_FEED_SNAPSHOT_END:
      if (datagram.size() != sizeof header) return bad(header, "wrong length");
      return FeedMessage{header.number, read_header_only(header.type)};
    case SP_FEED_SA_ADD:
      return decode_sa(header, datagram);
    case SP_FEED_SA_UPDATE:
      return decode_fixed<sp_feed_sa_update>(header, datagram);
    case SP_FEED_SA_DEL:
      return decode_fixed<sp_feed_sa_del>(header, datagram);
    case SP_FEED_CHILD_STATE:
    case SP_FEED_CHILD_REKEY:
      return decode_fixed<sp_feed_child_event>(header, datagram);
    case SP_FEED_IKE_STATE:
    case SP_FEED_IKE_REKEY:
      return decode_fixed<sp_feed_ike_event>(header, datagram);
    case SP_FEED_ALERT:
      return decode_fixed<sp_feed_alert>(header, datagram);
    case SP_FEED_SA_EXPIRED:
      return decode_fixed<sp_feed_sa_expired>(header, datagram);
    default:
      return bad(header, "unknown type");
  }
}

}  // namespace sallyport::vici
