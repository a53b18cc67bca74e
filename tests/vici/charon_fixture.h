// SPDX-License-Identifier: BSD-3-Clause
// A real charon-systemd in a network namespace of its own, with its own configuration and VICI socket, and a
// way to wait for the session's answers. Dies with the test; nothing of it outlives the fixture.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <asio.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vici-bridge/commands.h"

namespace sallyport::vici {

// The session's callbacks, waited for.
class CharonTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void start_charon();
  void signal_charon(int signal) { kill(charon_, signal); }
  void kill_charon();
  std::string log() const;

  Result<std::shared_ptr<Session>> open_session();

  void run_until(const std::function<bool()>& done, std::chrono::milliseconds patience);

  // ask(callback) must start something that calls back with a Result<T>.
  template <typename T, typename Ask>
  Result<T> wait(Ask ask) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    ask([answer](Result<T> result) { answer->emplace(std::move(result)); });
    run_until([&] { return answer->has_value(); }, std::chrono::seconds(20));
    if (!answer->has_value()) return Error{"the test waited 20 s in vain"};
    return std::move(**answer);
  }

  std::string directory_{}, socket_path_{};
  asio::io_context io_{};
  std::shared_ptr<Session> session_{};

 private:
  pid_t charon_ = -1;
};

}  // namespace sallyport::vici
