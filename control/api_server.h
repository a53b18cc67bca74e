// SPDX-License-Identifier: BSD-3-Clause
// HTTP and JSON on DIR/api.sock (mode 0600): what people and programs ask sallyportd. It runs on threads of
// its own; every answer is made on the main thread.
#pragma once

#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "control/daemon.h"

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace sallyport::control {

class HttpServer {
 public:
  HttpServer(asio::io_context& io, Daemon& daemon, std::string socket_path);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Throws std::system_error.
  void start();
  void stop();

 private:
  void add_views();
  void add_actions();
  void post_config(const httplib::Request& request, httplib::Response& response);

  asio::io_context& io_;
  Daemon& daemon_;
  std::string socket_path_;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
};

}  // namespace sallyport::control
