// SPDX-License-Identifier: BSD-3-Clause
// The test's one thread.
#include "tests/vici/charon.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::vici {
namespace {

constexpr const char* kCharon = "/usr/sbin/charon-systemd";
constexpr const char* kPlugins = "/usr/lib/ipsec/plugins";

void write_configuration(const std::string& directory, const std::string& kernel) {
  std::ofstream file(directory + "/strongswan.conf");
  file << "charon-systemd {\n  load_modular = no\n  load = random nonce openssl aes sha1 sha2 hmac kdf gcm "
          "pem pkcs1"
          " pkcs8 x509 pubkey constraints "
       << kernel << " socket-default vici\n"
       << "  install_routes = no\n  retransmit_base = 1\n  delete_rekeyed_delay = 1\n  start-scripts { }\n"
       << "  filelog { log {\n path = " << directory << "/charon.log\n default = 1\n flush_line = yes\n } }\n"
       << "  plugins {\n    vici { socket = unix://" << directory << "/vici.sock }\n"
       << "    kernel-sallyport { socket = " << directory << "/feed.sock }\n  }\n}\n";
}

}  // namespace

Charon::Charon(const std::string& plugin) : has_plugin_(!plugin.empty()) {
  char name[] = "/tmp/sallyport-charon-XXXXXX";
  if (mkdtemp(name) == nullptr) return;
  directory_ = name;
  write_configuration(directory_, has_plugin_ ? "kernel-sallyport! kernel-netlink" : "kernel-netlink");
  if (!has_plugin_) return;
  std::filesystem::copy(kPlugins, directory_ + "/plugins");
  std::filesystem::copy(plugin, directory_ + "/plugins");
}

Charon::~Charon() {
  kill();
  if (!directory_.empty()) std::filesystem::remove_all(directory_);
}

void Charon::start() {
  pid_ = fork();
  if (pid_ == 0) become_charon();
}

void Charon::become_charon() const {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) _exit(120);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(121);
  const std::string plugins = directory_ + "/plugins";
  if (has_plugin_ && mount(plugins.c_str(), kPlugins, nullptr, MS_BIND, nullptr) != 0) _exit(122);
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++)
    dup2(null, fd);
  setenv("STRONGSWAN_CONF", (directory_ + "/strongswan.conf").c_str(), 1);
  unsetenv("NOTIFY_SOCKET");
  execl(kCharon, kCharon, nullptr);
  _exit(123);
}

void Charon::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Charon::signal(int number) {
  ::kill(pid_, number);
  if (number == SIGSTOP) waitpid(pid_, nullptr, WUNTRACED);  // until the last of its threads stands still
}

bool Charon::is_running() {
  return pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0;
}

std::string Charon::log() const {
  std::stringstream text;
  text << std::ifstream(directory_ + "/charon.log").rdbuf();
  return text.str();
}

}  // namespace sallyport::vici
