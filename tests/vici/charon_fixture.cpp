// SPDX-License-Identifier: BSD-3-Clause
// Starting, stopping and waiting. The test's one thread.
#include "tests/vici/charon_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::vici {
namespace {

constexpr const char* kCharon = "/usr/sbin/charon-systemd";

void write_configuration(const std::string& directory) {
  std::ofstream file(directory + "/strongswan.conf");
  file << "charon-systemd {\n"
          "  load = random nonce openssl aes sha1 sha2 hmac kdf gcm pem pkcs1 pkcs8 x509 pubkey constraints"
          " kernel-netlink socket-default vici\n"
          "  install_routes = no\n"
          "  retransmit_base = 1\n"
          "  filelog { log { path = "
       << directory
       << "/charon.log\n default = 1\n flush_line = yes } }\n"
          "  plugins { vici { socket = unix://"
       << directory << "/vici.sock } }\n}\n";
}

// In the child of fork().
[[noreturn]] void become_charon(const std::string& directory) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNET) != 0) _exit(120);
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++)
    dup2(null, fd);
  setenv("STRONGSWAN_CONF", (directory + "/strongswan.conf").c_str(), 1);
  unsetenv("NOTIFY_SOCKET");
  execl(kCharon, kCharon, nullptr);
  _exit(121);
}

}  // namespace

void CharonTest::SetUp() {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to run charon";
  ASSERT_EQ(access(kCharon, X_OK), 0) << "Debian's package charon-systemd is missing";
  char name[] = "/tmp/sallyport-charon-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  directory_ = name;
  socket_path_ = directory_ + "/vici.sock";
  write_configuration(directory_);
  start_charon();
}

void CharonTest::TearDown() {
  if (directory_.empty()) return;
  if (session_) session_->close();
  io_.restart();
  io_.poll();
  kill_charon();
  std::filesystem::remove_all(directory_);
}

void CharonTest::start_charon() {
  charon_ = fork();
  ASSERT_GE(charon_, 0);
  if (charon_ == 0) become_charon(directory_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (std::chrono::steady_clock::now() < deadline) {
    ASSERT_EQ(waitpid(charon_, nullptr, WNOHANG), 0) << "charon ended at once: " << log();
    if (Result<std::shared_ptr<Session>> session = open_session()) {
      session_ = *session;
      return;
    }
    usleep(20'000);
  }
  FAIL() << "charon's VICI socket doesn't answer: " << log();
}

void CharonTest::kill_charon() {
  if (charon_ <= 0) return;
  kill(charon_, SIGKILL);
  waitpid(charon_, nullptr, 0);
  charon_ = -1;
}

std::string CharonTest::log() const {
  std::stringstream text;
  text << std::ifstream(directory_ + "/charon.log").rdbuf();
  return text.str();
}

Result<std::shared_ptr<Session>> CharonTest::open_session() {
  const std::shared_ptr<Session> session = Session::create(io_);
  const Result<void> connected = wait<void>([&](Done done) { session->connect(socket_path_, done); });
  if (!connected) return connected.error();
  return session;
}

void CharonTest::run_until(const std::function<bool()>& done, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done() && std::chrono::steady_clock::now() < deadline) {
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(20));
  }
}

}  // namespace sallyport::vici
