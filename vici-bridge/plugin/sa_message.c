// SPDX-License-Identifier: GPL-2.0-or-later
// Any of charon's threads; no shared state.
#include "vici-bridge/plugin/sa_message.h"

#include <crypto/crypters/crypter.h>
#include <crypto/signers/signer.h>
#include <netinet/in.h>

#include "vici-bridge/plugin/core.h"

// What the dataplane runs, by IKE's numbers (RFC 7296 section 3.3.2). Sizes of keys in bytes; those of
// combined-mode ciphers include the salt: GCM and GMAC 4 (RFC 4106 section 8.1), CCM 3 (RFC 4309 section
// 7.1), ChaCha20 4 (RFC 7634 section 3).
#define KEY_SIZES 3
static const struct {
  uint16_t id;
  bool combined;  // takes no integrity algorithm
  size_t key_bytes[KEY_SIZES];
} encryptions[] = {
    {ENCR_AES_GCM_ICV16, true, {20, 28, 36}}, {ENCR_AES_GCM_ICV12, true, {20, 28, 36}},
    {ENCR_AES_GCM_ICV8, true, {20, 28, 36}},  {ENCR_NULL_AUTH_AES_GMAC, true, {20, 28, 36}},
    {ENCR_AES_CCM_ICV16, true, {19, 35, 35}}, {ENCR_AES_CCM_ICV12, true, {19, 35, 35}},
    {ENCR_AES_CCM_ICV8, true, {19, 35, 35}},  {ENCR_CHACHA20_POLY1305, true, {36, 36, 36}},
    {ENCR_AES_CBC, false, {16, 24, 32}},      {ENCR_NULL, false, {0, 0, 0}},
};
static const struct {
  uint16_t id;
  size_t key_bytes;
} integrities[] = {
    {AUTH_HMAC_SHA1_96, 20},
    {AUTH_HMAC_SHA2_256_128, 32},
    {AUTH_HMAC_SHA2_384_192, 48},
    {AUTH_HMAC_SHA2_512_256, 64},
};

struct sp_address address_from_host(host_t* host) {
  struct sp_address address = {};
  chunk_t bytes = host->get_address(host);
  if (bytes.len == 4 || bytes.len == 16) {
    address.family = bytes.len == 4 ? 4 : 6;
    address.port = host->get_port(host);
    memcpy(address.bytes, bytes.ptr, bytes.len);
  }
  return address;
}

host_t* host_from_address(const struct sp_address* address) {
  switch (address->family) {
    case 4:
      return host_create_from_chunk(AF_INET, chunk_create((u_char*)address->bytes, 4), address->port);
    case 6:
      return host_create_from_chunk(AF_INET6, chunk_create((u_char*)address->bytes, 16), address->port);
    default:
      return NULL;
  }
}

static bool integrity_fits(uint16_t id, chunk_t key) {
  for (size_t i = 0; i < countof(integrities); i++) {
    if (integrities[i].id == id) {
      return key.len == integrities[i].key_bytes;
    }
  }
  return false;
}

static bool algorithms_fit(const kernel_ipsec_add_sa_t* data) {
  for (size_t i = 0; i < countof(encryptions); i++) {
    if (encryptions[i].id != data->enc_alg) {
      continue;
    }
    bool size_fits = false;
    for (size_t k = 0; k < KEY_SIZES; k++) {
      size_fits |= encryptions[i].key_bytes[k] == data->enc_key.len;
    }
    return size_fits &&
           (encryptions[i].combined ? data->int_key.len == 0 : integrity_fits(data->int_alg, data->int_key));
  }
  return false;
}

static bool selectors_fit(linked_list_t* list) {
  return list && list->get_count(list) <= (int)SP_FEED_MAX_SELECTORS;
}

const char* sa_unsupported(const kernel_ipsec_sa_id_t* id, const kernel_ipsec_add_sa_t* data) {
  if (id->proto != IPPROTO_ESP) {
    return "a protocol other than ESP";
  }
  if (data->mode != MODE_TUNNEL) {
    return "a mode other than tunnel mode";
  }
  if (data->ipcomp != IPCOMP_NONE) {
    return "IPComp";
  }
  if (!algorithms_fit(data)) {
    return "an algorithm that the dataplane has not, or not with this key size or integrity";
  }
  if (!selectors_fit(data->src_ts) || !selectors_fit(data->dst_ts)) {
    return "more traffic selectors than it can hold";
  }
  return NULL;
}

static void put_selector(struct sp_selector* selector, traffic_selector_t* ts) {
  *selector = (struct sp_selector){
      .family = ts->get_type(ts) == TS_IPV4_ADDR_RANGE ? 4 : 6,
      .protocol = ts->get_protocol(ts),
      .port_from = ts->get_from_port(ts),
      .port_to = ts->get_to_port(ts),
  };
  chunk_t from = ts->get_from_address(ts), to = ts->get_to_address(ts);
  memcpy(selector->from, from.ptr, min(from.len, sizeof(selector->from)));
  memcpy(selector->to, to.ptr, min(to.len, sizeof(selector->to)));
}

static struct sp_selector* put_selectors(struct sp_selector* selector, linked_list_t* list) {
  traffic_selector_t* ts;
  enumerator_t* enumerator = list->create_enumerator(list);
  while (enumerator->enumerate(enumerator, &ts)) {
    put_selector(selector++, ts);
  }
  enumerator->destroy(enumerator);
  return selector;
}

// strongSwan's enumeration as bits: 1 out, 2 in.
static uint8_t dscp_bits(dscp_copy_t mode) {
  switch (mode) {
    case DSCP_COPY_OUT_ONLY:
      return 1;
    case DSCP_COPY_IN_ONLY:
      return 2;
    case DSCP_COPY_YES:
      return 3;
    default:
      return 0;
  }
}

static void put_lifetimes(struct sp_feed_sa* sa, const lifetime_cfg_t* lifetime) {
  sa->soft_seconds = lifetime->time.rekey;
  sa->hard_seconds = lifetime->time.life;
  sa->soft_bytes = lifetime->bytes.rekey;
  sa->hard_bytes = lifetime->bytes.life;
  sa->soft_packets = lifetime->packets.rekey;
  sa->hard_packets = lifetime->packets.life;
}

struct sp_feed_sa* sa_message_create(const kernel_ipsec_sa_id_t* id, const kernel_ipsec_add_sa_t* data) {
  linked_list_t* local = data->inbound ? data->dst_ts : data->src_ts;
  linked_list_t* remote = data->inbound ? data->src_ts : data->dst_ts;
  uint16_t local_count = (uint16_t)local->get_count(local),
           remote_count = (uint16_t)remote->get_count(remote);
  size_t length = sizeof(struct sp_feed_sa) + (local_count + remote_count) * sizeof(struct sp_selector);

  struct sp_feed_sa* sa = calloc(1, length);
  message_init(&sa->header, SP_FEED_SA_ADD, length);
  sa->spi = ntohl(id->spi);
  sa->reqid = data->reqid;
  sa->replay_window = data->replay_window;
  sa->inbound = data->inbound;
  sa->tunnel_mode = data->mode == MODE_TUNNEL;
  sa->encap = data->encap;
  sa->esn = data->esn;
  sa->copy_df = data->copy_df;
  sa->copy_ecn = data->copy_ecn;
  sa->dscp_mode = dscp_bits(data->copy_dscp);
  sa->encryption = data->enc_alg;
  sa->encryption_key_length = (uint16_t)data->enc_key.len;
  memcpy(sa->encryption_key, data->enc_key.ptr, data->enc_key.len);
  sa->integrity = data->int_key.len ? data->int_alg : 0;
  sa->integrity_key_length = (uint16_t)data->int_key.len;
  memcpy(sa->integrity_key, data->int_key.ptr, data->int_key.len);
  sa->local = address_from_host(data->inbound ? id->dst : id->src);
  sa->remote = address_from_host(data->inbound ? id->src : id->dst);
  put_lifetimes(sa, data->lifetime);
  sa->local_selectors = local_count;
  sa->remote_selectors = remote_count;
  put_selectors(put_selectors((struct sp_selector*)(sa + 1), local), remote);
  return sa;
}

void sa_message_destroy(struct sp_feed_sa* sa) {
  memwipe(sa, sa->header.length);
  free(sa);
}
