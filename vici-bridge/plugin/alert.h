// SPDX-License-Identifier: GPL-2.0-or-later
// What charon's alerts and a peer's error notifies say about why a tunnel is not up. Pure functions, called
// with the bus mutex held.
#ifndef SALLYPORT_ALERT_H
#define SALLYPORT_ALERT_H

#include <bus/bus.h>
#include <encoding/message.h>
#include <sa/ike_sa.h>
#include <stdarg.h>

#include "vici-bridge/key_message.h"

// 0: none that the feed tells of.
enum sp_alert alert_from_charon(alert_t alert);

// Of an error notify (RFC 7296 section 3.10.1, RFC 2408 section 3.14.1) in a received message, where charon
// raises no alert of its own; 0: none.
enum sp_alert alert_from_notify(ike_sa_t* ike_sa, message_t* message);

// Fills count and detail. args: those of charon's alert; ike_sa may be NULL.
void alert_describe(struct sp_feed_alert* message, ike_sa_t* ike_sa, alert_t alert, va_list args);

#endif
