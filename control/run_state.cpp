// SPDX-License-Identifier: BSD-3-Clause
#include "control/run_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

namespace sallyport::control {
namespace {

using nlohmann::json;

std::string path_in(const std::string& run_dir) {
  return run_dir + "/sallyportd.json";
}

std::string hex(const Instance& instance) {
  std::string text;
  for (const uint8_t byte : instance)
    text += fmt::format("{:02x}", byte);
  return text;
}

Instance from_hex(const std::string& text) {
  Instance instance{};
  for (size_t i = 0; i < instance.size() && 2 * i + 1 < text.size(); ++i) {
    instance[i] = static_cast<uint8_t>(std::strtoul(text.substr(2 * i, 2).c_str(), nullptr, 16));
  }
  return instance;
}

}  // namespace

void write_file_atomically(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                       ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!written) throw std::system_error(error, std::generic_category(), "cannot write " + fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot replace " + path);
  }
}

RunState load_run_state(const std::string& run_dir) {
  std::ifstream file(path_in(run_dir));
  const json saved = json::parse(file, nullptr, false);
  RunState state;
  if (!saved.is_object()) return state;
  try {
    state.base_dir = saved.value("base_dir", "");
    state.charon = from_hex(saved.value("charon", ""));
    state.held_down = saved.value("held_down", std::set<std::string>{});
    state.made.namespaces = saved.value("namespaces", std::set<std::string>{});
    state.made.public_mirrors = saved.value("public_mirrors", std::set<std::string>{});
  } catch (const json::exception&) {
    return {};
  }
  return state;
}

void save_run_state(const std::string& run_dir, const RunState& state) {
  const json saved = {{"base_dir", state.base_dir},
                      {"charon", hex(state.charon)},
                      {"held_down", state.held_down},
                      {"namespaces", state.made.namespaces},
                      {"public_mirrors", state.made.public_mirrors}};
  write_file_atomically(path_in(run_dir), saved.dump(2) + "\n");
}

}  // namespace sallyport::control
