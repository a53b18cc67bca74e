// SPDX-License-Identifier: BSD-3-Clause
// What the tests with a real charon share: an io_context, and ways to wait for the callbacks that run on it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tests/vici/charon.h"
#include "vici-bridge/commands.h"

namespace sallyport::vici {

class CharonFixture : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to run charon";
  }

  void run_until(const std::function<bool()>& done, std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
    }
  }

  // ask(callback) must start something that calls back with a Result<T>.
  template <typename T, typename Ask>
  Result<T> wait(Ask ask) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    ask([answer](Result<T> result) { answer->emplace(std::move(result)); });
    run_until([&] { return answer->has_value(); }, std::chrono::seconds(20));
    if (!answer->has_value()) return Error{"the test waited 20 s in vain"};
    return std::move(**answer);
  }

  Result<std::shared_ptr<Session>> open_session(const Charon& charon) {
    const std::shared_ptr<Session> session = Session::create(io_);
    const Result<void> connected =
        wait<void>([&](Done done) { session->connect(charon.vici_socket(), done); });
    if (!connected) return connected.error();
    return session;
  }

  // Starts charon and returns a session with it once it answers; null when it doesn't.
  std::shared_ptr<Session> start(Charon& charon) {
    charon.start();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    while (std::chrono::steady_clock::now() < deadline && charon.is_running()) {
      if (Result<std::shared_ptr<Session>> session = open_session(charon)) return *session;
      usleep(20'000);
    }
    ADD_FAILURE() << "charon (Debian's charon-systemd) doesn't answer on its VICI socket: " << charon.log();
    return nullptr;
  }

  void close(std::shared_ptr<Session>& session) {
    if (!session) return;
    session->close();
    io_.restart();
    io_.poll();
  }

  asio::io_context io_{};
};

}  // namespace sallyport::vici
