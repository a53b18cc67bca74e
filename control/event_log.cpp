// SPDX-License-Identifier: BSD-3-Clause
#include "control/event_log.h"

#include <spdlog/spdlog.h>

namespace sallyport::control {

void EventLog::add(std::string kind, std::string subject, std::string text) {
  spdlog::info("{} {}: {}", kind, subject, text);
  const std::lock_guard lock(mutex_);
  events_.push_back({++last_number_, std::chrono::system_clock::now(), std::move(kind), std::move(subject),
                     std::move(text)});
  if (events_.size() > kCapacity) events_.pop_front();
  grown_.notify_all();
}

std::vector<Event> EventLog::since(uint64_t since, std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  grown_.wait_for(lock, patience, [&] { return closed_ || last_number_ > since; });
  std::vector<Event> out;
  for (auto it = events_.rbegin(); it != events_.rend() && it->number > since; ++it)
    out.push_back(*it);
  return {out.rbegin(), out.rend()};
}

void EventLog::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  grown_.notify_all();
}

}  // namespace sallyport::control
