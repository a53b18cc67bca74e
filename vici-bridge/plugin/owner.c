// SPDX-License-Identifier: GPL-2.0-or-later
// When an outbound SA is added, its CHILD_SA is either the one this thread is INSTALLING (initial exchange
// and IKEv1: both SAs are added before the CHILD_SA joins its IKE_SA) or one in the IKE_SA's list (an IKEv2
// rekey: the SA is added when the old CHILD_SA is deleted). Any of charon's threads.
#include "vici-bridge/plugin/owner.h"

#include <daemon.h>

// No pointer to the CHILD_SA: it may be destroyed by another thread.
static __thread struct {
  uint32_t child_id;  // 0: none
  uint32_t ike_id;
  uint32_t inbound_spi;
  char child_name[96];
} installing;

void owner_note_child_state(ike_sa_t* ike_sa, child_sa_t* child_sa, child_sa_state_t state) {
  uint32_t child_id = child_sa->get_unique_id(child_sa);
  if (state == CHILD_INSTALLING && ike_sa) {
    installing.child_id = child_id;
    installing.ike_id = ike_sa->get_unique_id(ike_sa);
    installing.inbound_spi = ntohl(child_sa->get_spi(child_sa, TRUE));
    snprintf(installing.child_name, sizeof(installing.child_name), "%s", child_sa->get_name(child_sa));
  } else if (state != CHILD_UPDATING && child_id == installing.child_id) {
    installing.child_id = 0;
  }
}

void owner_put_identities(ike_sa_t* ike_sa, char local_id[128], char remote_id[128]) {
  identification_t* local = ike_sa->get_my_id(ike_sa);
  identification_t* remote = ike_sa->get_other_eap_id(ike_sa);
  if (local) {
    snprintf(local_id, 128, "%Y", local);
  }
  if (remote) {
    snprintf(remote_id, 128, "%Y", remote);
  }
}

// The child of the rekey whose outbound SA, kept back until now, has this SPI.
static uint32_t describe_from_list(ike_sa_t* ike_sa, struct sp_feed_sa* sa) {
  uint32_t inbound_spi = 0;
  child_sa_t* child_sa;
  enumerator_t* enumerator = ike_sa->create_child_sa_enumerator(ike_sa);
  while (enumerator->enumerate(enumerator, &child_sa)) {
    if (ntohl(child_sa->get_spi(child_sa, FALSE)) == sa->spi &&
        child_sa->get_protocol(child_sa) == PROTO_ESP && child_sa->get_state(child_sa) != CHILD_DELETED) {
      sa->child_id = child_sa->get_unique_id(child_sa);
      inbound_spi = ntohl(child_sa->get_spi(child_sa, TRUE));  // no break: the newest is last
      sa->slot = inbound_spi & SP_SLOT_MASK;
      snprintf(sa->child_name, sizeof(sa->child_name), "%s", child_sa->get_name(child_sa));
    }
  }
  enumerator->destroy(enumerator);
  return inbound_spi;
}

uint32_t owner_describe(struct sp_feed_sa* sa) {
  ike_sa_t* ike_sa = charon->bus->get_sa(charon->bus);
  if (!ike_sa) {
    return 0;
  }
  sa->ike_id = ike_sa->get_unique_id(ike_sa);
  snprintf(sa->ike_name, sizeof(sa->ike_name), "%s", ike_sa->get_name(ike_sa));
  owner_put_identities(ike_sa, sa->local_id, sa->remote_id);
  // The list goes first: this thread may still remember a CHILD_SA that failed and was destroyed elsewhere.
  uint32_t inbound_spi = sa->inbound ? 0 : describe_from_list(ike_sa, sa);
  if (!inbound_spi && installing.child_id && installing.ike_id == sa->ike_id &&
      (!sa->inbound || installing.inbound_spi == sa->spi)) {
    inbound_spi = installing.inbound_spi;
    sa->child_id = installing.child_id;
    sa->slot = inbound_spi & SP_SLOT_MASK;
    snprintf(sa->child_name, sizeof(sa->child_name), "%s", installing.child_name);
  }
  return inbound_spi;
}

// Whether the connection can have more than one peer at a time.
static bool has_many_peers(const char* addresses) {
  return !addresses || !*addresses || strchr(addresses, '%') == addresses || strpbrk(addresses, ",/") ||
         strstr(addresses, "0.0.0.0") == addresses || strstr(addresses, "::") == addresses;
}

static uint64_t fnv1a(uint64_t hash, const char* text) {
  for (; *text; text++) {
    hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
  }
  return (hash ^ 0xff) * 0x100000001b3ull;  // ends the text
}

uint64_t owner_peer_hash(void) {
  ike_sa_t* ike_sa = charon->bus->get_sa(charon->bus);
  if (!ike_sa) {
    return 0;
  }
  uint64_t hash = fnv1a(0xcbf29ce484222325ull, ike_sa->get_name(ike_sa));
  ike_cfg_t* ike_cfg = ike_sa->get_ike_cfg(ike_sa);
  if (!ike_cfg || has_many_peers(ike_cfg->get_other_addr(ike_cfg))) {
    char local_id[128] = "", remote_id[128] = "";
    owner_put_identities(ike_sa, local_id, remote_id);
    hash = fnv1a(hash, remote_id);
  }
  hash ^= hash >> 33;  // FNV's high bits are weak for short texts
  hash *= 0xff51afd7ed558ccdull;
  return hash ^ hash >> 33;
}
