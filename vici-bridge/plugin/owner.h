// SPDX-License-Identifier: GPL-2.0-or-later
// Whose SA is it? charon's kernel calls name neither connection nor CHILD_SA, but the calling thread has the
// IKE_SA checked out, and the bus tells the same thread which CHILD_SA it is about to install.
#ifndef SALLYPORT_OWNER_H
#define SALLYPORT_OWNER_H

#include <library.h>
#include <sa/child_sa.h>
#include <sa/ike_sa.h>

#include "vici-bridge/key_message.h"

// The bus listener's child_state_change. Remembers, for the calling thread, the CHILD_SA that is INSTALLING.
void owner_note_child_state(ike_sa_t* ike_sa, child_sa_t* child_sa, child_sa_state_t state);

// Fills in names, identities and unique ids of the SA that the calling thread is adding, and for an outbound
// one the slot, which is that of its CHILD_SA's inbound SA. Returns the SPI of that inbound SA; 0: no
// CHILD_SA of the thread's IKE_SA has the SA.
uint32_t owner_describe(struct sp_feed_sa* sa);

// Names the peer for whom the calling thread wants an SPI, the same at every rekey, reauthentication and
// re-establishment: by connection, and where many peers share one (its remote address is not one address) by
// the peer's identity too.
uint64_t owner_peer_hash(void);

// Identities as text, cut to size; the EAP identity where there is one.
void owner_put_identities(ike_sa_t* ike_sa, char local_id[128], char remote_id[128]);

#endif
