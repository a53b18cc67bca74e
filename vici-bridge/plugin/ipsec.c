// SPDX-License-Identifier: GPL-2.0-or-later
// Called by any of charon's threads, each with its IKE_SA checked out.
#include "vici-bridge/plugin/ipsec.h"

#include <daemon.h>

#include "vici-bridge/plugin/core.h"
#include "vici-bridge/plugin/feed.h"
#include "vici-bridge/plugin/listener.h"
#include "vici-bridge/plugin/owner.h"
#include "vici-bridge/plugin/sa_message.h"
#include "vici-bridge/plugin/version.h"

#define ACK_WAIT_MS 50u

typedef struct {
  kernel_ipsec_t public;
  core_t* core;
  feed_t* feed;
  sallyport_listener_t* listener;
} private_ipsec_t;

METHOD(kernel_ipsec_t, get_features, kernel_feature_t, private_ipsec_t* this) {
  // The dataplane's selectors don't name the outer addresses: a moved peer needs no new policies.
  return KERNEL_NO_POLICY_UPDATES;
}

METHOD(kernel_ipsec_t, get_spi, status_t, private_ipsec_t* this, host_t* src, host_t* dst, uint8_t protocol,
       uint32_t* spi) {
  if (protocol != IPPROTO_ESP) {
    DBG1(DBG_KNL, "no SPI: the dataplane does ESP only");
    return NOT_SUPPORTED;
  }
  core_t* core = this->core;
  uint64_t peer_hash = owner_peer_hash();
  core->mutex->lock(core->mutex);
  bool alive = core_reader_alive(core);
  uint32_t reserved = alive ? spi_pool_reserve(core->spis, peer_hash, core_now_ms()) : 0;
  core->mutex->unlock(core->mutex);
  if (!reserved) {
    DBG1(DBG_KNL, "no SPI: %s",
         alive ? "the dataplane has no free slot" : "sallyportd is not there or not ready");
    return FAILED;
  }
  *spi = htonl(reserved);
  return SUCCESS;
}

METHOD(kernel_ipsec_t, get_cpi, status_t, private_ipsec_t* this, host_t* src, host_t* dst, uint16_t* cpi) {
  return NOT_SUPPORTED;
}

static void add_lifetimes(core_t* core, const sa_entry_t* entry) {
  const struct sp_feed_sa* sa = entry->message;
  expiry_t expiry = {.order = entry->order, .spi = sa->spi, .slot = sa->slot, .inbound = sa->inbound};
  uint64_t now_ms = core_now_ms();
  if (sa->soft_seconds) {
    expiry.due_ms = now_ms + sa->soft_seconds * 1000;
    lifetimes_add(core->lifetimes, &expiry);
  }
  if (sa->hard_seconds) {
    expiry.hard = true;
    expiry.due_ms = now_ms + sa->hard_seconds * 1000;
    lifetimes_add(core->lifetimes, &expiry);
  }
}

static void post_delete(core_t* core, const sa_entry_t* entry) {
  struct sp_feed_sa_del del = {
      .spi = entry->message->spi,
      .slot = entry->message->slot,
      .inbound = entry->message->inbound,
      .remote = entry->message->remote,
  };
  message_init(&del.header, SP_FEED_SA_DEL, sizeof(del));
  core_post(core, &del);
}

static void delete_entry(core_t* core, sa_entry_t* entry) {
  post_delete(core, entry);
  sa_table_remove(core->sas, entry);
}

// Waits for the dataplane's word on an inbound SA that was just posted. An SPI that the dataplane doesn't
// know must not be answered to the peer. So silence counts as consent only with a heartbeat since: then the
// reader is slow, not stopped, and will install the SA in order. From a reader that isn't there any more the
// peer gets a failure, and the old SA carries on. With the mutex held, which the wait gives up.
static status_t await_answer(core_t* core, uint32_t spi) {
  uint64_t heartbeats = core->heartbeats, patient_until_ms = core_now_ms() + ACK_WAIT_MS;
  while (true) {
    sa_entry_t* entry = sa_table_find(core->sas, spi, 0, true);
    if (!entry || entry->refused || core->phase == OUTPUT_NOTHING) {
      return FAILED;
    }
    if (entry->message->installed) {
      return SUCCESS;
    }
    uint64_t now_ms = core_now_ms(), gone_ms = core->last_heartbeat_ms + SP_FEED_SILENCE_MS + 1;
    if (now_ms >= gone_ms) {
      return FAILED;
    }
    if (now_ms >= patient_until_ms && core->heartbeats != heartbeats) {
      return SUCCESS;
    }
    uint64_t end_ms = now_ms < patient_until_ms ? min(patient_until_ms, gone_ms) : gone_ms;
    core->answered->timed_wait(core->answered, core->mutex, (u_int)(end_ms - now_ms));
  }
}

static status_t install_inbound(core_t* core, struct sp_feed_sa* sa, host_t* src, host_t* dst) {
  uint32_t spi = sa->spi;
  core->mutex->lock(core->mutex);
  add_lifetimes(core, sa_table_insert(core->sas, sa, src, dst));
  core_post(core, sa);
  status_t status = await_answer(core, spi);
  sa_entry_t* entry = sa_table_find(core->sas, spi, 0, true);
  if (status != SUCCESS && entry) {
    delete_entry(core, entry);  // the SPI stays reserved until charon deletes it
  }
  core->mutex->unlock(core->mutex);
  if (status != SUCCESS) {
    DBG1(DBG_KNL, "the dataplane did not take the inbound SA 0x%08x", spi);
  }
  return status;
}

// charon adds the outbound SA of a new CHILD_SA even when the inbound one failed: nothing must be sent on
// that.
static status_t install_outbound(core_t* core, struct sp_feed_sa* sa, host_t* src, host_t* dst,
                                 uint32_t inbound_spi) {
  core->mutex->lock(core->mutex);
  bool paired = sa_table_find(core->sas, inbound_spi, 0, true) != NULL;
  if (paired) {
    add_lifetimes(core, sa_table_insert(core->sas, sa, src, dst));
    core_post(core, sa);
  }
  core->mutex->unlock(core->mutex);
  if (!paired) {
    sa_message_destroy(sa);
    src->destroy(src);
    dst->destroy(dst);
  }
  return paired ? SUCCESS : FAILED;
}

METHOD(kernel_ipsec_t, add_sa, status_t, private_ipsec_t* this, kernel_ipsec_sa_id_t* id,
       kernel_ipsec_add_sa_t* data) {
  const char* unsupported = sa_unsupported(id, data);
  if (unsupported) {
    DBG1(DBG_KNL, "SA 0x%08x refused: the dataplane does not support %s", ntohl(id->spi), unsupported);
    return NOT_SUPPORTED;
  }
  struct sp_feed_sa* sa = sa_message_create(id, data);
  uint32_t inbound_spi = owner_describe(sa);
  if (!inbound_spi) {
    DBG1(DBG_KNL, "SA 0x%08x refused: it belongs to no CHILD_SA that is being installed", sa->spi);
    sa_message_destroy(sa);
    return FAILED;
  }
  host_t *src = id->src->clone(id->src), *dst = id->dst->clone(id->dst);
  return data->inbound ? install_inbound(this->core, sa, src, dst)
                       : install_outbound(this->core, sa, src, dst, inbound_spi);
}

static void move_entry(core_t* core, sa_entry_t* entry, const kernel_ipsec_update_sa_t* data) {
  struct sp_feed_sa* sa = entry->message;
  entry->src->destroy(entry->src);
  entry->dst->destroy(entry->dst);
  entry->src = data->new_src->clone(data->new_src);
  entry->dst = data->new_dst->clone(data->new_dst);
  sa->encap = data->new_encap;
  sa->reqid = data->new_reqid ? data->new_reqid : sa->reqid;
  sa->local = address_from_host(sa->inbound ? entry->dst : entry->src);
  sa->remote = address_from_host(sa->inbound ? entry->src : entry->dst);
  struct sp_feed_sa_update update = {
      .spi = sa->spi,
      .slot = sa->slot,
      .inbound = sa->inbound,
      .encap = sa->encap,
      .local = sa->local,
      .remote = sa->remote,
  };
  message_init(&update.header, SP_FEED_SA_UPDATE, sizeof(update));
  core_post(core, &update);
}

METHOD(kernel_ipsec_t, update_sa, status_t, private_ipsec_t* this, kernel_ipsec_sa_id_t* id,
       kernel_ipsec_update_sa_t* data) {
  core_t* core = this->core;
  core->mutex->lock(core->mutex);
  sa_entry_t* entry = sa_table_find_by_destination(core->sas, ntohl(id->spi), id->dst);
  if (entry) {
    move_entry(core, entry, data);
  }
  core->mutex->unlock(core->mutex);
  return entry ? SUCCESS : NOT_FOUND;
}

METHOD(kernel_ipsec_t, query_sa, status_t, private_ipsec_t* this, kernel_ipsec_sa_id_t* id,
       kernel_ipsec_query_sa_t* data, uint64_t* bytes, uint64_t* packets, time_t* time) {
  core_t* core = this->core;
  core->mutex->lock(core->mutex);
  sa_entry_t* entry = sa_table_find_by_destination(core->sas, ntohl(id->spi), id->dst);
  if (entry) {
    *bytes = entry->bytes;
    *packets = entry->packets;
    *time = (time_t)entry->last_use;
  }
  core->mutex->unlock(core->mutex);
  return entry ? SUCCESS : NOT_FOUND;
}

METHOD(kernel_ipsec_t, del_sa, status_t, private_ipsec_t* this, kernel_ipsec_sa_id_t* id,
       kernel_ipsec_del_sa_t* data) {
  core_t* core = this->core;
  uint32_t spi = ntohl(id->spi);
  core->mutex->lock(core->mutex);
  sa_entry_t* entry = sa_table_find_by_destination(core->sas, spi, id->dst);
  bool outbound = entry && !entry->message->inbound;
  if (entry) {
    delete_entry(core, entry);
  }
  if (!outbound) {
    spi_pool_release(core->spis, spi, core_now_ms());  // perhaps it was only reserved
  }
  core->mutex->unlock(core->mutex);
  return SUCCESS;
}

METHOD(kernel_ipsec_t, flush_sas, status_t, private_ipsec_t* this) {
  core_t* core = this->core;
  sa_entry_t* entry;
  core->mutex->lock(core->mutex);
  while ((entry = sa_table_oldest(core->sas))) {
    if (entry->message->inbound) {
      spi_pool_release(core->spis, entry->message->spi, core_now_ms());
    }
    delete_entry(core, entry);
  }
  core->mutex->unlock(core->mutex);
  return SUCCESS;
}

static bool is_trap(const kernel_ipsec_policy_id_t* id, const kernel_ipsec_manage_policy_t* data) {
  return id->dir == POLICY_OUT && data->type == POLICY_IPSEC && data->prio == POLICY_PRIORITY_ROUTED;
}

// Policies are accepted: an SA carries its selectors. Those of traps are kept for ACQUIRE.
METHOD(kernel_ipsec_t, add_policy, status_t, private_ipsec_t* this, kernel_ipsec_policy_id_t* id,
       kernel_ipsec_manage_policy_t* data) {
  if (is_trap(id, data)) {
    this->core->mutex->lock(this->core->mutex);
    traps_add(this->core->traps, data->sa->reqid, id->src_ts, id->dst_ts);
    this->core->mutex->unlock(this->core->mutex);
  }
  return SUCCESS;
}

METHOD(kernel_ipsec_t, query_policy, status_t, private_ipsec_t* this, kernel_ipsec_policy_id_t* id,
       kernel_ipsec_query_policy_t* data, time_t* use_time) {
  return NOT_SUPPORTED;  // charon asks query_sa instead
}

METHOD(kernel_ipsec_t, del_policy, status_t, private_ipsec_t* this, kernel_ipsec_policy_id_t* id,
       kernel_ipsec_manage_policy_t* data) {
  if (is_trap(id, data)) {
    this->core->mutex->lock(this->core->mutex);
    traps_remove(this->core->traps, data->sa->reqid, id->src_ts, id->dst_ts);
    this->core->mutex->unlock(this->core->mutex);
  }
  return SUCCESS;
}

METHOD(kernel_ipsec_t, flush_policies, status_t, private_ipsec_t* this) {
  return SUCCESS;
}

// The dataplane takes IKE and ESP apart before charon's sockets see a packet.
METHOD(kernel_ipsec_t, bypass_socket, bool, private_ipsec_t* this, int fd, int family) {
  return TRUE;
}

METHOD(kernel_ipsec_t, enable_udp_decap, bool, private_ipsec_t* this, int fd, int family, u_int16_t port) {
  return TRUE;
}

METHOD(kernel_ipsec_t, destroy, void, private_ipsec_t* this) {
  if (this->listener) {
    sallyport_listener_destroy(this->listener);
  }
  if (this->feed) {
    feed_destroy(this->feed);
  }
  if (this->core) {
    core_destroy(this->core);
  }
  free(this);
}

kernel_ipsec_t* sallyport_ipsec_create(void) {
  private_ipsec_t* this;
  INIT(this, .public = {
                 .get_features = _get_features,
                 .get_spi = _get_spi,
                 .get_cpi = _get_cpi,
                 .add_sa = _add_sa,
                 .update_sa = _update_sa,
                 .query_sa = _query_sa,
                 .del_sa = _del_sa,
                 .flush_sas = _flush_sas,
                 .add_policy = _add_policy,
                 .query_policy = _query_policy,
                 .del_policy = _del_policy,
                 .flush_policies = _flush_policies,
                 .bypass_socket = _bypass_socket,
                 .enable_udp_decap = _enable_udp_decap,
                 .destroy = _destroy,
             });
  char* path =
      lib->settings->get_str(lib->settings, "%s.plugins.kernel-sallyport.socket", FEED_DEFAULT_PATH, lib->ns);
  this->core = core_create(running_strongswan_version());
  this->feed = this->core ? feed_create(this->core, path) : NULL;
  if (!this->feed) {
    destroy(this);
    return NULL;
  }
  this->listener = sallyport_listener_create(this->core);
  return &this->public;
}
