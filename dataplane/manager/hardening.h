// SPDX-License-Identifier: BSD-3-Clause
// What the process gives up before it holds any key: core dumps, ptrace by others, new privileges, and the
// capabilities that no port needs. Main thread, before any other thread is there.
#pragma once

#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

Failure harden_process();

// Ports are opened at any time, so what their drivers need stays: CAP_NET_ADMIN and CAP_NET_RAW (net_tap,
// net_af_packet, net_af_xdp), CAP_BPF and CAP_SYS_ADMIN (net_af_xdp's program and map; physical addresses of
// DMA memory where there is no IOMMU), CAP_IPC_LOCK (hugepages, VFIO and AF_XDP memory that stays in place).
// Everything else leaves the permitted and the bounding set for good; as no CAP_DAC_OVERRIDE is left, files
// must be the process's own user's. Threads started later inherit that.
Failure drop_capabilities();

}  // namespace sallyport::dataplane
