// SPDX-License-Identifier: BSD-3-Clause
#include "control/charon.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>

namespace sallyport::control {
namespace {

constexpr vici::Timeout kTimeout = std::chrono::seconds(10);

vici::Done log_failure(std::string what) {
  return [what = std::move(what)](Result<void> result) {
    if (!result) spdlog::warn("charon: {}: {}", what, result.error().text());
  };
}

}  // namespace

size_t credentials_hash(const Auth& auth) {
  const auto credentials = read_credentials(auth);
  if (!credentials) return 0;
  const std::hash<std::string> hash;
  size_t sum = 0;
  for (const std::string* part :
       {&credentials->psk, &credentials->certificate, &credentials->key, &credentials->ca}) {
    sum = sum * 31 + hash(*part);
  }
  return sum;
}

Charon::Charon(asio::io_context& io, std::string socket_path)
    : io_(io), socket_path_(std::move(socket_path)), retry_timer_(io) {}

void Charon::stop() {
  stopped_ = true;
  retry_timer_.cancel();
  for (auto* session : {&loading_, &acting_, &listing_}) {
    if (*session) (*session)->close();
    session->reset();
  }
}

void Charon::connect() {
  if (stopped_) return;
  loading_ = vici::Session::create(io_);
  acting_ = vici::Session::create(io_);
  listing_ = vici::Session::create(io_);
  for (const auto& session : {loading_, acting_, listing_}) {
    session->on_closed([this](const Error& error) { lost(error.message); });
  }
  const auto then = [this](const std::shared_ptr<vici::Session>& session, std::function<void()> next) {
    session->connect(socket_path_, [this, next = std::move(next)](Result<void> result) {
      if (!result)
        lost(result.error().text());
      else
        next();
    });
  };
  then(listing_, [this, then] {
    then(acting_, [this, then] {
      then(loading_, [this] {
        vici::get_version(*loading_, [this](Result<vici::VersionInfo> version) {
          if (!version) return lost(version.error().text());
          version_ = version->version;
          vici::get_connections(*loading_, [this, version = *version](Result<vici::Strings> present) {
            if (!present) return lost(present.error().text());
            reconcile(*present);
            up_ = true;
            backoff_ = std::chrono::milliseconds(100);
            last_error_.clear();
            if (on_up) on_up(version);
          });
        });
      });
    });
  });
}

void Charon::lost(const std::string& reason) {
  if (stopped_ || !loading_) return;
  for (auto* session : {&loading_, &acting_, &listing_}) {
    // Not from inside its own callback's stack: the session lives until the callback returned.
    asio::post(io_, [dead = std::move(*session)] { dead->close(); });
    session->reset();
  }
  last_error_ = reason;
  if (std::exchange(up_, false) && on_down) on_down(reason);
  retry_timer_.expires_after(backoff_);
  backoff_ = std::min(backoff_ * 2, std::chrono::milliseconds(1000));
  retry_timer_.async_wait([this](asio::error_code error) {
    if (!error) connect();
  });
}

void Charon::reconcile(const vici::Strings& present) {
  for (const std::string& name : present) {
    if (!wanted_.contains(name)) unload(name);
  }
  for (const auto& [name, wanted] : wanted_)
    load(name, wanted);
}

std::vector<std::string> Charon::want(std::map<std::string, CharonLoad> loads) {
  std::vector<std::string> changed;
  const auto before = std::exchange(wanted_, std::move(loads));
  for (const auto& [name, wanted] : wanted_) {
    const auto held = before.find(name);
    if (held != before.end() && held->second == wanted) continue;
    if (held != before.end()) changed.push_back(name);
    if (up_) load(name, wanted);
  }
  for (const auto& [name, held] : before) {
    if (!wanted_.contains(name) && up_) unload(name);
  }
  return changed;
}

vici::Done Charon::report(const std::string& name) {
  return [this, name](Result<void> result) {
    if (!result && up_ && on_load_failed) on_load_failed(name, result.error());
  };
}

void Charon::load_credentials(const std::string& name, const CharonLoad& wanted) {
  auto credentials = read_credentials(auth_of(wanted.connection, wanted.tunnel));
  if (!credentials) {
    if (on_load_failed) on_load_failed(name, credentials.error());
    return;
  }
  if (wanted.connection.auth.is_psk()) {
    const Identities ids = identities(wanted.connection, wanted.tunnel);
    vici::SharedSecret secret{
        "sallyport-" + name, "IKE", std::move(credentials->psk), {ids.local, ids.remote}};
    vici::load_shared(*loading_, secret, report(name));
    explicit_bzero(secret.data.data(), secret.data.size());
    return;
  }
  vici::load_certificate(*loading_, "X509", "CA", credentials->ca, report(name));
  vici::load_key(*loading_, "any", credentials->key, [done = report(name)](Result<std::string> id) {
    done(id ? Result<void>() : Result<void>(id.error()));
  });
}

void Charon::load(const std::string& name, const CharonLoad& wanted) {
  if (on_loading) on_loading(name);
  load_credentials(name, wanted);
  vici::ConnectionConfig config = charon_connection(wanted.connection, wanted.tunnel);
  if (!wanted.connection.auth.is_psk()) {
    if (auto credentials = read_credentials(auth_of(wanted.connection, wanted.tunnel))) {
      config.local.front().certs = {credentials->certificate};
      config.remote.front().cacerts = {credentials->ca};
    }
  }
  vici::load_connection(*loading_, config, report(name));
}

void Charon::unload(const std::string& name) {
  vici::unload_connection(*loading_, name, log_failure("unload " + name));
  vici::unload_shared(*loading_, "sallyport-" + name, [](Result<void>) {});
  vici::Target target;
  target.ike = name;
  vici::terminate(*acting_, target, {}, [](Result<uint32_t>) {});
}

void Charon::initiate(const std::string& tunnel, const std::string& child, Done done) {
  if (!up_) return done("charon is not running");
  vici::Target target;
  target.child = child;
  target.ike = tunnel;
  // After any load of it that was asked for before.
  vici::initiate(*loading_, target, vici::kNoWait, {}, [done = std::move(done)](Result<void> result) {
    done(result ? "" : result.error().text());
  });
}

namespace {

std::function<void(Result<uint32_t>)> without_count(Charon::Done done) {
  return [done = std::move(done)](Result<uint32_t> result) { done(result ? "" : result.error().text()); };
}

}  // namespace

void Charon::terminate_ike(uint32_t ike_id, Done done) {
  if (!up_) return done("charon is not running");
  vici::Target target;
  target.ike_id = ike_id;
  vici::terminate(*acting_, target, {}, without_count(std::move(done)));
}

void Charon::terminate_child(uint32_t child_id, Done done) {
  if (!up_) return done("charon is not running");
  vici::Target target;
  target.child_id = child_id;
  vici::terminate(*acting_, target, {}, without_count(std::move(done)));
}

void Charon::rekey(const std::string& child, Done done) {
  if (!up_) return done("charon is not running");
  vici::Target target;
  target.child = child;
  vici::rekey(*acting_, target, without_count(std::move(done)));
}

void Charon::list(std::function<void(const std::vector<vici::IkeSa>&)> on) {
  if (!up_) return;
  vici::list_sas(*listing_, {}, kTimeout, [on = std::move(on)](Result<std::vector<vici::IkeSa>> sas) {
    if (sas) on(*sas);
  });
}

}  // namespace sallyport::control
