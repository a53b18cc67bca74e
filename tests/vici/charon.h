// SPDX-License-Identifier: BSD-3-Clause
// A real charon-systemd in network and mount namespaces of its own, with its own configuration and sockets.
// Nothing of it outlives the object, or the test.
#pragma once

#include <sys/types.h>

#include <string>

namespace sallyport::vici {

class Charon {
 public:
  // `plugin`: path of libstrongswan-kernel-sallyport.so; empty: charon without it.
  explicit Charon(const std::string& plugin = {});
  ~Charon();
  Charon(const Charon&) = delete;
  Charon& operator=(const Charon&) = delete;

  void start();
  void kill();
  void signal(int number);
  bool is_running();

  pid_t pid() const { return pid_; }
  const std::string& directory() const { return directory_; }
  std::string vici_socket() const { return directory_ + "/vici.sock"; }
  std::string feed_socket() const { return directory_ + "/feed.sock"; }
  std::string log() const;

 private:
  [[noreturn]] void become_charon() const;

  std::string directory_{};
  bool has_plugin_;
  pid_t pid_ = -1;
};

}  // namespace sallyport::vici
