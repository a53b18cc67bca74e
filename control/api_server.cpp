// SPDX-License-Identifier: BSD-3-Clause
#include "control/api_server.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <httplib.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <asio/post.hpp>
#include <cerrno>
#include <future>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <thread>

#include "control/config/diff.h"

namespace sallyport::control {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kMainThreadPatience{10};
constexpr std::chrono::seconds kLongestPoll{60};
constexpr std::chrono::seconds kPortPatience{5};  // with a device that opens slowly

void answer(httplib::Response& response, const json& body, int status = 200) {
  response.status = status;
  response.set_content(body.dump() + "\n", "application/json");
}

void answer_error(httplib::Response& response, const OperatorError& error) {
  answer(response, {{"error", error.error}, {"hint", error.hint}}, error.http_status);
}

// Runs on the main thread; throws when that doesn't answer in time.
template <typename Work>
auto on_main_thread(asio::io_context& io, Work work) {
  using Value = decltype(work());
  auto task = std::make_shared<std::packaged_task<Value()>>(std::move(work));
  std::future<Value> future = task->get_future();
  asio::post(io, [task] { (*task)(); });
  if (future.wait_for(kMainThreadPatience) != std::future_status::ready) {
    throw std::runtime_error("sallyportd is busy");
  }
  return future.get();
}

json change_json(const Change& change) {
  return {{"op", std::string(1, change.op)},
          {"path", change.path},
          {"old", change.before.empty() ? json() : json(change.before)},
          {"new", change.after.empty() ? json() : json(change.after)}};
}

json error_json(const ConfigError& error) {
  return {{"file", error.file},
          {"line", error.line},
          {"column", error.column},
          {"message", error.message},
          {"hint", error.hint}};
}

uint64_t number_parameter(const httplib::Request& request, const char* name) {
  return request.has_param(name) ? std::strtoull(request.get_param_value(name).c_str(), nullptr, 10) : 0;
}

// What the configuration in force was before, to go back to it.
struct InForce {
  Gateway gateway;
  std::string text, base_dir;
};

struct Applied {
  std::vector<Change> changes;
  InForce before;
  std::optional<OperatorError> error;
};

std::set<std::string> new_ports(const Gateway& before, const Gateway& wanted) {
  std::set<std::string> names;
  for (const auto& [name, port] : wanted.ports) {
    if (!before.ports.contains(name)) names.insert(name);
  }
  return names;
}

// Until the dataplane has opened each of them, refused one, or been too slow. Why one can't be opened.
std::optional<std::string> wait_for_ports(asio::io_context& io, Daemon& daemon,
                                          const std::set<std::string>& names) {
  const auto deadline = std::chrono::steady_clock::now() + kPortPatience;
  for (bool all_open = names.empty(); !all_open && std::chrono::steady_clock::now() < deadline;) {
    const json ports = on_main_thread(io, [&daemon] { return daemon.show_ports(); });
    all_open = true;
    for (const json& port : ports) {
      if (!names.contains(port["name"])) continue;
      if (port["error"].is_string()) return port["error"].get<std::string>();
      all_open = all_open && port["mac"].is_string();
    }
    if (!all_open) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::nullopt;
}

}  // namespace

HttpServer::HttpServer(asio::io_context& io, Daemon& daemon, std::string socket_path)
    : io_(io),
      daemon_(daemon),
      socket_path_(std::move(socket_path)),
      server_(std::make_unique<httplib::Server>()) {}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::start() {
  server_->set_exception_handler([](const auto&, auto& response, std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      answer_error(response, {503, error.what(), ""});
    }
  });
  server_->set_error_handler([](const auto& request, auto& response) {
    if (response.body.empty()) {
      answer_error(response,
                   {response.status, fmt::format("{} {} is not known", request.method, request.path), ""});
    }
  });
  server_->set_payload_max_length(4 << 20);
  add_views();
  add_actions();
  ::unlink(socket_path_.c_str());
  if (socket_path_.size() >= sizeof(sockaddr_un::sun_path)) {
    throw std::system_error(ENAMETOOLONG, std::generic_category(), socket_path_);
  }
  const mode_t before = ::umask(0177);
  const bool bound = server_->set_address_family(AF_UNIX).bind_to_port(socket_path_.c_str(), 80);
  const int error = errno;
  ::umask(before);
  if (!bound) throw std::system_error(error, std::generic_category(), "cannot listen on " + socket_path_);
  thread_ = std::thread([this] { server_->listen_after_bind(); });
}

void HttpServer::stop() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
  ::unlink(socket_path_.c_str());
}

void HttpServer::add_views() {
  const auto view = [this](const char* path, json (*make)(Daemon&)) {
    server_->Get(path, [this, make](const httplib::Request&, httplib::Response& response) {
      answer(response, on_main_thread(io_, [this, make] { return make(daemon_); }));
    });
  };
  view("/v1/version", [](Daemon& daemon) { return daemon.show_version(); });
  view("/v1/gateway", [](Daemon& daemon) { return daemon.show_gateway(); });
  view("/v1/ports", [](Daemon& daemon) { return daemon.show_ports(); });
  view("/v1/connections", [](Daemon& daemon) { return daemon.show_connections(); });
  view("/v1/tunnels", [](Daemon& daemon) { return daemon.show_tunnels(); });
  view("/v1/sas", [](Daemon& daemon) { return daemon.show_sas(); });
  view("/v1/routes", [](Daemon& daemon) { return daemon.show_routes(); });
  view("/v1/neighbours", [](Daemon& daemon) { return daemon.show_neighbours(); });
  view("/v1/drops", [](Daemon& daemon) { return daemon.show_drops(); });
  server_->Get("/v1/connections/([^/]+)/why",
               [this](const httplib::Request& request, httplib::Response& response) {
                 const std::string name = request.matches[1];
                 const auto outcome = on_main_thread(io_, [this, name] { return daemon_.why(name); });
                 if (const auto* error = std::get_if<OperatorError>(&outcome))
                   answer_error(response, *error);
                 else
                   answer(response, std::get<json>(outcome));
               });
  server_->Get("/v1/events", [this](const httplib::Request& request, httplib::Response& response) {
    const auto patience = std::min<std::chrono::seconds>(
        std::chrono::seconds(number_parameter(request, "wait_s")), kLongestPoll);
    json out = json::array();
    for (const Event& event : daemon_.events().since(number_parameter(request, "since"), patience)) {
      const auto time = std::chrono::time_point_cast<std::chrono::milliseconds>(event.time);
      const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(time);
      out.push_back({{"number", event.number},
                     {"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                                          fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                                          (time - seconds).count())},
                     {"kind", event.kind},
                     {"subject", event.subject},
                     {"text", event.text}});
    }
    answer(response, out);
  });
}

void HttpServer::add_actions() {
  server_->Post("/v1/config", [this](const httplib::Request& request, httplib::Response& response) {
    post_config(request, response);
  });
  using Outcome = std::variant<std::string, OperatorError>;
  using Action = Outcome (Daemon::*)(const std::string&);
  const auto action = [this](const char* verb, Action act) {
    server_->Post(std::string("/v1/connections/([^/]+)/") + verb,
                  [this, act](const httplib::Request& request, httplib::Response& response) {
                    const std::string name = request.matches[1];
                    const Outcome outcome =
                        on_main_thread(io_, [this, act, name]() -> Outcome { return (daemon_.*act)(name); });
                    if (const auto* error = std::get_if<OperatorError>(&outcome))
                      answer_error(response, *error);
                    else
                      answer(response, {{"message", std::get<std::string>(outcome)}});
                  });
  };
  action("up", &Daemon::up);
  action("down", &Daemon::down);
  action("rekey", &Daemon::rekey);
}

void HttpServer::post_config(const httplib::Request& request, httplib::Response& response) {
  const std::string file =
      request.has_header("X-File-Name") ? request.get_header_value("X-File-Name") : "gateway.yaml";
  const std::string base_dir = request.get_header_value("X-Base-Dir");
  const ParseResult parsed = parse(request.body, file, base_dir);
  json errors = json::array();
  for (const ConfigError& error : parsed.errors)
    errors.push_back(error_json(error));
  if (!parsed.ok()) {
    answer(response,
           {{"changed", false},
            {"diff", json::array()},
            {"errors", errors},
            {"error", parsed.errors.front().to_string()},
            {"hint", parsed.errors.front().hint}},
           422);
    return;
  }
  const bool dry_run = number_parameter(request, "dry_run") != 0;
  const Applied applied =
      on_main_thread(io_, [&daemon = daemon_, parsed, text = request.body, base_dir, dry_run] {
        Applied out;
        out.changes = diff(daemon.gateway(), parsed.gateway);
        if (dry_run) return out;
        out.before = {daemon.gateway(), daemon.config_text(), daemon.base_dir()};
        out.error = daemon.apply(parsed.gateway, text, base_dir);
        return out;
      });
  if (applied.error) return answer_error(response, *applied.error);
  if (!dry_run) {
    const auto why = wait_for_ports(io_, daemon_, new_ports(applied.before.gateway, parsed.gateway));
    if (why) {
      on_main_thread(io_, [&daemon = daemon_, before = applied.before] {
        return daemon.apply(before.gateway, before.text, before.base_dir);
      });
      return answer_error(response, {409, *why, "the old configuration is in force again"});
    }
  }
  json changes = json::array();
  for (const Change& change : applied.changes)
    changes.push_back(change_json(change));
  answer(response, {{"changed", !applied.changes.empty()}, {"diff", changes}, {"errors", errors}});
}

}  // namespace sallyport::control
