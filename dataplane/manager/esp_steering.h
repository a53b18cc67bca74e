// SPDX-License-Identifier: BSD-3-Clause
// Puts the planned rte_flow rules for ESP into a started device, as many kinds as it takes. Manager thread.
#pragma once

#include "dataplane/manager/steering.h"

namespace sallyport::dataplane {

// The best that the device takes: rules to the home workers' queues, else one that spreads by SPI, else none.
// Either all rules of a kind are in the device or none. `spi_hashed`: its RSS hashes this carrier's SPI
// already. The rules stay until rte_flow_flush.
EspSteering steer_esp(uint16_t port, uint16_t workers, api::Family family, EspCarrier carrier,
                      bool spi_hashed);

}  // namespace sallyport::dataplane
