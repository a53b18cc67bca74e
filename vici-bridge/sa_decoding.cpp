// SPDX-License-Identifier: BSD-3-Clause
// IKE_SAs and CHILD_SAs out of charon's list-sa, updown and rekey events. Pure, any thread. charon leaves out
// keys that don't apply; a missing one is the type's default.
#include <algorithm>
#include <charconv>

#include "vici-bridge/commands.h"

namespace sallyport::vici {
namespace {

std::string text(const Message& section, std::string_view key) {
  return std::string(section.value_or(key, ""));
}

uint32_t u32(const Message& section, std::string_view key, int base = 10) {
  return uint32_t(section.number(key, 0, base));
}

// charon prints times to come as signed numbers: one that has passed is negative.
std::optional<Seconds> seconds(const Message& section, std::string_view key) {
  const std::string_view value = section.value_or(key, "");
  int64_t number = 0;
  const char* end = value.data() + value.size();
  auto [stop, code] = std::from_chars(value.data(), end, number);
  if (value.empty() || code != std::errc() || stop != end) return std::nullopt;
  return Seconds(number);
}

ChildSa decode_child(std::string_view section_name, const Message& section) {
  ChildSa sa;
  sa.name = section.value_or("name", section_name);
  sa.unique_id = u32(section, "uniqueid");
  sa.reqid = u32(section, "reqid");
  sa.state = text(section, "state");
  sa.mode = text(section, "mode");
  sa.protocol = text(section, "protocol");
  sa.encap = section.is_yes("encap");
  sa.spi_in = u32(section, "spi-in", 16);
  sa.spi_out = u32(section, "spi-out", 16);
  sa.encr_alg = text(section, "encr-alg");
  sa.encr_keysize = u32(section, "encr-keysize");
  sa.integ_alg = text(section, "integ-alg");
  sa.integ_keysize = u32(section, "integ-keysize");
  sa.dh_group = text(section, "dh-group");
  sa.esn = section.value("esn") == "1";
  sa.bytes_in = section.number("bytes-in");
  sa.packets_in = section.number("packets-in");
  sa.used_in_ago = seconds(section, "use-in");
  sa.bytes_out = section.number("bytes-out");
  sa.packets_out = section.number("packets-out");
  sa.used_out_ago = seconds(section, "use-out");
  sa.rekey_in = seconds(section, "rekey-time");
  sa.expires_in = seconds(section, "life-time");
  sa.installed_ago = seconds(section, "install-time");
  sa.local_ts = section.list("local-ts");
  sa.remote_ts = section.list("remote-ts");
  return sa;
}

void decode_ike_peers(const Message& section, IkeSa& sa) {
  sa.local_host = text(section, "local-host");
  sa.local_port = uint16_t(section.number("local-port"));
  sa.local_id = text(section, "local-id");
  sa.remote_host = text(section, "remote-host");
  sa.remote_port = uint16_t(section.number("remote-port"));
  sa.remote_id = text(section, "remote-id");
  sa.remote_xauth_id = text(section, "remote-xauth-id");
  sa.remote_eap_id = text(section, "remote-eap-id");
  sa.nat_local = section.is_yes("nat-local");
  sa.nat_remote = section.is_yes("nat-remote");
  sa.nat_fake = section.is_yes("nat-fake");
  sa.nat_any = section.is_yes("nat-any");
  sa.local_vips = section.list("local-vips");
  sa.remote_vips = section.list("remote-vips");
}

IkeSa decode_ike(std::string_view name, const Message& section) {
  IkeSa sa;
  sa.name = name;
  sa.unique_id = u32(section, "uniqueid");
  sa.version = int(section.number("version"));
  sa.state = text(section, "state");
  decode_ike_peers(section, sa);
  sa.initiator = section.is_yes("initiator");
  sa.initiator_spi = section.number("initiator-spi", 0, 16);
  sa.responder_spi = section.number("responder-spi", 0, 16);
  sa.encr_alg = text(section, "encr-alg");
  sa.encr_keysize = u32(section, "encr-keysize");
  sa.integ_alg = text(section, "integ-alg");
  sa.integ_keysize = u32(section, "integ-keysize");
  sa.prf_alg = text(section, "prf-alg");
  sa.dh_group = text(section, "dh-group");
  sa.established_ago = seconds(section, "established");
  sa.rekey_in = seconds(section, "rekey-time");
  sa.reauth_in = seconds(section, "reauth-time");
  sa.tasks_queued = section.list("tasks-queued");
  sa.tasks_active = section.list("tasks-active");
  sa.tasks_passive = section.list("tasks-passive");
  return sa;
}

// Calls `use(name, section)` for each section directly under `message`.
template <typename Use>
void for_each_section(const Message& message, Use use) {
  for (const Message::Entry& entry : message.entries()) {
    if (const auto* section = std::get_if<Message>(&entry.content)) use(entry.name, *section);
  }
}

}  // namespace

std::vector<IkeSa> decode_ike_sas(const Message& message) {
  std::vector<IkeSa> sas;
  for_each_section(message, [&](const std::string& name, const Message& section) {
    sas.push_back(decode_ike(name, section));
    const Message* children = section.find_section("child-sas");
    if (children == nullptr) return;
    for_each_section(*children, [&](const std::string& child_name, const Message& child) {
      sas.back().children.push_back(decode_child(child_name, child));
    });
  });
  return sas;
}

IkeUpdown decode_ike_updown(const Message& message) {
  return {message.is_yes("up"), decode_ike_sas(message)};
}

ChildUpdown decode_child_updown(const Message& message) {
  return {message.is_yes("up"), decode_ike_sas(message)};
}

IkeRekey decode_ike_rekey(const Message& message) {
  IkeRekey rekey;
  for_each_section(message, [&](const std::string& name, const Message& section) {
    if (const Message* old_sa = section.find_section("old")) rekey.old_sa = decode_ike(name, *old_sa);
    if (const Message* new_sa = section.find_section("new")) rekey.new_sa = decode_ike(name, *new_sa);
  });
  return rekey;
}

std::vector<ChildRekey> decode_child_rekey(const Message& message) {
  std::vector<ChildRekey> rekeys;
  for_each_section(message, [&](const std::string& name, const Message& section) {
    const Message* children = section.find_section("child-sas");
    if (children == nullptr) return;
    for_each_section(*children, [&](const std::string& child_name, const Message& child) {
      const Message* old_sa = child.find_section("old");
      const Message* new_sa = child.find_section("new");
      if (old_sa == nullptr || new_sa == nullptr) return;
      rekeys.push_back(
          {decode_ike(name, section), decode_child(child_name, *old_sa), decode_child(child_name, *new_sa)});
    });
  });
  return rekeys;
}

LogLine decode_log_line(const Message& message) {
  LogLine line;
  line.group = text(message, "group");
  line.text = text(message, "msg");
  line.ike_name = text(message, "ikesa-name");
  line.level = int(message.number("level"));
  line.ike_id = u32(message, "ikesa-uniqueid");
  return line;
}

std::vector<ConnectionInfo> decode_connections(const Message& message) {
  std::vector<ConnectionInfo> connections;
  for_each_section(message, [&](const std::string& name, const Message& section) {
    ConnectionInfo info{.name = name};
    info.version = text(section, "version");
    info.unique = text(section, "unique");
    info.local_addrs = section.list("local_addrs");
    info.remote_addrs = section.list("remote_addrs");
    if (const Message* children = section.find_section("children")) {
      for_each_section(*children,
                       [&](const std::string& child, const Message&) { info.children.push_back(child); });
    }
    connections.push_back(std::move(info));
  });
  return connections;
}

}  // namespace sallyport::vici
