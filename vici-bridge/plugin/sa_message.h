// SPDX-License-Identifier: GPL-2.0-or-later
// Turns what charon says about an SA into the SA_ADD message, and addresses back and forth. Pure functions.
#ifndef SALLYPORT_SA_MESSAGE_H
#define SALLYPORT_SA_MESSAGE_H

#include <kernel/kernel_ipsec.h>
#include <library.h>
#include <networking/host.h>

#include "vici-bridge/key_message.h"

struct sp_address address_from_host(host_t* host);
host_t* host_from_address(const struct sp_address* address);  // NULL: no address

// NULL when the dataplane can do what charon asks for, else what it can't.
const char* sa_unsupported(const kernel_ipsec_sa_id_t* id, const kernel_ipsec_add_sa_t* data);

// The message without slot, names and unique ids, which the caller knows; malloc'ed, with the keys in it.
struct sp_feed_sa* sa_message_create(const kernel_ipsec_sa_id_t* id, const kernel_ipsec_add_sa_t* data);
void sa_message_destroy(struct sp_feed_sa* sa);  // wipes it

#endif
