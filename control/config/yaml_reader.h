// SPDX-License-Identifier: BSD-3-Clause
// Typed reading of a YAML tree that collects every mistake with its place instead of stopping at the first.
// Used by the parser of the configuration only; one thread per Reader.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/duration.h"
#include "control/config/ip.h"
#include "control/config/parse.h"

namespace sallyport::control {

struct Place {
  uint32_t line = 1, column = 1;
};

// A node with its place and its path in the file (sites.berlin.peers[0]).
struct Value {
  YAML::Node node;
  Place place;
  std::string path;
};

// What all readers share: the file's name, the mistakes, and where each value that was read stands.
class Reader {
 public:
  Reader(std::string file, std::string base_dir) : file_(std::move(file)), base_dir_(std::move(base_dir)) {}

  void error(const Place& place, std::string message, std::string hint = "");
  void error(const Value& value, std::string message, std::string hint = "");
  void error_at(const std::string& path, std::string message, std::string hint = "");
  void record(const std::string& path, const Place& place) { places_.emplace(path, place); }
  [[nodiscard]] bool has(const std::string& path) const { return places_.contains(path); }
  [[nodiscard]] const std::string& base_dir() const { return base_dir_; }
  // By line and column.
  [[nodiscard]] std::vector<ConfigError> take_errors();

 private:
  std::string file_, base_dir_;
  std::vector<ConfigError> errors_;
  std::map<std::string, Place> places_;
};

// A mapping with a fixed set of keys: those that are asked for. finish() reports the others.
class Section {
 public:
  // Anything but a mapping is a mistake and reads as an empty one.
  Section(Reader& reader, const Value& value);

  [[nodiscard]] std::optional<Value> take(const std::string& key);
  // A missing key is a mistake at the section's own place.
  [[nodiscard]] std::optional<Value> require(const std::string& key, const std::string& hint);
  // A key of the vocabulary that this version can't honour: a mistake when it is there.
  // True when it was there.
  bool refuse(const std::string& key, const std::string& what, const std::string& hint);
  // Every key with its value, for mappings whose keys are names.
  [[nodiscard]] const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }
  void finish();
  [[nodiscard]] const Value& value() const { return value_; }
  [[nodiscard]] Reader& reader() { return reader_; }

 private:
  Reader& reader_;
  Value value_;
  std::vector<std::pair<std::string, Value>> entries_;
  std::map<std::string, Place> key_places_;
  std::set<std::string> known_;
  bool is_mapping_ = true;
};

// Each returns nothing after reporting what is wrong.
[[nodiscard]] std::optional<std::string> read_text(Reader& reader, const Value& value);
[[nodiscard]] std::optional<uint64_t> read_number(Reader& reader, const Value& value, uint64_t least,
                                                  uint64_t most);
[[nodiscard]] std::optional<bool> read_flag(Reader& reader, const Value& value);
[[nodiscard]] std::optional<Duration> read_duration(Reader& reader, const Value& value, Duration least,
                                                    Duration most);
[[nodiscard]] std::optional<IpAddress> read_address(Reader& reader, const Value& value);
[[nodiscard]] std::optional<IpPrefix> read_prefix(Reader& reader, const Value& value);
[[nodiscard]] std::optional<InterfaceAddress> read_interface_address(Reader& reader, const Value& value);
// One of the choices; its index.
[[nodiscard]] std::optional<size_t> read_choice(Reader& reader, const Value& value,
                                                const std::vector<std::string>& choices);
// The items of a list; a mistake when it is something else.
[[nodiscard]] std::vector<Value> read_list(Reader& reader, const Value& value);

}  // namespace sallyport::control
