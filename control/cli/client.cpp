// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/client.h"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace sallyport::cli {

namespace {

constexpr time_t kConnectSeconds = 5;
constexpr time_t kGetSeconds = 30;
constexpr time_t kPostSeconds = 90;  // an `up` waits for IKE and its retransmissions

void set_up(httplib::ClientImpl& http, time_t answer_seconds) {
  http.set_address_family(AF_UNIX);
  http.set_connection_timeout(kConnectSeconds);
  http.set_read_timeout(answer_seconds);
}

Answer answer_of(const httplib::Result& result) {
  Answer answer;
  answer.status = result->status;
  answer.body = nlohmann::json::parse(result->body, nullptr, false);
  if (answer.body.is_discarded() && answer.ok()) throw ApiError("sallyportd's answer is not JSON");
  if (answer.body.is_discarded()) answer.body = nlohmann::json::object();
  return answer;
}

}  // namespace

std::string Answer::error_text() const {
  const auto text = [this](const char* key) -> std::string {
    const auto found = body.is_object() ? body.find(key) : body.end();
    return body.is_object() && found != body.end() && found->is_string() ? found->get<std::string>() : "";
  };
  std::string error = text("error");
  if (error.empty()) error = "sallyportd answered with status " + std::to_string(status);
  return text("hint").empty() ? error : error + " (" + text("hint") + ")";
}

Client::Client(std::string run_dir)
    : run_dir_(std::filesystem::absolute(run_dir).lexically_normal().string()),
      socket_path_((std::filesystem::path(run_dir_) / "api.sock").string()) {
  if (socket_path_.size() >= sizeof(sockaddr_un::sun_path)) {
    throw ApiError("the socket's path " + socket_path_ +
                   " is too long (use a run directory with a shorter name)");
  }
}

std::string Client::no_answer_text() const {
  struct stat status {};
  if (stat(socket_path_.c_str(), &status) != 0) {
    if (errno == EACCES) return "no access to " + run_dir_ + " (run as root)";
    return "no gateway runs in " + run_dir_ +
           " (start one with scripts/gateway, or name its directory with --run-dir)";
  }
  if (access(socket_path_.c_str(), W_OK) != 0) return "no access to " + socket_path_ + " (run as root)";
  return "sallyportd does not answer on " + socket_path_ + " (is it running? its log is in " + run_dir_ + ")";
}

Answer Client::get(const std::string& path) const {
  httplib::ClientImpl http(socket_path_);
  set_up(http, kGetSeconds);
  const auto result = http.Get(path.c_str());
  if (!result) throw ApiError(no_answer_text());
  return answer_of(result);
}

Answer Client::post(const std::string& path, const std::string& body,
                    const std::map<std::string, std::string>& headers) const {
  httplib::ClientImpl http(socket_path_);
  set_up(http, kPostSeconds);
  httplib::Headers all;
  for (const auto& [name, value] : headers)
    all.emplace(name, value);
  const auto result = http.Post(path.c_str(), all, body, "application/yaml");
  if (!result) throw ApiError(no_answer_text());
  return answer_of(result);
}

nlohmann::json Client::fetch(const std::string& path) const {
  Answer answer = get(path);
  if (!answer.ok()) throw ApiError(answer.error_text());
  return std::move(answer.body);
}

}  // namespace sallyport::cli
