// SPDX-License-Identifier: GPL-2.0-or-later
#include "vici-bridge/plugin/alert.h"

#include <collections/linked_list.h>
#include <crypto/proposal/proposal.h>
#include <stdio.h>

enum sp_alert alert_from_charon(alert_t alert) {
  switch (alert) {
    case ALERT_RETRANSMIT_SEND:
      return SP_ALERT_RETRANSMIT_SEND;
    case ALERT_RETRANSMIT_SEND_CLEARED:
      return SP_ALERT_RETRANSMIT_CLEARED;
    case ALERT_RETRANSMIT_SEND_TIMEOUT:
      return SP_ALERT_RETRANSMIT_TIMEOUT;
    case ALERT_PEER_AUTH_FAILED:
      return SP_ALERT_PEER_AUTH_FAILED;
    case ALERT_LOCAL_AUTH_FAILED:
      return SP_ALERT_LOCAL_AUTH_FAILED;
    case ALERT_PROPOSAL_MISMATCH_IKE:
      return SP_ALERT_PROPOSAL_MISMATCH_IKE;
    case ALERT_PROPOSAL_MISMATCH_CHILD:
      return SP_ALERT_PROPOSAL_MISMATCH_CHILD;
    case ALERT_TS_MISMATCH:
      return SP_ALERT_TS_MISMATCH;
    case ALERT_INSTALL_CHILD_SA_FAILED:
    case ALERT_INSTALL_CHILD_POLICY_FAILED:
      return SP_ALERT_INSTALL_FAILED;
    case ALERT_PEER_INIT_UNREACHABLE:
      return SP_ALERT_PEER_UNREACHABLE;
    default:
      return 0;
  }
}

// Of IKEv1's error notifies charon tells only in its log.
static enum sp_alert alert_from_ikev1_notify(ike_sa_t* ike_sa, message_t* message) {
  if (message->get_notify(message, AUTHENTICATION_FAILED)) {
    return SP_ALERT_LOCAL_AUTH_FAILED;
  }
  if (message->get_notify(message, INVALID_ID_INFORMATION)) {
    return SP_ALERT_TS_MISMATCH;
  }
  if (message->get_notify(message, NO_PROPOSAL_CHOSEN)) {
    return ike_sa->get_state(ike_sa) == IKE_CONNECTING ? SP_ALERT_PROPOSAL_MISMATCH_IKE
                                                       : SP_ALERT_PROPOSAL_MISMATCH_CHILD;
  }
  return 0;
}

enum sp_alert alert_from_notify(ike_sa_t* ike_sa, message_t* message) {
  if (ike_sa->get_version(ike_sa) == IKEV1) {
    return alert_from_ikev1_notify(ike_sa, message);
  }
  return message->get_notify(message, TS_UNACCEPTABLE) ? SP_ALERT_TS_MISMATCH : 0;
}

// The list is the peer's where it asked, and our own where it answered NO_PROPOSAL_CHOSEN. A proposal for a
// CHILD_SA has its sender's SPI; a configured one has none.
static bool is_from_peer(ike_sa_t* ike_sa, alert_t alert, linked_list_t* proposals) {
  proposal_t* first;
  if (alert == ALERT_PROPOSAL_MISMATCH_IKE) {
    ike_sa_id_t* id = ike_sa ? ike_sa->get_id(ike_sa) : NULL;
    return id && !id->is_initiator(id);
  }
  return proposals->get_first(proposals, (void**)&first) == SUCCESS && first->get_spi(first) != 0;
}

void alert_describe(struct sp_feed_alert* message, ike_sa_t* ike_sa, alert_t alert, va_list args) {
  linked_list_t *first, *second;
  switch (alert) {
    case ALERT_RETRANSMIT_SEND:
      (void)va_arg(args, packet_t*);
      message->count = va_arg(args, u_int);
      break;
    case ALERT_PEER_INIT_UNREACHABLE:
      message->count = 1 + va_arg(args, u_int);
      break;
    case ALERT_PROPOSAL_MISMATCH_IKE:
    case ALERT_PROPOSAL_MISMATCH_CHILD:
      first = va_arg(args, linked_list_t*);
      if (is_from_peer(ike_sa, alert, first)) {
        snprintf(message->detail, sizeof(message->detail), "%#P", first);
      }
      break;
    case ALERT_TS_MISMATCH:
      first = va_arg(args, linked_list_t*);
      second = va_arg(args, linked_list_t*);
      snprintf(message->detail, sizeof(message->detail), "%#R and %#R", first, second);
      break;
    default:
      break;
  }
}
