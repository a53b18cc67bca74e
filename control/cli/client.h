// SPDX-License-Identifier: BSD-3-Clause
// The CLI's side of sallyportd's API: HTTP with JSON over the unix socket of a run directory. Blocking; one
// thread.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace sallyport::cli {

// One line for the operator: what failed, and what to do.
struct ApiError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Answer {
  int status = 0;
  nlohmann::json body;
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
  // The API's own {error, hint}, in one line.
  [[nodiscard]] std::string error_text() const;
};

class Client {
 public:
  explicit Client(std::string run_dir);
  // Throw ApiError where there is no answer, or one that is no JSON; an error status is an Answer.
  [[nodiscard]] Answer get(const std::string& path) const;
  [[nodiscard]] Answer post(const std::string& path, const std::string& body,
                            const std::map<std::string, std::string>& headers) const;
  // get(), and an error status throws as well.
  [[nodiscard]] nlohmann::json fetch(const std::string& path) const;

 private:
  [[nodiscard]] std::string no_answer_text() const;
  std::string run_dir_, socket_path_;
};

}  // namespace sallyport::cli
