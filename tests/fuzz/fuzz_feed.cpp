// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: what the plugin's socket may say. Whatever decodes keeps the promises of feed_message.h.
#include <cstdlib>
#include <cstring>

#include "vici-bridge/feed_message.h"
#include "vici-bridge/feed_text.h"

namespace {

using namespace sallyport::vici;

void require(bool promise) {
  if (!promise) abort();
}

void check(const FeedSaAdd& sa) {
  require(!sa.id.inbound || (sa.id.spi & SP_SLOT_MASK) == sa.id.slot);
  require(sa.local.family == 4 || sa.local.family == 6);
  require(sa.local.family == sa.remote.family);
  require(sa.encryption_key.size_bytes() <= KeyMaterial::kMaxBytes);
  require(sa.local_selectors.size() <= SP_FEED_MAX_SELECTORS &&
          sa.remote_selectors.size() <= SP_FEED_MAX_SELECTORS);
  require(clean_text(sa.remote_id) == sa.remote_id);
  for (const sp_selector& selector : sa.remote_selectors)
    require(!to_string(selector).empty());
}

void check(std::span<const uint8_t> datagram) {
  const sallyport::Result<FeedMessage> message = decode_feed_message(datagram);
  if (!message) return;
  require(message->number > 0);
  if (const auto* sa = std::get_if<FeedSaAdd>(&message->body)) check(*sa);
  if (const auto* alert = std::get_if<FeedAlert>(&message->body)) require(alert_name(alert->alert)[0] != 'u');
}

}  // namespace

// As it is, and with its header made right, so that mutations reach the fields behind it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check({data, size});
  if (size < sizeof(sp_feed_header)) return 0;
  std::vector<uint8_t> repaired(data, data + size);
  sp_feed_header header;
  std::memcpy(&header, data, sizeof header);
  header.magic = SP_FEED_MAGIC;
  header.version = SP_FEED_VERSION;
  header.type %= SP_FEED_SA_EXPIRED + 2;
  header.length = uint32_t(size);
  std::memcpy(repaired.data(), &header, sizeof header);
  check(repaired);
  return 0;
}
