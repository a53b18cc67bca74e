// SPDX-License-Identifier: BSD-3-Clause
// Plays a script of receive_script.h to a gateway and holds it to what must be true of every script: no
// packet is lost or counted twice, and nothing leaves a public port but what an oracle can open and what a
// mirror may say. Aborts where that isn't so.
#pragma once

#include "tests/fuzz/receive_script.h"
#include "tests/fuzz/receive_world.h"

namespace sallyport::dataplane::testing {

// Starts EAL; false with rte_errno set where DPDK refuses.
bool start_player();

class ReceivePlayer {
 public:
  ReceivePlayer();

  void play(std::span<const uint8_t> script);

 private:
  struct Pending {
    uint8_t port_id, queue;
  };
  // What one script did so far.
  struct Tally {
    uint64_t received = 0;  // packets, from ports and mirrors
    uint64_t from_lan = 0, mirrored = 0, sealed = 0;
    uint64_t perhaps_fragments = 0;  // of the received, on the public port
    uint64_t path_mtus = 0;          // exceptions that end in what is learnt
    uint64_t sent = 0, sent_to_lan = 0;
    std::vector<Bytes> allowed;  // frames that mirrors sent by the public port
  };

  void step(const StepHeader& header, std::span<const uint8_t> payload);
  void frame(const StepHeader& header, std::span<const uint8_t> payload);
  void sealed(const StepHeader& header, std::span<const uint8_t> payload);
  void change(Change what, uint8_t of);
  void change_path(Change what, uint8_t of);
  void mirror(const StepHeader& header, std::span<const uint8_t> payload);
  void run(uint8_t what, uint64_t pause_ns);
  bool may_run(uint8_t what, uint32_t worker) const;
  void run_workers(uint8_t what);
  void receive(Bytes frame, Pending place, uint8_t how);
  void enqueue(rte_mbuf* packet, Pending place);
  rte_mbuf* shaped_packet(const Bytes& frame, uint8_t how);
  void fill_ring(rte_ring* ring);
  void empty_filled();
  void take_buffers(rte_mempool* pool);
  void count_path_mtus();
  void take_sent();
  void check_public(const Bytes& frame);
  void settle();
  void check_balance();

  ReceiveWorld world_;
  rte_mempool* received_pool_;
  uint64_t now_ns_ = 1'000'000'000'000;
  Tally tally_;
  std::vector<rte_mbuf*> held_;    // somebody else's reference to what was received
  std::vector<rte_mbuf*> taken_;   // so that none are left
  std::vector<rte_ring*> filled_;  // with pointers to filler_, until the next run is over
  char filler_ = 0;
  uint64_t drops_before_ = 0, births_before_ = 0;
};

}  // namespace sallyport::dataplane::testing
