// SPDX-License-Identifier: GPL-2.0-or-later
// The hooks run on any of charon's threads with the bus mutex held: they build a message, queue it, and
// return.
#include "vici-bridge/plugin/listener.h"

#include <daemon.h>

#include "vici-bridge/plugin/alert.h"
#include "vici-bridge/plugin/owner.h"
#include "vici-bridge/plugin/sa_message.h"

#define UNNAMED_ALERTS_PER_SECOND 10u  // anybody can cause those

struct sallyport_listener_t {
  listener_t public;
  core_t* core;
  uint64_t unnamed_second;  // guarded by the bus mutex
  uint32_t unnamed_alerts;
};

static void post(core_t* core, const void* message) {
  core->mutex->lock(core->mutex);
  core_post(core, message);
  core->mutex->unlock(core->mutex);
}

// Half-open IKE_SAs of strangers have no connection yet, and there may be floods of them.
static bool is_named(ike_sa_t* ike_sa) {
  return ike_sa && ike_sa->get_peer_cfg(ike_sa);
}

static void post_child(sallyport_listener_t* this, uint16_t type, ike_sa_t* ike_sa, child_sa_t* child_sa,
                       child_sa_t* other, child_sa_state_t state, const char* state_name) {
  struct sp_feed_child_event event = {
      .ike_id = ike_sa->get_unique_id(ike_sa),
      .child_id = child_sa->get_unique_id(child_sa),
      .other_id = other ? other->get_unique_id(other) : 0,
      .reqid = child_sa->get_reqid(child_sa),
      .inbound_spi = ntohl(child_sa->get_spi(child_sa, TRUE)),
      .outbound_spi = ntohl(child_sa->get_spi(child_sa, FALSE)),
      .state = state,
  };
  message_init(&event.header, type, sizeof(event));
  snprintf(event.state_name, sizeof(event.state_name), "%s", state_name);
  snprintf(event.ike_name, sizeof(event.ike_name), "%s", ike_sa->get_name(ike_sa));
  snprintf(event.child_name, sizeof(event.child_name), "%s", child_sa->get_name(child_sa));
  post(this->core, &event);
}

static void post_ike(sallyport_listener_t* this, uint16_t type, ike_sa_t* ike_sa, ike_sa_t* other,
                     ike_sa_state_t state, const char* state_name) {
  ike_sa_id_t* id = ike_sa->get_id(ike_sa);
  struct sp_feed_ike_event event = {
      .ike_id = ike_sa->get_unique_id(ike_sa),
      .other_id = other ? other->get_unique_id(other) : 0,
      .state = state,
      .initiator = id->is_initiator(id),
      .version = (uint8_t)ike_sa->get_version(ike_sa),
      .local = address_from_host(ike_sa->get_my_host(ike_sa)),
      .remote = address_from_host(ike_sa->get_other_host(ike_sa)),
      .initiator_spi = be64toh(id->get_initiator_spi(id)),
      .responder_spi = be64toh(id->get_responder_spi(id)),
  };
  message_init(&event.header, type, sizeof(event));
  snprintf(event.state_name, sizeof(event.state_name), "%s", state_name);
  snprintf(event.ike_name, sizeof(event.ike_name), "%s", ike_sa->get_name(ike_sa));
  owner_put_identities(ike_sa, event.local_id, event.remote_id);
  post(this->core, &event);
}

METHOD(listener_t, child_state_change, bool, sallyport_listener_t* this, ike_sa_t* ike_sa,
       child_sa_t* child_sa, child_sa_state_t state) {
  owner_note_child_state(ike_sa, child_sa, state);
  if (ike_sa) {  // a trap's CHILD_SA has none
    post_child(this, SP_FEED_CHILD_STATE, ike_sa, child_sa, NULL, state,
               enum_to_name(child_sa_state_names, state));
  }
  return TRUE;
}

METHOD(listener_t, child_updown, bool, sallyport_listener_t* this, ike_sa_t* ike_sa, child_sa_t* child_sa,
       bool up) {
  if (ike_sa) {
    post_child(this, SP_FEED_CHILD_STATE, ike_sa, child_sa, NULL, child_sa->get_state(child_sa),
               up ? "up" : "down");
  }
  return TRUE;
}

METHOD(listener_t, child_rekey, bool, sallyport_listener_t* this, ike_sa_t* ike_sa, child_sa_t* old,
       child_sa_t* new) {
  child_sa_state_t state = new->get_state(new);
  post_child(this, SP_FEED_CHILD_REKEY, ike_sa, old, new, state, enum_to_name(child_sa_state_names, state));
  return TRUE;
}

METHOD(listener_t, ike_state_change, bool, sallyport_listener_t* this, ike_sa_t* ike_sa,
       ike_sa_state_t state) {
  if (is_named(ike_sa)) {
    post_ike(this, SP_FEED_IKE_STATE, ike_sa, NULL, state, enum_to_name(ike_sa_state_names, state));
  }
  return TRUE;
}

METHOD(listener_t, ike_updown, bool, sallyport_listener_t* this, ike_sa_t* ike_sa, bool up) {
  if (is_named(ike_sa)) {
    post_ike(this, SP_FEED_IKE_STATE, ike_sa, NULL, ike_sa->get_state(ike_sa), up ? "up" : "down");
  }
  return TRUE;
}

static void change_ike_id(sallyport_listener_t* this, uint32_t from, uint32_t to) {
  this->core->mutex->lock(this->core->mutex);
  sa_table_change_ike_id(this->core->sas, from, to);
  this->core->mutex->unlock(this->core->mutex);
}

METHOD(listener_t, ike_rekey, bool, sallyport_listener_t* this, ike_sa_t* old, ike_sa_t* new) {
  change_ike_id(this, old->get_unique_id(old), new->get_unique_id(new));
  ike_sa_state_t state = new->get_state(new);
  post_ike(this, SP_FEED_IKE_REKEY, old, new, state, enum_to_name(ike_sa_state_names, state));
  return TRUE;
}

static void post_migration(sallyport_listener_t* this, ike_sa_t* old, uint32_t unique) {
  struct sp_feed_ike_event event = {
      .ike_id = old->get_unique_id(old),
      .other_id = unique,
      .state = IKE_ESTABLISHED,
      .version = (uint8_t)old->get_version(old),
      .local = address_from_host(old->get_my_host(old)),
      .remote = address_from_host(old->get_other_host(old)),
  };
  message_init(&event.header, SP_FEED_IKE_REKEY, sizeof(event));
  snprintf(event.state_name, sizeof(event.state_name), "%s",
           enum_to_name(ike_sa_state_names, IKE_ESTABLISHED));
  snprintf(event.ike_name, sizeof(event.ike_name), "%s", old->get_name(old));
  owner_put_identities(old, event.local_id, event.remote_id);
  post(this->core, &event);
}

METHOD(listener_t, children_migrate, bool, sallyport_listener_t* this, ike_sa_t* ike_sa, ike_sa_id_t* new,
       uint32_t unique) {
  if (new) {  // the call for the old IKE_SA; the one for the new says nothing more
    change_ike_id(this, ike_sa->get_unique_id(ike_sa), unique);
    if (ike_sa->get_version(ike_sa) == IKEV1) {  // IKEv2 tells of it as a rekey
      post_migration(this, ike_sa, unique);
    }
  }
  return TRUE;
}

static bool is_flood(sallyport_listener_t* this) {
  uint64_t second = core_now_ms() / 1000;
  if (second != this->unnamed_second) {
    this->unnamed_second = second;
    this->unnamed_alerts = 0;
  }
  return ++this->unnamed_alerts > UNNAMED_ALERTS_PER_SECOND;
}

static void post_alert(sallyport_listener_t* this, ike_sa_t* ike_sa, struct sp_feed_alert* message) {
  message_init(&message->header, SP_FEED_ALERT, sizeof(*message));
  if (ike_sa) {
    message->ike_id = ike_sa->get_unique_id(ike_sa);
    snprintf(message->ike_name, sizeof(message->ike_name), "%s", ike_sa->get_name(ike_sa));
    message->local = address_from_host(ike_sa->get_my_host(ike_sa));
    message->remote = address_from_host(ike_sa->get_other_host(ike_sa));
    owner_put_identities(ike_sa, message->local_id, message->remote_id);
  }
  post(this->core, message);
}

METHOD(listener_t, alert, bool, sallyport_listener_t* this, ike_sa_t* ike_sa, alert_t alert, va_list args) {
  struct sp_feed_alert message = {.alert = alert_from_charon(alert)};
  if (message.alert && (is_named(ike_sa) || !is_flood(this))) {
    alert_describe(&message, ike_sa, alert, args);
    post_alert(this, ike_sa, &message);
  }
  return TRUE;
}

METHOD(listener_t, message_hook, bool, sallyport_listener_t* this, ike_sa_t* ike_sa, message_t* message,
       bool incoming, bool plain) {
  if (incoming && plain && is_named(ike_sa)) {
    struct sp_feed_alert alert = {.alert = alert_from_notify(ike_sa, message)};
    if (alert.alert) {
      post_alert(this, ike_sa, &alert);
    }
  }
  return TRUE;
}

sallyport_listener_t* sallyport_listener_create(core_t* core) {
  sallyport_listener_t* this;
  INIT(this,
       .public =
           {
               .alert = _alert,
               .message = _message_hook,
               .ike_state_change = _ike_state_change,
               .ike_updown = _ike_updown,
               .ike_rekey = _ike_rekey,
               .child_state_change = _child_state_change,
               .child_updown = _child_updown,
               .child_rekey = _child_rekey,
               .children_migrate = _children_migrate,
           },
       .core = core);
  charon->bus->add_listener(charon->bus, &this->public);
  return this;
}

void sallyport_listener_destroy(sallyport_listener_t* listener) {
  charon->bus->remove_listener(charon->bus, &listener->public);
  free(listener);
}
