// SPDX-License-Identifier: BSD-3-Clause
// The typed commands: encode, ask, decode. On the session's thread.
#include "vici-bridge/commands.h"

namespace sallyport::vici {
namespace {

Reply done_only(Done done) {
  return [done = std::move(done)](Result<Message> reply) {
    done(reply ? Result<void>() : Result<void>(reply.error()));
  };
}

// Turns a reply into a T with `decode` when it is one.
template <typename T, typename Decode>
Reply decoded(On<T> on, Decode decode) {
  return [on = std::move(on), decode](Result<Message> reply) {
    if (!reply) return on(reply.error());
    on(T(decode(*reply)));
  };
}

Reply list_of(On<Strings> on, const char* key) {
  return decoded<Strings>(std::move(on), [key](const Message& reply) { return reply.list(key); });
}

Message named(std::string_view key, std::string_view value) {
  Message message;
  message.set(key, value);
  return message;
}

// Streams `event` and gathers what `decode` makes of each item.
template <typename T>
void gather(Session& session, std::string_view command, std::string_view event, const Message& message,
            Timeout timeout, std::vector<T> (*decode)(const Message&), On<std::vector<T>> on) {
  auto items = std::make_shared<std::vector<T>>();
  session.stream(
      command, event, message, timeout,
      [items, decode](const Message& item) {
        for (T& decoded : decode(item))
          items->push_back(std::move(decoded));
      },
      [items, on = std::move(on)](Result<Message> reply) {
        if (!reply) return on(reply.error());
        on(std::move(*items));
      });
}

// Secrets are sent and the message that carried them is wiped; the session wipes its own buffer.
void send_secret(Session& session, std::string_view command, Message message, Reply reply) {
  session.request(command, message, kDefaultTimeout, std::move(reply));
  message.wipe();
}

// charon's own wait comes first, so that its sentence about what happened arrives.
Timeout beyond(Timeout wait) {
  return wait > Timeout(0) ? wait + kDefaultTimeout : kDefaultTimeout;
}

// 0 would mean forever to charon.
void put_wait(Message& message, Timeout wait) {
  message.set("timeout", std::to_string(wait == Timeout(0) ? 1 : wait.count()));
}

}  // namespace

void get_version(Session& session, On<VersionInfo> on) {
  session.request("version", {}, kDefaultTimeout,
                  decoded<VersionInfo>(std::move(on), [](const Message& reply) {
                    auto text = [&](const char* key) { return std::string(reply.value_or(key, "")); };
                    return VersionInfo{text("daemon"), text("version"), text("sysname"), text("release"),
                                       text("machine")};
                  }));
}

void load_connection(Session& session, const ConnectionConfig& connection, Done done) {
  session.request("load-conn", encode_connection(connection), kDefaultTimeout, done_only(std::move(done)));
}

void unload_connection(Session& session, std::string_view name, Done done) {
  session.request("unload-conn", named("name", name), kDefaultTimeout, done_only(std::move(done)));
}

void get_connections(Session& session, On<Strings> on) {
  session.request("get-conns", {}, kDefaultTimeout, list_of(std::move(on), "conns"));
}

void list_connections(Session& session, On<std::vector<ConnectionInfo>> on) {
  gather(session, "list-conns", "list-conn", {}, kDefaultTimeout, decode_connections, std::move(on));
}

void load_certificate(Session& session, std::string_view type, std::string_view flag, std::string_view data,
                      Done done) {
  Message message = named("type", type);
  message.set("flag", flag).set("data", data);
  session.request("load-cert", message, kDefaultTimeout, done_only(std::move(done)));
}

void load_key(Session& session, std::string_view type, std::string_view data, On<std::string> on_id) {
  Message message = named("type", type);
  message.set("data", data);
  send_secret(
      session, "load-key", std::move(message),
      decoded<std::string>(std::move(on_id), [](const Message& reply) { return reply.value_or("id", ""); }));
}

void unload_key(Session& session, std::string_view id, Done done) {
  session.request("unload-key", named("id", id), kDefaultTimeout, done_only(std::move(done)));
}

void get_keys(Session& session, On<Strings> on) {
  session.request("get-keys", {}, kDefaultTimeout, list_of(std::move(on), "keys"));
}

void load_shared(Session& session, const SharedSecret& secret, Done done) {
  Message message = named("type", secret.type);
  if (!secret.id.empty()) message.set("id", secret.id);
  message.set_list("owners", secret.owners).set("data", secret.data);
  send_secret(session, "load-shared", std::move(message), done_only(std::move(done)));
}

void unload_shared(Session& session, std::string_view id, Done done) {
  session.request("unload-shared", named("id", id), kDefaultTimeout, done_only(std::move(done)));
}

void get_shared(Session& session, On<Strings> on) {
  session.request("get-shared", {}, kDefaultTimeout, list_of(std::move(on), "keys"));
}

void clear_credentials(Session& session, Done done) {
  session.request("clear-creds", {}, kDefaultTimeout, done_only(std::move(done)));
}

void initiate(Session& session, const Target& target, Timeout wait,
              std::function<void(const LogLine&)> on_log, Done done) {
  Message message = encode_target(target);
  put_wait(message, wait);
  session.stream(
      "initiate", "control-log", message, beyond(wait),
      [on_log = std::move(on_log)](const Message& item) {
        if (on_log) on_log(decode_log_line(item));
      },
      done_only(std::move(done)));
}

void terminate(Session& session, const Target& target, const TerminateOptions& options,
               On<uint32_t> on_count) {
  Message message = encode_target(target);
  put_wait(message, options.wait);
  if (options.force) message.set("force", "yes");
  session.request(
      "terminate", message, beyond(options.wait),
      decoded<uint32_t>(std::move(on_count), [](const Message& reply) { return reply.number("matches"); }));
}

void rekey(Session& session, const Target& target, On<uint32_t> on_count) {
  session.request(
      "rekey", encode_target(target), kDefaultTimeout,
      decoded<uint32_t>(std::move(on_count), [](const Message& reply) { return reply.number("matches"); }));
}

void list_sas(Session& session, const Target& filter, Timeout timeout, On<std::vector<IkeSa>> on) {
  gather(session, "list-sas", "list-sa", encode_target(filter), timeout, decode_ike_sas, std::move(on));
}

void get_stats(Session& session, On<Message> on) {
  session.request("stats", {}, kDefaultTimeout, std::move(on));
}

void on_ike_updown(Session& session, std::function<void(const IkeUpdown&)> on, Done done) {
  session.subscribe(
      "ike-updown", [on = std::move(on)](const Message& event) { on(decode_ike_updown(event)); },
      std::move(done));
}

void on_child_updown(Session& session, std::function<void(const ChildUpdown&)> on, Done done) {
  session.subscribe(
      "child-updown", [on = std::move(on)](const Message& event) { on(decode_child_updown(event)); },
      std::move(done));
}

void on_ike_rekey(Session& session, std::function<void(const IkeRekey&)> on, Done done) {
  session.subscribe(
      "ike-rekey", [on = std::move(on)](const Message& event) { on(decode_ike_rekey(event)); },
      std::move(done));
}

void on_child_rekey(Session& session, std::function<void(const ChildRekey&)> on, Done done) {
  session.subscribe(
      "child-rekey",
      [on = std::move(on)](const Message& event) {
        for (const ChildRekey& rekey : decode_child_rekey(event))
          on(rekey);
      },
      std::move(done));
}

void on_log(Session& session, std::function<void(const LogLine&)> on, Done done) {
  session.subscribe(
      "log", [on = std::move(on)](const Message& event) { on(decode_log_line(event)); }, std::move(done));
}

}  // namespace sallyport::vici
