// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/show.h"

#include <array>
#include <ctime>
#include <functional>
#include <map>
#include <set>

#include "control/cli/units.h"

namespace sallyport::cli {

namespace {

using Format = std::function<Cell(const Json& value)>;

// One column of a table: its title, the key of the row's object, how the value is written.
struct Field {
  Column column;
  std::string key;
  Format format;
};

Cell plain(const Json& value) {
  if (value.is_string()) return {value.get<std::string>().empty() ? "-" : value.get<std::string>()};
  if (value.is_array()) {
    std::string text;
    for (const Json& item : value)
      text += (text.empty() ? "" : ", ") + plain(item).text;
    return {text.empty() ? "-" : text};
  }
  if (value.is_object() && value.contains("name")) {  // a member of a next-hop group
    const std::string name = value["name"].get<std::string>();
    const std::string text = name.empty() ? value.value("kind", "-") : name;
    return {text + (value.value("up", true) ? "" : " (down)")};
  }
  if (value.is_boolean()) return {value.get<bool>() ? "yes" : "no"};
  return {value.is_null() ? "-" : value.dump()};
}

template <std::string (*write)(uint64_t)>
Cell number(const Json& value) {
  if (!value.is_number()) return {"-"};
  const auto number = value.get<double>();
  return {number < 0
              ? "-"
              : write(value.is_number_unsigned() ? value.get<uint64_t>() : static_cast<uint64_t>(number))};
}

Cell ago(const Json& value) {
  Cell cell = number<seconds_text>(value);
  return cell.text == "-" ? Cell{"never"} : Cell{cell.text + " ago"};
}

Cell state(const Json& value) {
  Cell cell = plain(value);
  if (cell.text == "up" || cell.text == "reachable" || cell.text == "carries") cell.colour = Colour::kGreen;
  if (cell.text == "down" || cell.text == "failed" || cell.text == "out") cell.colour = Colour::kRed;
  if (cell.text == "connecting" || cell.text == "degraded") cell.colour = Colour::kYellow;
  return cell;
}

Cell link(const Json& value) {
  if (value.is_boolean()) return state(value.get<bool>() ? "up" : "down");
  return state(value);
}

Cell bad_if_any(const Json& value) {
  Cell cell = number<count_text>(value);
  if (cell.text != "-" && cell.text != "0") cell.colour = Colour::kRed;
  return cell;
}

Cell if_any(const Json& value) {
  return value.is_null() ? Cell{} : plain(value);
}

// Seconds of the UNIX epoch as local time; a text stays as it is.
Cell moment(const Json& value) {
  if (!value.is_number()) return plain(value);
  const auto seconds = static_cast<time_t>(value.get<double>());
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local);
  return {text.data()};
}

Field text_field(const std::string& title, const std::string& key, size_t widest = 40) {
  return {{title, Align::kLeft, widest}, key, plain};
}
Field number_field(const std::string& title, const std::string& key, Format format = number<count_text>) {
  return {{title, Align::kRight, 20}, key, std::move(format)};
}
Field field(const std::string& title, const std::string& key, Format format) {
  return {{title, Align::kLeft, 24}, key, std::move(format)};
}

const std::map<std::string, std::vector<Field>>& tables() {
  static const std::map<std::string, std::vector<Field>> kTables = {
      {"ports",
       {text_field("PORT", "name", 15), text_field("NETWORK", "virtual_network", 20),
        field("LINK", "link", link), text_field("MAC", "mac"), number_field("MTU", "mtu", plain),
        number_field("RX PKTS", "rx_packets"), number_field("RX", "rx_bytes", number<bytes_text>),
        number_field("TX PKTS", "tx_packets"), number_field("TX", "tx_bytes", number<bytes_text>),
        number_field("RX DROP", "rx_dropped", bad_if_any), number_field("TX DROP", "tx_dropped", bad_if_any),
        text_field("ADDRESSES", "addresses", 0)}},
      {"connections",
       {text_field("CONNECTION", "name"), text_field("NETWORK", "virtual_network", 20),
        text_field("SITE", "site", 20), field("STATE", "state", state), number_field("UP", "tunnels_up"),
        number_field("CARRY", "tunnels_carrying"), number_field("OF", "tunnels"), text_field("MODE", "mode"),
        text_field("ROUTING", "routing")}},
      {"tunnels",
       {text_field("TUNNEL", "name", 44), field("STATE", "state", state), field("TRAFFIC", "traffic", state),
        number_field("SINCE", "since_s", number<seconds_text>), text_field("LOCAL", "local"),
        text_field("REMOTE", "remote"), text_field("ENCRYPTION", "encryption", 28), text_field("NAT", "nat"),
        number_field("IN PKTS", "in_packets"), number_field("IN", "in_bytes", number<bytes_text>),
        number_field("OUT PKTS", "out_packets"), number_field("OUT", "out_bytes", number<bytes_text>),
        number_field("MTU", "path_mtu", plain), text_field("REASON", "reason", 0)}},
      {"sas",
       {text_field("TUNNEL", "tunnel", 44),
        text_field("DIR", "direction"),
        text_field("SPI", "spi"),
        number_field("SLOT", "slot", plain),
        number_field("WORKER", "home_worker", plain),
        text_field("ALGORITHM", "algorithm", 20),
        text_field("ESN", "esn"),
        text_field("ACTIVE", "active"),
        number_field("PKTS", "packets"),
        number_field("BYTES", "bytes", number<bytes_text>),
        number_field("LAST USE", "last_use_s", ago),
        number_field("ICV", "icv_failed", bad_if_any),
        number_field("REPLAY", "replayed", bad_if_any),
        number_field("POLICY", "policy_dropped", bad_if_any),
        {{"SELECTORS", Align::kLeft, 0}, "selectors", if_any}}},
      {"routes",
       {text_field("NETWORK", "virtual_network", 20), text_field("PREFIX", "prefix"),
        text_field("KIND", "kind"), text_field("VIA", "via"), text_field("GROUP", "group"),
        text_field("MEMBERS", "members", 0)}},
      {"neighbours",
       {text_field("PORT", "port", 15), text_field("ADDRESS", "address"), text_field("MAC", "mac"),
        field("STATE", "state", state)}},
      {"drops",
       {text_field("REASON", "reason"), number_field("PACKETS", "packets"),
        text_field("DESCRIPTION", "description", 0)}},
      {"events",
       {field("TIME", "time", moment), text_field("KIND", "kind", 24), text_field("SUBJECT", "subject", 44),
        text_field("EVENT", "text", 0)}},
  };
  return kTables;
}

Json member(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : Json();
}

bool is_quiet_drop(const Json& row) {
  const Json packets = member(row, "packets");
  return packets.is_number() && packets.get<double>() == 0;
}

// Gives each SA of a tunnel that has some for different selectors its own as one text, as charon writes them.
Json with_selectors(Json sas) {
  std::map<std::string, std::set<std::string>> by_tunnel;
  const auto tunnel_of = [](const Json& sa) { return plain(member(sa, "tunnel")).text; };
  const auto selectors_of = [](const Json& sa) {
    return plain(member(sa, "local_selectors")).text + " === " + plain(member(sa, "remote_selectors")).text;
  };
  for (const Json& sa : sas)
    by_tunnel[tunnel_of(sa)].insert(selectors_of(sa));
  for (Json& sa : sas)
    if (sa.is_object() && by_tunnel[tunnel_of(sa)].size() > 1) sa["selectors"] = selectors_of(sa);
  return sas;
}

std::string show_table(const std::string& noun, const Json& answer, const ShowStyle& style) {
  const auto& fields = tables().at(noun);
  std::vector<Column> columns;
  for (const Field& one : fields)
    columns.push_back(one.column);
  Table table(std::move(columns));
  if (answer.is_array()) {
    for (const Json& row : noun == "sas" ? with_selectors(answer) : answer) {
      if (noun == "drops" && style.drop_rows == DropRows::kNonZero && is_quiet_drop(row)) continue;
      std::vector<Cell> cells;
      for (const Field& one : fields)
        cells.push_back(one.format(member(row, one.key)));
      table.add_row(std::move(cells));
    }
  }
  if (!table.empty()) return table.text(style.colours);
  return noun == "drops" ? "no packet was dropped\n" : "no " + noun + "\n";
}

std::string part_text(const Json& part, Colours colours) {
  const bool connected = member(part, "connected") == true;
  std::string text =
      painted(connected ? "connected" : "not connected", connected ? Colour::kGreen : Colour::kRed, colours);
  if (!part.is_object()) return text;
  for (const auto& [key, value] : part.items()) {
    if (key != "connected" && !value.is_structured())
      text += ", " + printable(key) + " " + printable(plain(value).text);
  }
  return text;
}

std::string show_gateway(const Json& answer, Colours colours) {
  std::string text = "name       " + printable(plain(member(answer, "name")).text) + "\n";
  text += "uptime     " + number<seconds_text>(member(answer, "uptime_s")).text + "\n";
  text += "dataplane  " + part_text(member(answer, "dataplane"), colours) + "\n";
  text += "charon     " + part_text(member(answer, "charon"), colours) + "\n";
  const Json workers = member(answer, "workers");
  if (!workers.is_array() || workers.empty()) return text;
  // Whatever the dataplane counts for each worker, in its own words.
  std::vector<Column> columns;
  std::vector<std::string> keys;
  if (!workers.front().is_object()) return text + "workers    " + printable(plain(workers).text) + "\n";
  for (const auto& [key, value] : workers.front().items()) {
    keys.push_back(key);
    columns.push_back({printable(key), Align::kRight, 24});
  }
  Table table(std::move(columns));
  for (const Json& worker : workers) {
    std::vector<Cell> cells;
    for (const std::string& key : keys)
      cells.push_back(plain(member(worker, key)));
    table.add_row(std::move(cells));
  }
  return text + "\n" + table.text(colours);
}

}  // namespace

const std::vector<std::string>& show_nouns() {
  static const std::vector<std::string> kNouns = {"gateway", "ports",      "connections", "tunnels", "sas",
                                                  "routes",  "neighbours", "drops",       "events"};
  return kNouns;
}

std::string show(const std::string& noun, const Json& answer, const ShowStyle& style) {
  return noun == "gateway" ? show_gateway(answer, style.colours) : show_table(noun, answer, style);
}

std::string diff_text(const Json& changes, Colours colours) {
  std::string text;
  if (!changes.is_array()) return text;
  for (const Json& change : changes) {
    const std::string op = plain(member(change, "op")).text;
    const auto value = [&change](const char* key) {
      const Json found = member(change, key);
      return found.is_string() ? printable(found.get<std::string>()) : std::string();
    };
    std::string line = op + " " + value("path");
    const std::string before = value("old"), after = value("new");
    if (op == "~") {
      line += ": " + before + " -> " + after;
    } else if (!before.empty() || !after.empty()) {
      line += ": " + (op == "+" ? after : before);
    }
    const Colour colour = op == "+" ? Colour::kGreen : op == "-" ? Colour::kRed : Colour::kYellow;
    text += painted(line, colour, colours) + "\n";
  }
  return text;
}

std::string config_error_text(const Json& error) {
  const auto value = [&error](const char* key) { return printable(plain(member(error, key)).text); };
  std::string text =
      value("file") + ":" + value("line") + ":" + value("column") + ": " + value("message") + "\n";
  if (value("hint") != "-") text += "  hint: " + value("hint") + "\n";
  return text;
}

}  // namespace sallyport::cli
