// SPDX-License-Identifier: BSD-3-Clause
// What the manager says when it can't: an error of the API and a sentence for people. Any thread.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

struct [[nodiscard]] Failure {
  api::Error error = api::Error::kNone;
  std::string text;  // what, where, and what to do

  bool failed() const { return error != api::Error::kNone; }
};

inline Failure success() {
  return {};
}

// A value, or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Failure failure) : state_(std::move(failure)) {}

  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() { return std::get<T>(state_); }
  const T& value() const { return std::get<T>(state_); }
  const Failure& failure() const { return std::get<Failure>(state_); }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace sallyport::dataplane
