// SPDX-License-Identifier: BSD-3-Clause
// The last events of the gateway, numbered, for people and for programs that follow along. Written by the
// main thread, read by API threads, which may wait for the next one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace sallyport::control {

struct Event {
  uint64_t number;
  std::chrono::system_clock::time_point time;
  std::string kind;     // tunnel, sa, link, dataplane, charon, config, neighbour
  std::string subject;  // the name of what it is about
  std::string text;     // what happened, in words
};

class EventLog {
 public:
  static constexpr size_t kCapacity = 10'000;

  void add(std::string kind, std::string subject, std::string text);
  // Events numbered above `since`; waits up to `patience` for the first one.
  [[nodiscard]] std::vector<Event> since(uint64_t since, std::chrono::milliseconds patience) const;
  // Wakes everyone who waits, for good.
  void close();

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  std::deque<Event> events_;
  uint64_t last_number_ = 0;
  bool closed_ = false;
};

}  // namespace sallyport::control
