// SPDX-License-Identifier: GPL-2.0-or-later
// One function per message type; all bounds are checked before any of them runs. Feed's thread.
#include "vici-bridge/plugin/feed_input.h"

#include <daemon.h>
#include <netinet/in.h>

#include "vici-bridge/plugin/feed_output.h"
#include "vici-bridge/plugin/sa_message.h"

#define MAX_WORKERS 1024u

static const char* on_reader_hello(core_t* core, const void* data) {
  const struct sp_feed_reader_hello* hello = data;
  if (core->greeted) {
    return "a second READER_HELLO";
  }
  if (!hello->workers || hello->workers > MAX_WORKERS || !hello->slots || hello->slots > 1u << SP_SLOT_BITS) {
    return "READER_HELLO with an impossible number of workers or slots";
  }
  core->mutex->lock(core->mutex);
  spi_pool_configure(core->spis, hello->workers, hello->slots);
  core->greeted = true;
  core->mutex->unlock(core->mutex);
  return NULL;
}

static const char* on_spis(core_t* core, const void* data) {
  const struct sp_feed_live_spis* spis = data;
  core->mutex->lock(core->mutex);
  for (uint32_t i = 0; i < spis->count; i++) {
    if (spis->header.type == SP_FEED_LIVE_SPIS) {
      spi_pool_set_live(core->spis, spis->spis[i]);
    } else {
      spi_pool_clear_live(core->spis, spis->spis[i]);
    }
  }
  core->mutex->unlock(core->mutex);
  return NULL;
}

static const char* on_heartbeat(core_t* core, const void* data) {
  const struct sp_feed_header* header = data;
  core->mutex->lock(core->mutex);
  core->ready |= header->type == SP_FEED_READER_READY;
  core->heartbeats++;
  core->last_heartbeat_ms = core_now_ms();
  core->answered->broadcast(core->answered);
  core->mutex->unlock(core->mutex);
  return NULL;
}

static const char* on_sa_ack(core_t* core, const void* data) {
  const struct sp_feed_sa_ack* ack = data;
  core->mutex->lock(core->mutex);
  sa_entry_t* entry = sa_table_find(core->sas, ack->spi, ack->slot, ack->inbound);
  if (entry && ack->refused) {
    entry->refused = true;
  } else if (entry) {
    entry->refused = false;
    entry->message->installed = 1;
  }
  if (ack->inbound && !ack->refused) {
    spi_pool_set_live(core->spis, ack->spi);
  }
  core->answered->broadcast(core->answered);
  core->mutex->unlock(core->mutex);
  if (ack->refused) {
    DBG1(DBG_KNL, "sallyportd refused the %s SA 0x%08x: its log has the reason",
         ack->inbound ? "inbound" : "outbound", ack->spi);
  }
  return NULL;
}

static const char* on_stats(core_t* core, const void* data) {
  const struct sp_feed_stats* stats = data;
  core->mutex->lock(core->mutex);
  for (uint32_t i = 0; i < stats->count; i++) {
    const struct sp_feed_sa_stats* sa = &stats->sas[i];
    sa_entry_t* entry = sa_table_find(core->sas, sa->spi, sa->slot, sa->inbound);
    if (entry) {
      entry->packets = sa->packets;
      entry->bytes = sa->bytes;
      entry->last_use = sa->last_use;
    }
  }
  core->mutex->unlock(core->mutex);
  return NULL;
}

static const char* on_expire(core_t* core, const void* data) {
  const struct sp_feed_expire* expire = data;
  core->mutex->lock(core->mutex);
  sa_entry_t* entry = sa_table_find(core->sas, expire->spi, expire->slot, expire->inbound);
  host_t* dst = entry ? entry->dst->clone(entry->dst) : NULL;
  core->mutex->unlock(core->mutex);
  if (dst) {
    charon->kernel->expire(charon->kernel, IPPROTO_ESP, htonl(expire->spi), dst, expire->hard);
    dst->destroy(dst);
  }
  return NULL;
}

static const char* on_acquire(core_t* core, const void* data) {
  const struct sp_feed_acquire* acquire = data;
  kernel_acquire_data_t selectors = {};
  core->mutex->lock(core->mutex);
  bool found = traps_find(core->traps, acquire->reqid, &selectors.src, &selectors.dst);
  core->mutex->unlock(core->mutex);
  if (!found) {
    DBG1(DBG_KNL, "acquire for reqid {%u}, which has no trap policy: ignored", acquire->reqid);
    return NULL;
  }
  charon->kernel->acquire(charon->kernel, acquire->reqid, &selectors);
  selectors.src->destroy(selectors.src);
  selectors.dst->destroy(selectors.dst);
  return NULL;
}

static const char* on_mapping(core_t* core, const void* data) {
  const struct sp_feed_mapping* mapping = data;
  host_t* remote = host_from_address(&mapping->remote);
  if (!remote) {
    return "MAPPING without an address";
  }
  core->mutex->lock(core->mutex);
  sa_entry_t* entry = sa_table_find(core->sas, mapping->spi, mapping->spi & SP_SLOT_MASK, true);
  host_t* dst = entry ? entry->dst->clone(entry->dst) : NULL;
  core->mutex->unlock(core->mutex);
  if (dst) {
    charon->kernel->mapping(charon->kernel, IPPROTO_ESP, htonl(mapping->spi), dst, remote);
    dst->destroy(dst);
  }
  remote->destroy(remote);
  return NULL;
}

static const char* on_resync(core_t* core, const void* data) {
  core->mutex->lock(core->mutex);
  feed_output_resync(core);
  core->mutex->unlock(core->mutex);
  return NULL;
}

typedef struct {
  uint16_t type;
  uint16_t size;       // of the fixed part
  uint16_t item_size;  // of each of the items counted right after the header; 0: no items
  uint16_t max_items;
  const char* (*handle)(core_t* core, const void* data);
} message_kind_t;

static const message_kind_t message_kinds[] = {
    {SP_FEED_READER_HELLO, sizeof(struct sp_feed_reader_hello), 0, 0, on_reader_hello},
    {SP_FEED_LIVE_SPIS, sizeof(struct sp_feed_live_spis), 4, SP_FEED_SPIS_PER_MESSAGE, on_spis},
    {SP_FEED_READER_READY, sizeof(struct sp_feed_header), 0, 0, on_heartbeat},
    {SP_FEED_HEARTBEAT, sizeof(struct sp_feed_header), 0, 0, on_heartbeat},
    {SP_FEED_SA_ACK, sizeof(struct sp_feed_sa_ack), 0, 0, on_sa_ack},
    {SP_FEED_STATS, sizeof(struct sp_feed_stats), sizeof(struct sp_feed_sa_stats), SP_FEED_STATS_PER_MESSAGE,
     on_stats},
    {SP_FEED_EXPIRE, sizeof(struct sp_feed_expire), 0, 0, on_expire},
    {SP_FEED_ACQUIRE, sizeof(struct sp_feed_acquire), 0, 0, on_acquire},
    {SP_FEED_MAPPING, sizeof(struct sp_feed_mapping), 0, 0, on_mapping},
    {SP_FEED_RESYNC, sizeof(struct sp_feed_header), 0, 0, on_resync},
    {SP_FEED_SLOT_FREE, sizeof(struct sp_feed_live_spis), 4, SP_FEED_SPIS_PER_MESSAGE, on_spis},
};

static const char* check_length(const message_kind_t* kind, const struct sp_feed_header* header,
                                size_t length) {
  if (length < kind->size) {
    return "a message that is too short";
  }
  size_t items = 0;
  if (kind->item_size) {
    items = *(const uint32_t*)(header + 1);
    if (items > kind->max_items) {
      return "a message with too many items";
    }
  }
  return length == kind->size + items * kind->item_size ? NULL
                                                        : "a message whose length does not fit its type";
}

const char* feed_input_handle(core_t* core, const void* message, size_t length) {
  const struct sp_feed_header* header = message;
  if (length < sizeof(*header) || header->magic != SP_FEED_MAGIC) {
    return "something that is not a feed message";
  }
  if (header->version != SP_FEED_VERSION) {
    return "another version of the feed: sallyportd and the plugin must be of one build";
  }
  if (header->length != length) {
    return "a message whose length is not the datagram's";
  }
  for (size_t i = 0; i < countof(message_kinds); i++) {
    const message_kind_t* kind = &message_kinds[i];
    if (kind->type == header->type) {
      if (!core->greeted && header->type != SP_FEED_READER_HELLO) {
        return "a message before READER_HELLO";
      }
      const char* wrong = check_length(kind, header, length);
      return wrong ? wrong : kind->handle(core, message);
    }
  }
  return "a message of unknown type";
}
