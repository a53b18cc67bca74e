// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/sas.h"

#include <rte_byteorder.h>
#include <rte_lcore.h>
#include <spdlog/fmt/fmt.h>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/dump.h"
#include "dataplane/packet/addresses.h"
#include "dataplane/sa/peer_key.h"

namespace sallyport::dataplane {
namespace {

constexpr uint32_t kSlotMask = api::kSlotMask;

template <typename Row>
void clear(Row& row) {
  static_assert(sizeof(Row) == 8 * sizeof(api::Counter));
  auto* counters = reinterpret_cast<api::Counter*>(&row);
  for (unsigned i = 0; i < 8; ++i)
    counters[i].store(0, std::memory_order_relaxed);
}

template <typename Message>
OuterEndpoints endpoints_of(const Message& message) {
  return {message.local, message.remote, message.local_port, message.remote_port, message.encap != 0};
}

template <typename Message>
void put_endpoints(Message& message, const OuterEndpoints& endpoints) {
  message.local = endpoints.local;
  message.remote = endpoints.remote;
  message.local_port = endpoints.local_port;
  message.remote_port = endpoints.remote_port;
  message.encap = endpoints.encap;
}

// What may differ between two messages about one SA that is to stay as it is.
void forget_volatile(api::SetInboundSa&) {}
void forget_volatile(api::SetOutboundSa& message) {
  message.activate = message.may_have_sent = 0;
}

template <typename Message>
Message with_header(Message message, api::Type type) {
  message.header = make_message<Message>(type, 0).header;
  return message;
}

template <typename Message>
bool same_bytes(const Message& a, const Message& b) {
  return std::memcmp(static_cast<const void*>(&a), static_cast<const void*>(&b), sizeof a) == 0;
}

template <typename Message>
api::UpdateSa move_of(const Message& message, api::Direction direction, uint32_t slot) {
  auto update = make_message<api::UpdateSa>(api::Type::kUpdateSa, 0);
  update.direction = direction;
  update.slot = slot;
  update.spi = message.spi;
  put_endpoints(update, endpoints_of(message));
  return update;
}

// Where a family is not narrowed down the SA needs no look at the selectors.
template <typename Sa>
void apply_selectors(const SelectorSet& selectors, Sa& sa) {
  if (selectors.any_ipv4() && (selectors.any_ipv6() || selectors.no_ipv6())) {
    sa.ipv4_only = selectors.no_ipv6();
  } else {
    sa.selectors = &selectors;
  }
}

Failure no_such_sa(const char* direction, uint32_t slot, uint32_t spi) {
  return {api::Error::kNotFound,
          fmt::format("there is no {} SA with SPI {:08x} in slot {}", direction, spi, slot)};
}

Failure slot_taken(const char* direction, uint32_t slot, uint32_t spi, uint32_t found) {
  return {api::Error::kInUse,
          found == spi
              ? fmt::format("{} SA {:08x} is installed with another key or other parameters; delete it first",
                            direction, spi)
              : fmt::format("{} slot {} belongs to SA {:08x}; delete it first", direction, slot, found)};
}

// Takes a slot out of the list of its tunnel's.
template <typename Record>
void unlink(uint32_t& first, const std::vector<std::unique_ptr<Record>>& records, uint32_t slot) {
  uint32_t* link = &first;
  while (*link != slot)
    link = &records[*link]->next_slot;
  *link = records[slot]->next_slot;
}

int any_socket() {
  return static_cast<int>(rte_socket_id());
}

}  // namespace

Sas::Sas(TablesContext& context, SharedStateFile& state, Tunnels& tunnels, const CryptoEngine& engine)
    : context_(context),
      state_(state),
      tunnels_(tunnels),
      engine_(engine),
      inbound_(state.slots()),
      outbound_(state.slots()),
      dying_inbound_(state.slots()),
      dying_outbound_(state.slots()),
      first_inbound_(context.world.tunnels.capacity(), api::kNone),
      first_outbound_(context.world.tunnels.capacity(), api::kNone) {}

// The workers have stopped: nothing reads the World any more. The rows stay for the next life.
Sas::~Sas() {
  for (uint32_t slot = 0; slot < state_.slots(); ++slot) {
    if (inbound_[slot]) context_.world.inbound_sas.publish(slot, nullptr);
    if (outbound_[slot]) context_.world.outbound_sas.publish(slot, nullptr);
  }
}

InboundRecord* Sas::find_inbound(uint32_t slot, uint32_t spi) const {
  InboundRecord* record = slot < inbound_.size() ? inbound_[slot].get() : nullptr;
  return record != nullptr && record->sa->spi == spi ? record : nullptr;
}

OutboundRecord* Sas::find_outbound(uint32_t slot, uint32_t spi) const {
  OutboundRecord* record = slot < outbound_.size() ? outbound_[slot].get() : nullptr;
  return record != nullptr && record->sa->spi == spi ? record : nullptr;
}

template <typename Record, typename Message>
Sas::Match Sas::compare(const Record& record, const Message& message) const {
  auto old = record.stored.message();
  if (old.spi != message.spi || !record.sa->key.matches(engine_, message.keys)) return Match::kOther;
  auto now = StoredSaMessage<Message>(message).message();
  forget_volatile(old);
  forget_volatile(now);
  if (same_bytes(old, now)) return Match::kSame;
  put_endpoints(old, endpoints_of(now));
  return same_bytes(old, now) ? Match::kMoved : Match::kOther;
}

Failure Sas::check_slot(uint32_t slot, uint32_t tunnel_id, const std::vector<bool>& dying) const {
  if (slot >= state_.slots())
    return {api::Error::kExhausted,
            fmt::format("slot {} is beyond the {} of this dataplane; raise --slots", slot, state_.slots())};
  if (dying[slot])
    return {api::Error::kInUse,
            fmt::format("slot {} is being freed; wait for the answer to the deletion", slot)};
  if (!tunnels_.contains(tunnel_id)) return not_found("tunnel", tunnel_id);
  return success();
}

Failure Sas::set_inbound(const api::SetInboundSa& message) {
  const uint32_t slot = message.spi & kSlotMask;
  if (auto failure = check_slot(slot, message.tunnel_id, dying_inbound_); failure.failed()) return failure;
  const InboundRecord* found = inbound_[slot].get();
  const Match match = found == nullptr ? Match::kAbsent : compare(*found, message);
  switch (match) {
    case Match::kAbsent:
      return install(message, slot);
    case Match::kSame:
      return success();
    case Match::kMoved:
      return move_inbound(move_of(message, api::Direction::kInbound, slot));
    case Match::kOther:
      break;
  }
  return slot_taken("inbound", slot, message.spi, found->sa->spi);
}

Failure Sas::install(const api::SetInboundSa& message, uint32_t slot) {
  auto record = std::make_unique<InboundRecord>(message);
  const auto error = record->selectors.assign(api::local_selectors(message), api::remote_selectors(message));
  if (error != api::Error::kNone)
    return {error,
            fmt::format("SA {:08x}: no address family has traffic selectors on both sides", message.spi)};
  const auto refusal = create_inbound_sa(message, state_.inbound()[slot], engine_, any_socket(), record->sa);
  if (refusal.error != api::Error::kNone)
    return {refusal.error, fmt::format("inbound SA {:08x}: {}", message.spi, refusal.text)};
  apply_selectors(record->selectors, *record->sa);
  record->sa->vrf_id = static_cast<uint8_t>(context_.world.tunnels.at(message.tunnel_id)->vrf_id);
  context_.world.inbound_sas.publish(slot, record->sa.get());
  context_.references.add(ObjectKind::kTunnel, message.tunnel_id);
  record->next_slot = std::exchange(first_inbound_[message.tunnel_id], slot);
  inbound_[slot] = std::move(record);
  return success();
}

Failure Sas::set_outbound(const api::SetOutboundSa& message) {
  if (auto failure = check_slot(message.slot, message.tunnel_id, dying_outbound_); failure.failed())
    return failure;
  const OutboundRecord* found = outbound_[message.slot].get();
  const Match match = found == nullptr ? Match::kAbsent : compare(*found, message);
  Failure failure = success();
  switch (match) {
    case Match::kAbsent:
      failure = install(message);
      break;
    case Match::kSame:
      break;
    case Match::kMoved:
      failure = move_outbound(move_of(message, api::Direction::kOutbound, message.slot));
      break;
    case Match::kOther:
      return slot_taken("outbound", message.slot, message.spi, found->sa->spi);
  }
  if (!failure.failed() && message.activate) send_on(message.tunnel_id, message.slot);
  return failure;
}

Failure Sas::install(const api::SetOutboundSa& message) {
  auto record = std::make_unique<OutboundRecord>(message);
  auto error = record->selectors.assign(api::local_selectors(message), api::remote_selectors(message));
  if (error != api::Error::kNone)
    return {error,
            fmt::format("SA {:08x}: no address family has traffic selectors on both sides", message.spi)};
  OuterHeader outer;
  error = make_outer_header(endpoints_of(message), tunnels_.policy(message.tunnel_id), outer);
  if (error != api::Error::kNone)
    return {error, fmt::format("outbound SA {:08x}: no outer header can be made from {} to {}", message.spi,
                               to_text(message.local), to_text(message.remote))};
  const auto refusal =
      create_outbound_sa(message, state_.outbound()[message.slot], outer, engine_, any_socket(), record->sa);
  if (refusal.error != api::Error::kNone)
    return {refusal.error, fmt::format("outbound SA {:08x}: {}", message.spi, refusal.text)};
  apply_selectors(record->selectors, *record->sa);
  context_.world.outbound_sas.publish(message.slot, record->sa.get());
  context_.references.add(ObjectKind::kTunnel, message.tunnel_id);
  record->next_slot = std::exchange(first_outbound_[message.tunnel_id], message.slot);
  outbound_by_spi_.emplace(message.spi, message.slot);
  outbound_[message.slot] = std::move(record);
  return success();
}

Failure Sas::update(const api::UpdateSa& message) {
  return message.direction == api::Direction::kInbound ? move_inbound(message) : move_outbound(message);
}

Failure Sas::move_inbound(const api::UpdateSa& message) {
  InboundRecord* record = find_inbound(message.slot, message.spi);
  if (record == nullptr) return no_such_sa("inbound", message.slot, message.spi);
  auto stored = record->stored.message();
  put_endpoints(stored, endpoints_of(message));
  record->stored = StoredSaMessage<api::SetInboundSa>(stored);
  record->sa->encap.store(message.encap != 0, std::memory_order_relaxed);
  record->sa->outer_family.store(message.local.family, std::memory_order_relaxed);
  record->sa->remote.store(peer_key(message.remote, message.remote_port), std::memory_order_relaxed);
  return success();
}

Failure Sas::move_outbound(const api::UpdateSa& message) {
  OutboundRecord* record = find_outbound(message.slot, message.spi);
  if (record == nullptr) return no_such_sa("outbound", message.slot, message.spi);
  return replace_header(*record, endpoints_of(message));
}

Failure Sas::activate(const api::ActivateSa& message) {
  const OutboundRecord* record = find_outbound(message.slot, message.spi);
  if (record == nullptr) return no_such_sa("outbound", message.slot, message.spi);
  send_on(record->sa->tunnel_id, message.slot);
  return success();
}

// In the place of the one with the same selectors.
void Sas::send_on(uint32_t tunnel_id, uint32_t slot) {
  if (tunnels_.sends_on(tunnel_id, slot)) return;
  uint32_t replaced = tunnels_.active(tunnel_id);
  while (replaced != api::kNone && !outbound_[replaced]->stored.same_selectors(outbound_[slot]->stored))
    replaced = tunnels_.older(replaced);
  tunnels_.send_on(tunnel_id, slot, replaced);
}

// Copy and swap: sequence numbers and lifetimes belong to the SA and are not touched.
Failure Sas::replace_header(OutboundRecord& record, const OuterEndpoints& endpoints) {
  auto stored = record.stored.message();
  auto header = std::make_unique<OuterHeader>();
  const auto error = make_outer_header(endpoints, tunnels_.policy(stored.tunnel_id), *header);
  if (error != api::Error::kNone)
    return {error, fmt::format("outbound SA {:08x}: no outer header can be made from {} to {}", stored.spi,
                               to_text(endpoints.local), to_text(endpoints.remote))};
  put_endpoints(stored, endpoints);
  record.stored = StoredSaMessage<api::SetOutboundSa>(stored);
  record.sa->set_outer(*header);
  context_.retirer.retire(std::exchange(record.outer, std::move(header)));
  return success();
}

Failure Sas::remove(const api::DeleteSa& message, std::function<void()> done) {
  return message.direction == api::Direction::kInbound ? remove_inbound(message, std::move(done))
                                                       : remove_outbound(message, std::move(done));
}

Failure Sas::remove_inbound(const api::DeleteSa& message, std::function<void()> done) {
  if (find_inbound(message.slot, message.spi) == nullptr)
    return no_such_sa("inbound", message.slot, message.spi);
  unlink(first_inbound_[inbound_[message.slot]->sa->tunnel_id], inbound_, message.slot);
  std::unique_ptr<InboundRecord> record = std::move(inbound_[message.slot]);
  context_.world.inbound_sas.publish(message.slot, nullptr);
  context_.references.drop(ObjectKind::kTunnel, record->sa->tunnel_id);
  dying_inbound_[message.slot] = true;
  context_.retirer.after_grace(
      [this, slot = message.slot, done = std::move(done), record = std::move(record)] {
        clear(state_.inbound()[slot]);
        dying_inbound_[slot] = false;
        done();
      });
  return success();
}

Failure Sas::remove_outbound(const api::DeleteSa& message, std::function<void()> done) {
  if (find_outbound(message.slot, message.spi) == nullptr)
    return no_such_sa("outbound", message.slot, message.spi);
  const uint32_t tunnel_id = outbound_[message.slot]->sa->tunnel_id;
  unlink(first_outbound_[tunnel_id], outbound_, message.slot);
  std::unique_ptr<OutboundRecord> record = std::move(outbound_[message.slot]);
  tunnels_.stop_sending_on(tunnel_id, message.slot);
  context_.references.drop(ObjectKind::kTunnel, tunnel_id);
  const auto [first, last] = outbound_by_spi_.equal_range(message.spi);
  for (auto entry = first; entry != last; ++entry)
    if (entry->second == message.slot) {
      outbound_by_spi_.erase(entry);
      break;
    }
  dying_outbound_[message.slot] = true;
  // No tunnel leads there any more; a worker that has read the slot already finds its SA.
  context_.retirer.after_grace(
      [this, slot = message.slot, done = std::move(done), record = std::move(record)] {
        context_.world.outbound_sas.publish(slot, nullptr);
        clear(state_.outbound()[slot]);
        dying_outbound_[slot] = false;
        done();
      });
  return success();
}

void Sas::refresh_headers(uint32_t tunnel_id) {
  for (uint32_t slot = first_outbound_[tunnel_id]; slot != api::kNone; slot = outbound_[slot]->next_slot) {
    OutboundRecord& record = *outbound_[slot];
    const auto stored = record.stored.message();
    OuterHeader wanted{};
    if (make_outer_header(endpoints_of(stored), tunnels_.policy(tunnel_id), wanted) != api::Error::kNone)
      continue;
    if (wanted.policy == record.sa->outer.load(std::memory_order_relaxed)->policy) continue;
    (void)replace_header(record, endpoints_of(stored));  // what made a header a line above makes one again
  }
}

uint64_t Sas::last_verified_ns(uint32_t tunnel_id) const {
  uint64_t latest_ns = 0;
  for (uint32_t slot = first_inbound_[tunnel_id]; slot != api::kNone; slot = inbound_[slot]->next_slot)
    latest_ns = std::max(latest_ns, inbound_[slot]->sa->row->last_use_ns.load(std::memory_order_relaxed));
  return latest_ns;
}

uint32_t Sas::tunnel_of(const QuotedEsp& quoted) const {
  const auto [first, last] = outbound_by_spi_.equal_range(quoted.spi);
  for (auto entry = first; entry != last; ++entry) {
    const OutboundRecord& record = *outbound_[entry->second];
    const auto stored = record.stored.message();
    if (same_address(stored.local, quoted.local) && same_address(stored.remote, quoted.remote) &&
        (stored.encap ? stored.remote_port : 0) == quoted.remote_port)
      return stored.tunnel_id;
  }
  return api::kNone;
}

DumpSource Sas::dump_inbound() const {
  return dump_of_table(inbound_, [](uint32_t, const InboundRecord& record) {
    return with_header(record.stored.message(), api::Type::kSetInboundSa);
  });
}

DumpSource Sas::dump_outbound() const {
  return dump_of_table(outbound_, [this](uint32_t slot, const OutboundRecord& record) {
    auto message = with_header(record.stored.message(), api::Type::kSetOutboundSa);
    message.activate = tunnels_.sends_on(message.tunnel_id, slot);
    message.may_have_sent = 1;
    return message;
  });
}

}  // namespace sallyport::dataplane
