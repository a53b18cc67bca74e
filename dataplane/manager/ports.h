// SPDX-License-Identifier: BSD-3-Clause
// The gateway's ports: their devices, addresses and mirror TAPs, and what workers see of them. Manager
// thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/mirror.h"
#include "dataplane/manager/port_device.h"
#include "dataplane/manager/tables_context.h"

namespace sallyport::dataplane {

class Ports {
 public:
  explicit Ports(TablesContext& context) : context_(context) {}
  ~Ports();
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  Failure set_port(const api::SetPort& message);
  // Success only says that it is on its way; `done` runs when the device is closed.
  Failure delete_port(uint32_t id, std::function<void()> done);
  Failure set_address(const api::SetAddress& message);
  Failure delete_address(const api::SetAddress& message);
  Failure set_mirror(uint32_t id, Mirror mirror);

  // nullptr: no such port. The published object, to read.
  const Port* find(uint32_t id) const;
  Mirror* mirror(uint32_t id);
  rte_mempool* pool(uint32_t id) const;
  // Looks at every link; sends kLinkChanged where one changed. Whether any did.
  bool poll_links();
  // What devices dropped for want of room goes to the manager's own counters.
  void count_missed(api::PortCounters* counters, uint32_t counter_workers) const;

  DumpSource dump_ports() const;
  DumpSource dump_addresses() const;

 private:
  struct Entry {
    api::SetPort message;
    std::unique_ptr<PortDevice> device;
    std::vector<api::Address> addresses;
    std::unique_ptr<Port> published;
    std::unique_ptr<Mirror> mirror;
  };

  Failure check(const api::SetPort& message) const;
  Failure open(const api::SetPort& message);
  Failure change(Entry& entry, const api::SetPort& message);
  void publish(Entry& entry);
  void publish_list();

  TablesContext& context_;
  std::map<uint32_t, Entry> entries_;
  std::unique_ptr<PortList> list_;
};

}  // namespace sallyport::dataplane
