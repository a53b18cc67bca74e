// SPDX-License-Identifier: GPL-2.0-or-later
// Stands in for strongSwan's generated config.h, forced into every file of the plugin: the few macros that
// change what the installed headers declare. Debian builds with mediation (ME), which changes the size of
// daemon_t and ike_sa_t.
#ifndef CONFIG_H_INCLUDED
#define CONFIG_H_INCLUDED
#define _GNU_SOURCE 1
#define ME 1

// What the C library has; without these strongSwan's headers declare their own.
#define HAVE_ALLOCA_H 1
#define HAVE_CLOCK_GETTIME 1
#define HAVE_EXPLICIT_BZERO 1
#define HAVE_FMEMOPEN 1
#define HAVE_GCC_ATOMIC_OPERATIONS 1
#define HAVE_MEMRCHR 1
#define HAVE_SIGWAITINFO 1
#define HAVE_STDBOOL_H 1
#define HAVE_SYS_PARAM_H 1
#endif
