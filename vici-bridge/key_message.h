/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* The SA feed: what charon's kernel-sallyport plugin and sallyportd say to each other, one message per
 * datagram of a root-only unix SOCK_SEQPACKET socket that the plugin listens on. C and C++; the only header
 * the plugin shares.
 *
 * plugin -> reader: HELLO, SNAPSHOT_BEGIN, every SA_ADD (oldest first), SNAPSHOT_END, then numbered deltas.
 * reader -> plugin: READER_HELLO, LIVE_SPIS..., READER_READY, then HEARTBEAT every SP_FEED_HEARTBEAT_MS and
 * the rest.
 *
 * Until READER_READY, or when no heartbeat was heard for SP_FEED_SILENCE_MS, get_spi fails and soft expires
 * are held. All integers are in host byte order, SPIs too; addresses are network-order bytes, IPv4 in the
 * first four. A receiver drops the connection on any message whose version, type or length is not as declared
 * here. */
#ifndef SALLYPORT_KEY_MESSAGE_H
#define SALLYPORT_KEY_MESSAGE_H

#include <stdint.h>

#define SP_FEED_MAGIC 0x53504b46u /* "SPKF" */
#define SP_FEED_VERSION 2u
#define SP_FEED_MAX_MESSAGE 8192u
#define SP_FEED_MAX_SELECTORS 32u /* of one side of an SA */
#define SP_FEED_HEARTBEAT_MS 20u
#define SP_FEED_SILENCE_MS 250u
#define SP_SLOT_BITS 20u /* low bits of our inbound SPIs; slot % workers is the home worker */
#define SP_SLOT_MASK ((1u << SP_SLOT_BITS) - 1u)

enum sp_feed_type {
  /* plugin -> reader */
  SP_FEED_HELLO = 1,      /* sp_feed_hello */
  SP_FEED_SNAPSHOT_BEGIN, /* header only */
  SP_FEED_SNAPSHOT_END,   /* header only */
  SP_FEED_SA_ADD,         /* sp_feed_sa, then its selectors */
  SP_FEED_SA_UPDATE,      /* sp_feed_sa_update */
  SP_FEED_SA_DEL,         /* sp_feed_sa_del */
  SP_FEED_CHILD_STATE, /* sp_feed_child_event; state_name is charon's, or "up" or "down" for child_updown */
  SP_FEED_CHILD_REKEY, /* sp_feed_child_event, child_id is the old one, other_id the new */
  SP_FEED_IKE_STATE,   /* sp_feed_ike_event; state_name is charon's, or "up" or "down" for ike_updown */
  SP_FEED_IKE_REKEY,   /* sp_feed_ike_event, ike_id is the old one, other_id the new */
  SP_FEED_ALERT,       /* sp_feed_alert */
  SP_FEED_SA_EXPIRED,  /* sp_feed_sa_expired: the plugin's own clock raised a soft or hard time expire */
  /* reader -> plugin */
  SP_FEED_READER_HELLO = 64, /* sp_feed_reader_hello */
  SP_FEED_LIVE_SPIS, /* sp_feed_live_spis: inbound SPIs the dataplane holds; their slots are never given away
                      */
  SP_FEED_READER_READY, /* header only */
  SP_FEED_HEARTBEAT,    /* header only */
  SP_FEED_SA_ACK,       /* sp_feed_sa_ack */
  SP_FEED_STATS,        /* sp_feed_stats */
  SP_FEED_EXPIRE,       /* sp_feed_expire: bytes, packets or sequence numbers, counted in the dataplane */
  SP_FEED_ACQUIRE,      /* sp_feed_acquire */
  SP_FEED_MAPPING,      /* sp_feed_mapping: the peer's NAT gave it another address or port */
  SP_FEED_RESYNC,       /* header only: send the snapshot again */
  SP_FEED_SLOT_FREE, /* sp_feed_live_spis: the dataplane let go of these inbound SPIs (sent for each, orphan
                        or not) */
};

struct sp_feed_header {
  uint32_t magic;
  uint16_t version;
  uint16_t type;
  uint32_t length; /* of the whole message, header included */
  uint32_t reserved;
  uint64_t number; /* plugin -> reader: 1, 2, 3... within one connection; reader -> plugin: 0 */
};

struct sp_address {
  uint8_t family; /* 4, 6, or 0 for none */
  uint8_t reserved[3];
  uint16_t port; /* host order; 0 for none */
  uint16_t reserved2;
  uint8_t bytes[16];
};

/* One traffic selector, RFC 7296 section 3.13.1: inclusive ranges. */
struct sp_selector {
  uint8_t family;   /* 4 or 6 */
  uint8_t protocol; /* 0: any */
  uint16_t port_from, port_to;
  uint16_t reserved;
  uint8_t from[16], to[16];
};

struct sp_feed_hello {
  struct sp_feed_header header;
  uint8_t instance[16]; /* random for each start of charon */
  char strongswan_version[32];
};

/* IKE identifiers, RFC 7296 section 3.3.2; integrity 0 beside combined-mode encryption. Key lengths in bytes,
 * the salt included. */
struct sp_feed_sa {
  struct sp_feed_header header;
  uint32_t spi;
  uint32_t slot; /* of the inbound SA of this CHILD_SA, for both directions */
  uint32_t reqid;
  uint32_t child_id; /* unique ids of charon; 0 where not known yet */
  uint32_t ike_id;
  uint32_t replay_window; /* packets; 0: off */
  uint8_t inbound;
  uint8_t tunnel_mode;
  uint8_t encap; /* ESP in UDP */
  uint8_t esn;
  uint8_t installed; /* a reader has acknowledged this SA before: its sequence numbers may be in use */
  uint8_t copy_df;
  uint8_t copy_ecn;
  uint8_t dscp_mode; /* 0 none, 1 out, 2 in, 3 both: strongSwan's dscp_copy_t turned into bits */
  uint16_t encryption, encryption_key_length;
  uint16_t integrity, integrity_key_length;
  uint8_t encryption_key[64];
  uint8_t integrity_key[64];
  struct sp_address local, remote;
  uint64_t soft_seconds, hard_seconds; /* informational, the plugin runs these; 0: none */
  uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets; /* 0: none */
  char ike_name[96];
  char child_name[96];
  char local_id[128], remote_id[128];
  uint16_t local_selectors, remote_selectors; /* sp_selector follow: first the local ones, then the remote */
  uint32_t reserved;
};

/* A peer chooses our outbound SPIs, so two peers may choose the same one: an SA is named by (spi, slot,
 * inbound). */
struct sp_feed_sa_update {
  struct sp_feed_header header;
  uint32_t spi;
  uint32_t slot;
  uint8_t inbound, encap, reserved[6];
  struct sp_address local, remote; /* the new ones */
};

struct sp_feed_sa_del {
  struct sp_feed_header header;
  uint32_t spi;
  uint32_t slot;
  uint8_t inbound, reserved[7];
  struct sp_address remote;
};

struct sp_feed_child_event {
  struct sp_feed_header header;
  uint32_t ike_id, child_id, other_id, reqid;
  uint32_t inbound_spi, outbound_spi;
  uint32_t state; /* child_sa_state_t of strongSwan */
  char state_name[32];
  char ike_name[96];
  char child_name[96];
};

struct sp_feed_ike_event {
  struct sp_feed_header header;
  uint32_t ike_id, other_id;
  uint32_t state; /* ike_sa_state_t of strongSwan */
  uint8_t initiator, version, reserved[2];
  char state_name[32];
  char ike_name[96];
  char local_id[128], remote_id[128];
  struct sp_address local, remote;
  uint64_t initiator_spi, responder_spi;
};

enum sp_alert {
  SP_ALERT_RETRANSMIT_SEND = 1, /* count: how many retransmissions of one request so far */
  SP_ALERT_RETRANSMIT_TIMEOUT,
  SP_ALERT_PEER_AUTH_FAILED,
  SP_ALERT_LOCAL_AUTH_FAILED,
  SP_ALERT_PROPOSAL_MISMATCH_IKE, /* detail of this one and the next: the peer's proposals; none: the peer */
  SP_ALERT_PROPOSAL_MISMATCH_CHILD, /* refused ours */
  SP_ALERT_TS_MISMATCH, /* detail: the selectors (TSi and TSr) that the peer sent; none: it refused ours */
  SP_ALERT_INSTALL_FAILED,
  SP_ALERT_PEER_UNREACHABLE,
  SP_ALERT_RETRANSMIT_CLEARED, /* a retransmitted request was answered */
};

struct sp_feed_alert {
  struct sp_feed_header header;
  uint32_t alert; /* enum sp_alert */
  uint32_t count;
  uint32_t ike_id;
  uint32_t reserved;
  char ike_name[96];                  /* "(unnamed)" where charon has not found the connection */
  char local_id[128], remote_id[128]; /* claimed so far, or asked for by the other end; "%any": not known */
  struct sp_address local, remote;
  char detail[512]; /* cut where it is longer */
};

struct sp_feed_sa_expired {
  struct sp_feed_header header;
  uint32_t spi;
  uint32_t slot;
  uint8_t inbound, hard, reserved[6];
};

struct sp_feed_reader_hello {
  struct sp_feed_header header;
  uint32_t workers; /* of the dataplane; slot % workers is an SA's home */
  uint32_t slots;   /* the dataplane's capacity: slots 0 .. slots-1 */
};

#define SP_FEED_SPIS_PER_MESSAGE 1024u
struct sp_feed_live_spis {
  struct sp_feed_header header;
  uint32_t count;
  uint32_t reserved;
  uint32_t spis[]; /* count of them */
};

struct sp_feed_sa_ack {
  struct sp_feed_header header;
  uint32_t spi;
  uint32_t slot;
  uint8_t inbound;
  uint8_t refused; /* the dataplane could not take it; the reason is in sallyportd's log */
  uint8_t reserved[6];
};

struct sp_feed_sa_stats {
  uint32_t spi;
  uint32_t slot;
  uint8_t inbound, reserved[7];
  uint64_t packets, bytes;
  uint64_t last_use; /* seconds of CLOCK_MONOTONIC; 0: never */
};

#define SP_FEED_STATS_PER_MESSAGE 128u
struct sp_feed_stats {
  struct sp_feed_header header;
  uint32_t count;
  uint32_t reserved;
  struct sp_feed_sa_stats sas[]; /* count of them */
};

struct sp_feed_expire {
  struct sp_feed_header header;
  uint32_t spi;
  uint32_t slot;
  uint8_t inbound, hard, reserved[6];
};

struct sp_feed_acquire {
  struct sp_feed_header header;
  uint32_t reqid;
  uint32_t reserved;
};

struct sp_feed_mapping {
  struct sp_feed_header header;
  uint32_t spi; /* inbound */
  uint32_t reserved;
  struct sp_address remote; /* as seen on the last verified packet */
};

#ifdef __cplusplus
static_assert(sizeof(struct sp_feed_header) == 24);
static_assert(sizeof(struct sp_selector) == 40);
static_assert(sizeof(struct sp_feed_sa) + 2 * SP_FEED_MAX_SELECTORS * sizeof(struct sp_selector) <=
              SP_FEED_MAX_MESSAGE);
static_assert(sizeof(struct sp_feed_live_spis) + SP_FEED_SPIS_PER_MESSAGE * 4 <= SP_FEED_MAX_MESSAGE);
static_assert(sizeof(struct sp_feed_stats) + SP_FEED_STATS_PER_MESSAGE * sizeof(struct sp_feed_sa_stats) <=
              SP_FEED_MAX_MESSAGE);
#endif
#endif
