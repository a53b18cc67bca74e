// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's end of the API socket: clients, whole messages in and out, and how much of each is done at
// a time. What the messages mean is the handler's business. Manager thread.
//
// Requests are taken in batches, and answers go out in batches by flush(). A client that doesn't read is not
// waited for: its answers queue, its requests are not read meanwhile, and it is cut off when its queue is
// full. Nor are they read while too many wait for a later answer. A request is checked (codec.h) before the
// handler sees it, and wiped after.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/manager/failure.h"
#include "dataplane/manager/unique_fd.h"

namespace sallyport::dataplane {

using ClientId = uint64_t;  // never used again within one life of the process
using Bytes = std::vector<std::byte>;

struct Request {
  ClientId client;
  api::Type type;
  uint32_t sequence;
  std::span<const std::byte> message;
  std::vector<UniqueFd>& fds;  // of kSetMirror; the handler takes them or they are closed
};

// Gives a dump's next item, or nothing when there is none left. Other requests may change the tables in
// between.
using DumpSource = std::function<std::optional<Bytes>()>;

class ApiServer {
 public:
  using Handler = std::function<void(const Request&)>;

  // A socket of mode 0600; one that a dead process left behind is replaced.
  static Result<std::unique_ptr<ApiServer>> listen(const std::filesystem::path& path);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Readable when serve() has something to do.
  int poll_fd() const { return epoll_.get(); }
  // Takes new clients and a bounded number of requests from each client that has some.
  void serve(const Handler& handler);

  // Sends what was answered since, as far as the clients take it. Call it before waiting on poll_fd().
  void flush();

  // Exactly one of reply, send_hello and dump for each request, now or later; nothing if the client has left.
  void reply(ClientId client, uint32_t sequence, const Failure& failure);
  void send_hello(ClientId client, const api::HelloReply& hello);
  void dump(ClientId client, uint32_t sequence, DumpSource source);
  // To every client that has said Hello.
  void send_event(std::span<const std::byte> event);

 private:
  struct Dump {
    uint32_t sequence;
    uint32_t count = 0;
    DumpSource source;
  };
  // Messages back to back; taken from the front in batches, so that what is left moves up rarely.
  class MessageQueue {
   public:
    void push(std::span<const std::byte> message);
    std::span<const std::byte> at(size_t index) const;
    void pop(size_t count);
    size_t size() const { return ends_.size() - first_; }
    bool empty() const { return size() == 0; }

   private:
    size_t start_of(size_t index) const { return index == 0 ? 0 : ends_[index - 1]; }

    std::vector<std::byte> bytes_;
    std::vector<size_t> ends_;  // of each message in bytes_
    size_t first_ = 0;
  };
  struct Client {
    UniqueFd fd;
    bool said_hello = false;
    bool broken = false;
    uint32_t interest = 0;    // epoll events asked for
    uint32_t unanswered = 0;  // requests that were handled and whose Reply is not queued yet
    MessageQueue queue;
    std::deque<Dump> dumps;
  };
  struct Batch;

  ApiServer(std::filesystem::path path, UniqueFd listener, UniqueFd epoll);

  void accept_clients();
  void read_requests(ClientId id, Client& client, const Handler& handler);
  void handle(ClientId id, Client& client, std::span<const std::byte> message, std::vector<UniqueFd>& fds,
              const Handler& handler);
  static void refuse(Client& client, uint32_t sequence, const Failure& failure);
  static void answer(Client& client, uint32_t sequence, const Failure& failure, uint32_t count);
  static void send(Client& client, std::span<const std::byte> message);
  static void flush(Client& client);
  static void continue_dump(Client& client);
  void watch(ClientId id, Client& client);
  static bool may_read(const Client& client);
  Client* find(ClientId id);

  std::filesystem::path path_;
  UniqueFd listener_, epoll_;
  ClientId next_id_ = 1;
  std::map<ClientId, Client> clients_;
  std::unique_ptr<Batch> batch_;  // as it was received
};

}  // namespace sallyport::dataplane
