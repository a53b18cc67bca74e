// SPDX-License-Identifier: BSD-3-Clause
// Runs the real sallyport-dataplane for a test, in a directory of its own and in the network namespace that
// the test program made for itself; and the wires (veth) and mirrors (TAP, TUN) it is connected to.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/dataplane_manager/api_client.h"

namespace sallyport::test {

using Frame = std::vector<uint8_t>;

struct Outcome {
  int exit_status;  // -1: killed by a signal
  std::string out, err;
};

// Runs the binary to its end with these options.
Outcome run_dataplane(const std::vector<std::string>& options);

class GatewayProcess {
 public:
  GatewayProcess();
  ~GatewayProcess();  // kills it if need be and removes its directory
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  // Starts it and says Hello.
  void start(ApiClient& client);
  // Returns the wait status.
  int stop(int signal);
  pid_t pid() const { return pid_; }
  const std::string& directory() const { return directory_; }
  std::string log() const;
  static constexpr uint32_t kWorkers = 2, kSlots = 1024;

 private:
  std::string directory_;
  pid_t pid_ = -1;
};

// The far end of a veth pair whose near end, `name`, is for an af_packet port.
class Wire {
 public:
  explicit Wire(const std::string& name);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  std::string device(unsigned number) const;    // DPDK's string for the near end
  void set_far_link(const std::string& state);  // "up" or "down"
  void send(const Frame& frame);
  std::optional<Frame> receive(int timeout_ms);
  // The next frame of this EtherType (and IP protocol, unless 0).
  std::optional<Frame> receive_kind(uint16_t ether_type, uint8_t protocol, int timeout_ms);

 private:
  std::string name_;
  int fd_ = -1;
};

enum class TunnelDevice { kTap, kTun };

// A TAP or TUN as sallyportd makes mirrors, and a socket to see and send what a kernel would.
class MirrorDevice {
 public:
  MirrorDevice(const std::string& name, TunnelDevice kind);
  ~MirrorDevice();
  MirrorDevice(const MirrorDevice&) = delete;
  MirrorDevice& operator=(const MirrorDevice&) = delete;

  int queue() const { return queue_; }  // for kSetMirror
  void send(const Frame& frame);        // as if the kernel sent it through the device
  std::optional<Frame> receive(int timeout_ms);

 private:
  int queue_ = -1, fd_ = -1;
};

}  // namespace sallyport::test
