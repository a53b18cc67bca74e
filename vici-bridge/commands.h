// SPDX-License-Identifier: BSD-3-Clause
// charon's VICI commands and events as typed calls on a Session; on its thread. Nothing here blocks.
// Replies are Errors when charon said success=no (its errmsg is the message), timed out, or went away.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "vici-bridge/session.h"
#include "vici-bridge/types.h"

namespace sallyport::vici {

template <typename T>
using On = std::function<void(Result<T>)>;

// Configuration. Loading a connection of the same name replaces it; its SAs stay.
void get_version(Session& session, On<VersionInfo> on);
void load_connection(Session& session, const ConnectionConfig& connection, Done done);
void unload_connection(Session& session, std::string_view name, Done done);
void get_connections(Session& session, On<Strings> on);
void list_connections(Session& session, On<std::vector<ConnectionInfo>> on);

// Credentials. Secrets are wiped from every buffer of ours once they are written.
void load_certificate(Session& session, std::string_view type, std::string_view flag, std::string_view data,
                      Done done);  // type X509, flag NONE, CA, AA or OCSP
void load_key(Session& session, std::string_view type, std::string_view data,
              On<std::string> on_id);  // rsa...
void unload_key(Session& session, std::string_view id, Done done);
void get_keys(Session& session, On<Strings> on);
void load_shared(Session& session, const SharedSecret& secret, Done done);
void unload_shared(Session& session, std::string_view id, Done done);
void get_shared(Session& session, On<Strings> on);
void clear_credentials(Session& session, Done done);

// Exchanges. With a wait, charon answers when the SA is up or gone, or with an Error after that time; it
// keeps the session busy so long. kNoWait: charon answers once the job is queued, and on_log gets nothing.
inline constexpr Timeout kNoWait{-1};
void initiate(Session& session, const Target& target, Timeout wait,
              std::function<void(const LogLine&)> on_log, Done done);
struct TerminateOptions {
  Timeout wait = kNoWait;
  bool force = false;  // IKE_SAs only: don't wait for the peer's answer to the DELETE
};
void terminate(Session& session, const Target& target, const TerminateOptions& options,
               On<uint32_t> on_count);
void rekey(Session& session, const Target& target, On<uint32_t> on_count);

// Waits for IKE_SAs that are busy with an exchange. `filter` may be empty for all.
void list_sas(Session& session, const Target& filter, Timeout timeout, On<std::vector<IkeSa>> on);
void get_stats(Session& session, On<Message> on);

// Events; one handler of each per session.
void on_ike_updown(Session& session, std::function<void(const IkeUpdown&)> on, Done done);
void on_child_updown(Session& session, std::function<void(const ChildUpdown&)> on, Done done);
void on_ike_rekey(Session& session, std::function<void(const IkeRekey&)> on, Done done);
void on_child_rekey(Session& session, std::function<void(const ChildRekey&)> on, Done done);
void on_log(Session& session, std::function<void(const LogLine&)> on, Done done);

// The encodings behind them, pure.
Message encode_connection(const ConnectionConfig& connection);
Message encode_target(const Target& target);
std::vector<IkeSa> decode_ike_sas(const Message& message);  // of a list-sa or updown event
ChildUpdown decode_child_updown(const Message& message);
IkeUpdown decode_ike_updown(const Message& message);
IkeRekey decode_ike_rekey(const Message& message);
std::vector<ChildRekey> decode_child_rekey(const Message& message);
LogLine decode_log_line(const Message& message);
std::vector<ConnectionInfo> decode_connections(const Message& message);  // of a list-conn event

}  // namespace sallyport::vici
