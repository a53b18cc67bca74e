// SPDX-License-Identifier: GPL-2.0-or-later
// Which strongSwan is running: its structs change between minor versions, and no symbol tells.
#ifndef SALLYPORT_VERSION_H
#define SALLYPORT_VERSION_H

// As in "5.9.8", found in the daemon's own binary; "unknown" if it isn't there.
const char* running_strongswan_version(void);

#endif
