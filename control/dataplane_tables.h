// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane should hold (ports, VRFs, addresses, neighbours, tunnels, groups, routes) beside what it
// does hold, and the shortest list of messages from one to the other. SAs are the SA ledger's. Pure values;
// main thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/dataplane_client.h"
#include "dataplane/api/messages.h"

namespace sallyport::control {

// Objects refer only to kinds listed before their own: sets are sent in this order, deletes in the opposite
// one.
enum class Stage : uint8_t { kVrf, kPort, kAddress, kNeighbour, kTunnel, kGroup, kRoute };

// One object: the Set* message with the header and all fields that only dumps fill in at zero.
struct TableObject {
  Stage stage;
  std::string key;  // the bytes that identify it within its stage
  Bytes message;
  bool operator==(const TableObject&) const = default;
};

[[nodiscard]] TableObject table_object(const api::SetVrf& vrf);
[[nodiscard]] TableObject table_object(const api::SetPort& port);
[[nodiscard]] TableObject table_object(const api::SetAddress& address);
[[nodiscard]] TableObject table_object(const api::SetNeighbour& neighbour);
[[nodiscard]] TableObject table_object(const api::SetTunnel& tunnel);
[[nodiscard]] TableObject table_object(const api::SetGroup& group);
[[nodiscard]] TableObject table_object(const api::SetRoute& route);

[[nodiscard]] api::Type set_type(Stage stage);

struct TableRequest {
  api::Type type;
  Stage stage;
  std::string key;
  Bytes message;
};

class DataplaneTables {
 public:
  // Everything that `section` wants; what it wanted before and no longer lists goes. Two sections never want
  // the same object.
  void replace(const std::string& section, std::vector<TableObject> objects);

  // What a dump of this stage returned, instead of all that was believed about the stage.
  void learn(Stage stage, const std::vector<Bytes>& items);
  void forget_all();

  // Sets in stage order, then deletes in the opposite order; all are believed done.
  [[nodiscard]] std::vector<TableRequest> commit();
  // The dataplane refused: the next commit tries again.
  void refused(const TableRequest& request);

  [[nodiscard]] std::vector<Bytes> wanted(Stage stage) const;

 private:
  using Key = std::pair<Stage, std::string>;
  std::map<std::string, std::map<Key, Bytes>> wanted_;  // by section
  std::map<Key, Bytes> held_;
};

}  // namespace sallyport::control
