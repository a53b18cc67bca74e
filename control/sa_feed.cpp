// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_feed.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <asio/post.hpp>

#include "control/addresses.h"

namespace sallyport::control {
namespace {

MonotonicTime now() {
  return std::chrono::steady_clock::now();
}

std::string text_of(const SaId& id) {
  return fmt::format("{} SA {:08x}", id.inbound ? "inbound" : "outbound", id.spi);
}

SaId id_of(api::Direction direction, uint32_t slot, uint32_t spi) {
  return {spi, slot, direction == api::Direction::kInbound};
}

std::string audit_text(const api::PacketAudited& event) {
  const char* cause = "integrity check failed";
  if (event.cause == api::AuditCause::kUnknownSpi) cause = "of no SA";
  if (event.cause == api::AuditCause::kReplay) cause = "replayed";
  std::string text = fmt::format("{}: SPI {:08x}, sequence number {}, from {} to {}", cause, event.spi,
                                 event.sequence, to_string(event.source), to_string(event.destination));
  if (event.source.family == api::Family::kIpv6) text += fmt::format(", flow label {:05x}", event.flow_label);
  if (event.unrecorded > 0) text += fmt::format("; {} more since the last record", event.unrecorded);
  return text;
}

}  // namespace

SaFeed::SaFeed(asio::io_context& io, std::string socket_path, DataplaneClient& dataplane,
               SharedStateReader& counters, EventLog& events)
    : io_(io),
      socket_path_(std::move(socket_path)),
      dataplane_(dataplane),
      counters_(counters),
      events_(events),
      activation_(io, dataplane, counters, ledger_),
      retry_timer_(io) {
  activation_.on_released = [this](const SaId& id) { delete_sa(id); };
}

SaFeed::~SaFeed() {
  if (reader_) reader_->close();
}

void SaFeed::start(uint32_t workers, uint32_t slots) {
  workers_ = workers;
  slots_ = slots;
  wanted_ = true;
  connect();
}

void SaFeed::stop() {
  wanted_ = synchronized_ = in_snapshot_ = false;
  retry_timer_.cancel();
  activation_.stop_waiting();
  snapshot_.clear();
  if (reader_) reader_->close();
  reader_.reset();
}

void SaFeed::connect() {
  if (!wanted_ || reader_) return;
  reader_ = vici::FeedReader::create(io_, *this);
  if (const auto result = reader_->connect(socket_path_); !result) {
    last_error_ = result.error().text();
    reader_.reset();
    retry_later();
    return;
  }
  const auto reader = reader_;  // a failed send drops ours
  reader->send_hello(workers_, slots_);
  reader->send_live_spis(ledger_.inbound_spis());
  reader->send_ready();
}

void SaFeed::retry_later() {
  retry_timer_.expires_after(std::chrono::milliseconds(100));
  retry_timer_.async_wait([this](asio::error_code error) {
    if (!error) connect();
  });
}

void SaFeed::on_feed_lost(const Error& error) {
  last_error_ = error.text();
  snapshot_.clear();
  in_snapshot_ = false;
  const bool was_synchronized = std::exchange(synchronized_, false);
  // The reader is on the stack.
  asio::post(io_, [dead = std::move(reader_)] {});
  reader_.reset();
  if (was_synchronized && on_lost) on_lost(last_error_);
  if (wanted_) retry_later();
}

void SaFeed::on_hello(const vici::FeedHello& hello) {
  previous_instance_ = instance_;
  instance_ = hello.instance;
  if (instance_ != previous_instance_) activation_.forget_ike_sas();
  plugin_version_ = hello.strongswan_version;
}

void SaFeed::on_snapshot_begin() {
  in_snapshot_ = true;
  snapshot_.clear();
  ledger_.begin_snapshot();
}

void SaFeed::on_snapshot_end() {
  in_snapshot_ = false;
  const bool same_charon = previous_instance_ == instance_;
  previous_instance_ = instance_;
  std::vector<vici::FeedSaAdd> snapshot = std::exchange(snapshot_, {});
  std::set<std::string> tunnels;
  std::vector<vici::FeedSaUpdate> moves;  // while there was no feed
  for (const vici::FeedSaAdd& sa : snapshot) {
    if (ledger_.has_elsewhere(sa)) moves.push_back({sa.id, sa.encap, sa.local, sa.remote});
    ledger_.name(sa, now());
    tunnels.insert(sa.child_name);
  }
  const std::vector<SaId> gone = ledger_.end_snapshot(same_charon, now());
  // Inbound first: the peer may answer on it as soon as we send.
  for (const bool inbound : {true, false}) {
    for (vici::FeedSaAdd& sa : snapshot) {
      if (sa.id.inbound == inbound) take(std::move(sa));
    }
  }
  for (const vici::FeedSaUpdate& move : moves)
    on_sa_update(move);
  for (const SaId& id : gone)
    delete_sa(id);
  synchronized_ = true;
  last_error_.clear();
  if (on_charon) on_charon(same_charon);
  if (on_synchronized) on_synchronized();
  if (on_sas_changed) on_sas_changed();
}

void SaFeed::on_sa_add(vici::FeedSaAdd sa) {
  if (in_snapshot_) {
    snapshot_.push_back(std::move(sa));
    return;
  }
  ledger_.name(sa, now());
  take(std::move(sa));
}

// The ledger knows it; the dataplane may.
void SaFeed::take(vici::FeedSaAdd sa) {
  const SaRecord& record = *ledger_.find(sa.id);
  const auto tunnel = tunnel_id(sa.child_name);
  if (!tunnel) return refuse(sa.id, sa.child_name, "no CHILD_SA of the configuration has this name");
  if (record.state == SaState::kInstalled) {
    if (!sa.id.inbound && activation_.decide(record)) activation_.activate(record.policy, sa.id);
    if (reader_) reader_->send_sa_ack(sa.id, vici::SaAnswer::kInstalled);
    return;
  }
  install(sa, *tunnel);
}

void SaFeed::install(const vici::FeedSaAdd& sa, uint32_t tunnel) {
  const auto refuse_algorithm = [&] {
    refuse(sa.id, sa.child_name,
           fmt::format("the dataplane has no encryption {} with {} key bytes and integrity {}", sa.encryption,
                       sa.encryption_key.size_bytes(), sa.integrity));
  };
  if (sa.id.inbound) {
    auto message = inbound_message(sa, tunnel);
    if (!message) return refuse_algorithm();
    dataplane_.request(api::Type::kSetInboundSa, *message,
                       [this, id = sa.id, name = sa.child_name](const DataplaneAnswer& answer) {
                         installed(id, name, answer);
                       });
    explicit_bzero(&message->keys, sizeof message->keys);
    return;
  }
  auto message = outbound_message(sa, tunnel);
  if (!message) return refuse_algorithm();
  const SaRecord& record = *ledger_.find(sa.id);
  const bool at_once = activation_.decide(record);
  message->activate = at_once ? 1 : 0;
  if (at_once) activation_.learn(record);
  dataplane_.request(api::Type::kSetOutboundSa, *message,
                     [this, id = sa.id, name = sa.child_name](const DataplaneAnswer& answer) {
                       installed(id, name, answer);
                     });
  explicit_bzero(&message->keys, sizeof message->keys);
}

void SaFeed::installed(const SaId& id, const std::string& tunnel, const DataplaneAnswer& answer) {
  if (answer.lost) return;  // the next snapshot brings it again
  const SaRecord* record = ledger_.find(id);
  if (!answer.ok()) {
    if (record != nullptr) activation_.refused(*record);
    return refuse(id, tunnel, answer.text);
  }
  if (record == nullptr || record->state == SaState::kDeleting) return;
  ledger_.set_state(id, SaState::kInstalled);
  if (reader_ && synchronized_) reader_->send_sa_ack(id, vici::SaAnswer::kInstalled);
  if (on_sas_changed) on_sas_changed();
}

void SaFeed::refuse(const SaId& id, const std::string& tunnel, const std::string& why) {
  ledger_.set_state(id, SaState::kRefused);
  events_.add("sa", tunnel, fmt::format("{} could not be installed: {}", text_of(id), why));
  if (reader_) reader_->send_sa_ack(id, vici::SaAnswer::kRefused);
  if (on_sas_changed) on_sas_changed();
}

void SaFeed::on_sa_update(const vici::FeedSaUpdate& update) {
  ledger_.update(update);
  api::UpdateSa message{};
  message.direction = update.id.inbound ? api::Direction::kInbound : api::Direction::kOutbound;
  message.slot = update.id.slot;
  message.spi = update.id.spi;
  message.encap = update.encap ? 1 : 0;
  message.local = to_api(update.local);
  message.remote = to_api(update.remote);
  message.local_port = update.local.port;
  message.remote_port = update.remote.port;
  dataplane_.request(api::Type::kUpdateSa, message, [this, id = update.id](const DataplaneAnswer& answer) {
    const SaRecord* record = ledger_.find(id);
    if (!answer.ok() && !answer.lost && record != nullptr) {
      events_.add("sa", record->policy.tunnel,
                  fmt::format("{} could not be moved: {}", text_of(id), answer.text));
    }
  });
}

void SaFeed::on_sa_del(const vici::FeedSaDel& del) {
  const SaRecord* record = ledger_.find(del.id);
  if (record != nullptr && activation_.keep(*record)) return;
  delete_sa(del.id);
  if (on_sas_changed) on_sas_changed();
}

void SaFeed::delete_sa(const SaId& id) {
  ledger_.set_state(id, SaState::kDeleting);
  if (const SaRecord* record = ledger_.find(id)) activation_.deleted(*record);
  api::DeleteSa message{};
  message.direction = id.inbound ? api::Direction::kInbound : api::Direction::kOutbound;
  message.slot = id.slot;
  message.spi = id.spi;
  dataplane_.request(api::Type::kDeleteSa, message, [this, id](const DataplaneAnswer& answer) {
    if (answer.lost) return;
    // Not found is as good as deleted: charon also deletes what it only reserved.
    const SaRecord* held = ledger_.find(id);
    if (held != nullptr && held->state == SaState::kDeleting) ledger_.erase(id);
    if (id.inbound && reader_) reader_->send_slot_free({{id.spi}});
  });
}

void SaFeed::on_child_event(const vici::FeedChildEvent& event) {
  if (!event.rekey) return;
  ledger_.inherit(event.child_name, event.child_id, event.other_id);
  events_.add("sa", event.child_name, "rekeyed");
}

void SaFeed::on_ike_event(const vici::FeedIkeEvent& event) {
  if (event.rekey) ledger_.rename_ike(event.ike_id, event.other_id);
  activation_.on_ike_event(event);
  if (on_ike) on_ike(event);
}

void SaFeed::on_alert(const vici::FeedAlert& alert) {
  if (on_tunnel_alert) on_tunnel_alert(alert);
}

void SaFeed::on_sa_expired(const vici::FeedSaExpired& expired) {
  const SaRecord* record = ledger_.find(expired.id);
  if (record == nullptr) return;
  spdlog::info("sa {}: {} reached its {} lifetime", record->policy.tunnel, text_of(expired.id),
               expired.expiry == vici::Expiry::kHard ? "hard" : "soft");
}

std::optional<MonotonicTime> SaFeed::last_inbound(const SaId& id) const {
  const auto row = counters_.inbound(id.slot, id.spi);
  if (!row || row->last_use_ns == 0) return std::nullopt;
  return MonotonicTime(std::chrono::nanoseconds(row->last_use_ns));
}

void SaFeed::send_stats() {
  if (!reader_ || !synchronized_) return;
  std::vector<sp_feed_sa_stats> stats;
  const auto add = [&](const SaId& id, uint64_t packets, uint64_t bytes, uint64_t last_use_ns) {
    sp_feed_sa_stats one{};
    one.spi = id.spi;
    one.slot = id.slot;
    one.inbound = id.inbound ? 1 : 0;
    one.packets = packets;
    one.bytes = bytes;
    one.last_use = last_use_ns / 1'000'000'000;
    stats.push_back(one);
  };
  for (const auto& [id, record] : ledger_.records()) {
    if (record.state != SaState::kInstalled || record.orphan) continue;
    if (id.inbound) {
      if (const auto row = counters_.inbound(id.slot, id.spi))
        add(id, row->packets, row->bytes, row->last_use_ns);
    } else if (const auto row = counters_.outbound(id.slot, id.spi)) {
      add(id, row->packets, row->bytes, row->last_use_ns);
    }
  }
  if (!stats.empty()) reader_->send_stats(stats);
}

void SaFeed::on_dataplane_event(const api::Header& header, std::span<const uint8_t> bytes) {
  if (header.type == api::Type::kPeerMoved) {
    const auto event = message_cast<api::PeerMoved>(bytes);
    if (const SaRecord* record = ledger_.find({event.spi, event.slot, true})) {
      events_.add("sa", record->policy.tunnel,
                  "the peer moved to " + endpoint_text(event.remote, event.remote_port));
    }
    if (reader_) reader_->send_mapping(event.spi, to_feed(event.remote, event.remote_port));
  } else if (header.type == api::Type::kSaExpired) {
    const auto event = message_cast<api::SaExpired>(bytes);
    const SaId id = id_of(event.direction, event.slot, event.spi);
    const SaRecord* record = ledger_.find(id);
    if (record != nullptr && record->orphan) {
      if (event.hard) delete_sa(id);
    } else if (reader_) {
      reader_->send_expire(id, event.hard ? vici::Expiry::kHard : vici::Expiry::kSoft);
    }
  } else if (header.type == api::Type::kPacketAudited) {
    const auto event = message_cast<api::PacketAudited>(bytes);
    const SaRecord* record = ledger_.find({event.spi, event.spi & api::kSlotMask, true});
    events_.add("audit", record != nullptr ? record->policy.tunnel : "esp", audit_text(event));
  }
}

}  // namespace sallyport::control
