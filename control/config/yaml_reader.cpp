// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/yaml_reader.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

Place place_of(const YAML::Mark& mark) {
  return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
}

// What a person wrote, shortened and without control characters, for a message.
std::string quoted(const std::string& text) {
  constexpr size_t kLongest = 60;
  std::string shown = "'";
  for (const char c : text.substr(0, kLongest)) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return shown + (text.size() > kLongest ? "...'" : "'");
}

}  // namespace

std::string ConfigError::to_string() const {
  std::string text = file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message;
  if (!hint.empty()) text += " (" + hint + ")";
  return text;
}

void Reader::error(const Place& place, std::string message, std::string hint) {
  errors_.push_back({file_, place.line, place.column, std::move(message), std::move(hint)});
}

void Reader::error(const Value& value, std::string message, std::string hint) {
  const std::string where = value.path.empty() ? "" : value.path + ": ";
  error(value.place, where + std::move(message), std::move(hint));
}

void Reader::error_at(const std::string& path, std::string message, std::string hint) {
  const auto found = places_.find(path);
  error(found == places_.end() ? Place{} : found->second, path + ": " + std::move(message), std::move(hint));
}

std::vector<ConfigError> Reader::take_errors() {
  std::stable_sort(errors_.begin(), errors_.end(), [](const ConfigError& a, const ConfigError& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return std::move(errors_);
}

Section::Section(Reader& reader, const Value& value) : reader_(reader), value_(value) {
  if (value.node.IsNull()) return;
  if (!value.node.IsMap()) {
    is_mapping_ = false;
    reader_.error(value, "must be a mapping of keys to values", "write key: value, one on each line");
    return;
  }
  for (const auto& entry : value.node) {
    const Place place = place_of(entry.first.Mark());
    if (!entry.first.IsScalar()) {
      reader_.error(place, value.path + (value.path.empty() ? "" : ": ") + "a key must be plain text");
      continue;
    }
    const std::string key = entry.first.Scalar();
    const auto [first, is_new] = key_places_.emplace(key, place);
    if (!is_new) {
      reader_.error(place,
                    (value.path.empty() ? "" : value.path + ": ") + "key " + quoted(key) + " is there twice",
                    "the first one is in line " + std::to_string(first->second.line));
      continue;
    }
    const std::string path = value.path.empty() ? key : value.path + "." + key;
    const Place value_place = entry.second.IsNull() ? place : place_of(entry.second.Mark());
    reader_.record(path, entry.second.IsScalar() ? value_place : place);
    entries_.push_back({key, {entry.second, value_place, path}});
  }
}

std::optional<Value> Section::take(const std::string& key) {
  known_.insert(key);
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::optional<Value> Section::require(const std::string& key, const std::string& hint) {
  auto value = take(key);
  if (!is_mapping_) return std::nullopt;
  if (value && !value->node.IsNull()) return value;
  const std::string where = value_.path.empty() ? "" : value_.path + ": ";
  reader_.error(value ? value->place : value_.place, where + "'" + key + "' is missing", hint);
  return std::nullopt;
}

bool Section::refuse(const std::string& key, const std::string& what, const std::string& hint) {
  const auto place = key_places_.find(key);
  if (place == key_places_.end()) return false;
  const std::string path = value_.path.empty() ? key : value_.path + "." + key;
  reader_.error(place->second, path + ": not supported by this version: " + what, hint);
  key_places_.erase(place);
  return true;
}

void Section::finish() {
  for (const auto& [key, place] : key_places_) {
    if (known_.contains(key)) continue;
    reader_.error(place, (value_.path.empty() ? "" : value_.path + ": ") + "unknown key " + quoted(key),
                  suggest(key, known_));
  }
}

std::optional<std::string> read_text(Reader& reader, const Value& value) {
  if (value.node.IsScalar() && !value.node.Scalar().empty()) {
    if (value.node.Scalar().find(char{0}) == std::string::npos) return value.node.Scalar();
    reader.error(value, "must not contain a NUL character");
    return std::nullopt;
  }
  reader.error(value, "must be a text, and not an empty one");
  return std::nullopt;
}

std::optional<uint64_t> read_number(Reader& reader, const Value& value, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  if (value.node.IsScalar()) {
    const std::string& text = value.node.Scalar();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = !text.empty() && error == std::errc{} && end == text.data() + text.size();
    if (whole && number >= least && number <= most) return number;
  }
  const std::string range = std::to_string(least) + " to " + std::to_string(most);
  reader.error(value, value.node.IsScalar() ? quoted(value.node.Scalar()) + " is not a number from " + range
                                            : "must be a number from " + range);
  return std::nullopt;
}

std::optional<bool> read_flag(Reader& reader, const Value& value) {
  const auto choice = read_choice(reader, value, {"false", "true"});
  if (!choice) return std::nullopt;
  return *choice == 1;
}

std::optional<Duration> read_duration(Reader& reader, const Value& value, Duration least, Duration most) {
  const std::string text = value.node.IsScalar() ? value.node.Scalar() : "";
  const auto duration = parse_duration(text);
  if (!duration) {
    reader.error(value, quoted(text) + " is not a duration", "write it like 100ms, 2s, 1h30m or 1d");
    return std::nullopt;
  }
  if (*duration < least) {
    reader.error(value, quoted(text) + " is too short", "at least " + print_duration(least));
    return std::nullopt;
  }
  if (*duration > most) {
    reader.error(value, quoted(text) + " is too long", "at most " + print_duration(most));
    return std::nullopt;
  }
  return duration;
}

std::optional<IpAddress> read_address(Reader& reader, const Value& value) {
  const std::string text = value.node.IsScalar() ? value.node.Scalar() : "";
  auto address = parse_address(text);
  if (address) return address;
  const bool has_length = parse_interface_address(text).has_value();
  reader.error(value, quoted(text) + " is not an IP address",
               has_length ? "leave out the prefix length: " + text.substr(0, text.find('/'))
                          : "write it like 192.0.2.1; host names are not looked up");
  return std::nullopt;
}

std::optional<InterfaceAddress> read_interface_address(Reader& reader, const Value& value) {
  const std::string text = value.node.IsScalar() ? value.node.Scalar() : "";
  auto address = parse_interface_address(text);
  if (address) return address;
  const bool lacks_length = parse_address(text).has_value();
  reader.error(value, quoted(text) + " is not an address with its prefix length",
               lacks_length ? "add the length of the link's prefix, like " + text +
                                  (parse_address(text)->is_v4() ? "/24" : "/64")
                            : "write it like 192.0.2.1/24");
  return std::nullopt;
}

std::optional<IpPrefix> read_prefix(Reader& reader, const Value& value) {
  const std::string text = value.node.IsScalar() ? value.node.Scalar() : "";
  const auto address = parse_interface_address(text);
  if (address && address->prefix().address == address->address) return address->prefix();
  if (address) {
    reader.error(value, quoted(text) + " has host bits set",
                 "the prefix is " + address->prefix().to_string());
    return std::nullopt;
  }
  const auto host = parse_address(text);
  reader.error(value, quoted(text) + " is not a prefix",
               host ? "one address alone is " + text + "/" + std::to_string(host->max_prefix_length())
                    : "write it like 10.20.0.0/16");
  return std::nullopt;
}

std::optional<size_t> read_choice(Reader& reader, const Value& value,
                                  const std::vector<std::string>& choices) {
  const std::string text = value.node.IsScalar() ? value.node.Scalar() : "";
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  std::string list;
  for (size_t i = 0; i < choices.size(); ++i) {
    list += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  }
  reader.error(value, (text.empty() ? "must be " : quoted(text) + " is not ") + list,
               choices.size() > 1 ? did_you_mean(text, {choices.begin(), choices.end()}) : "");
  return std::nullopt;
}

std::vector<Value> read_list(Reader& reader, const Value& value) {
  if (!value.node.IsSequence()) {
    reader.error(value, "must be a list", "write [one, two]");
    return {};
  }
  std::vector<Value> items;
  for (const auto& item : value.node) {
    const std::string path = value.path + "[" + std::to_string(items.size()) + "]";
    const Place place = item.IsNull() ? value.place : place_of(item.Mark());
    reader.record(path, place);
    items.push_back({item, place, path});
  }
  return items;
}

}  // namespace sallyport::control
