// SPDX-License-Identifier: BSD-3-Clause
// Our ESP steps beside the bare crypto library on the same texts: bursts of 32, one SA, hot buffers, replay
// window 1024, counters on. The difference is what ESP costs us above the cipher. Two of the other algorithms
// stand beside AES-GCM, each with its own bare call.
#include <intel-ipsec-mb.h>
#include <rte_ip.h>

#include <cstring>
#include <memory>
#include <vector>

#include "bench/bench_eal.h"
#include "dataplane/crypto/key_schedule.h"
#include "dataplane/esp/decapsulate.h"
#include "dataplane/esp/encapsulate.h"
#include "dataplane/esp/overhead.h"

namespace sallyport::bench {
namespace {

using namespace dataplane;

constexpr uint32_t kBurst = 32;
constexpr uint32_t kReplayWindow = 1024;
constexpr uint32_t kSpi = 0x12300005;
constexpr uint32_t kHeadBytes = 20 + 16;  // outer IPv4, ESP header and IV

struct Suite {
  api::Algorithm algorithm;
  api::Integrity integrity;
};

Suite gcm_suite(uint32_t aes_bits) {
  return {aes_bits == 128 ? api::Algorithm::kAes128Gcm16 : api::Algorithm::kAes256Gcm16,
          api::Integrity::kNone};
}

template <typename Message>
Message sa_message(const Suite& suite) {
  const KeySizes key = key_sizes(suite.algorithm, suite.integrity);
  Message message{};
  message.spi = kSpi;
  message.esn = 1;
  message.keys.algorithm = suite.algorithm;
  message.keys.integrity = suite.integrity;
  message.keys.key_bytes = key.key_bytes;
  message.keys.integrity_key_bytes = key.integrity_key_bytes;
  for (size_t i = 0; i < message.keys.key.size(); ++i)
    message.keys.key.at(i) = message.keys.integrity_key.at(i) = static_cast<uint8_t>(i * 31);
  message.local = {api::Family::kIpv4, {}, {198, 51, 100, 1}};
  message.remote = {api::Family::kIpv4, {}, {203, 0, 113, 1}};
  return message;
}

rte_mempool* pool() {
  static rte_mempool* const made = rte_pktmbuf_pool_create("bench", 1023, 0, 0, kBufferBytes, SOCKET_ID_ANY);
  return made;
}

// An empty buffer again, of this size.
uint8_t* resize(rte_mbuf* packet, size_t bytes) {
  rte_pktmbuf_reset(packet);
  packet->data_len = static_cast<uint16_t>(bytes);
  packet->pkt_len = static_cast<uint32_t>(bytes);
  return rte_pktmbuf_mtod(packet, uint8_t*);
}

// A burst of IPv4 packets in real buffers, with the SAs to send and receive it.
struct Rig {
  Rig(const Suite& suite, uint32_t inner_bytes) : inner_bytes(inner_bytes), engine(CryptoEngine::create()) {
    const auto outbound_message = sa_message<api::SetOutboundSa>(suite);
    make_outer_header({outbound_message.local, outbound_message.remote, 0, 0, false}, {}, outer);
    create_outbound_sa(outbound_message, outbound_row, outer, *engine, SOCKET_ID_ANY, outbound);
    auto inbound_message = sa_message<api::SetInboundSa>(suite);
    inbound_message.replay_window = kReplayWindow;
    create_inbound_sa(inbound_message, inbound_row, *engine, SOCKET_ID_ANY, inbound);
    rte_pktmbuf_alloc_bulk(pool(), packets.data(), kBurst);
    decap.resize(kBurst);
    put_back();
  }
  ~Rig() { rte_pktmbuf_free_bulk(packets.data(), kBurst); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  uint32_t text_bytes() const {
    return inner_bytes + esp_pad_bytes(inner_bytes, outbound->shape) + kEspTrailerBytes;
  }

  // Cleartext packets again.
  void put_back() {
    for (uint32_t i = 0; i < kBurst; ++i) {
      auto* ip = reinterpret_cast<rte_ipv4_hdr*>(resize(packets[i], inner_bytes));
      std::memset(ip, 0, sizeof(*ip));
      ip->version_ihl = RTE_IPV4_VHL_DEF;
      ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(inner_bytes));
      ip->time_to_live = 64;
    }
  }

  void send() {
    for (size_t i = 0; i < kBurst; ++i) {
      const Sequence sequence = assign_sequence(*outbound, packets[i]->pkt_len, 1);
      if (prepare_encapsulation(packets[i], *outbound, sequence.number, jobs[i]) != kKeep)
        jobs[i].key = nullptr;
    }
    engine->encrypt({jobs.data(), kBurst});
  }

  // Remembers the burst as sent, to be received again and again.
  void keep_sealed() {
    send();
    for (rte_mbuf* packet : packets) {
      const auto* data = rte_pktmbuf_mtod(packet, const uint8_t*);
      sealed.emplace_back(data, data + packet->pkt_len);
    }
  }
  void put_sealed_back() {
    for (uint32_t i = 0; i < kBurst; ++i) {
      std::memcpy(resize(packets[i], sealed[i].size()), sealed[i].data(), sealed[i].size());
      decap[i] = {packets[i], inbound.get(), 0, inbound->spi, 20, kKeep, true, 0};
    }
    inbound->window.open(
        kReplayWindow, 0,
        {reinterpret_cast<uint64_t*>(inbound.get() + 1), ReplayWindow::words_for(kReplayWindow)});
  }
  void receive() {
    for (size_t i = 0; i < kBurst; ++i)
      prepare_decapsulation(decap[i], jobs[i]);
    engine->decrypt({jobs.data(), kBurst});
    InboundTally tally(1);
    for (size_t i = 0; i < kBurst; ++i)
      finish_decapsulation(decap[i], jobs[i], tally);
  }

  const uint32_t inner_bytes;
  std::unique_ptr<CryptoEngine> engine;
  api::InboundRow inbound_row{};
  api::OutboundRow outbound_row{};
  OuterHeader outer{};
  InboundSaPtr inbound;
  OutboundSaPtr outbound;
  std::array<rte_mbuf*, kBurst> packets{};
  std::array<CryptoJob, kBurst> jobs{};
  std::vector<DecapPacket> decap;
  std::vector<std::vector<uint8_t>> sealed;
};

void encapsulate(benchmark::State& state, const Suite& suite, int64_t inner_bytes) {
  Rig rig(suite, static_cast<uint32_t>(inner_bytes));
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    rig.put_back();
    clock.start();
    rig.send();
    clock.stop(state);
  }
  for (const CryptoJob& job : rig.jobs) {
    if (!job.ok) state.SkipWithError("a packet was dropped");
  }
  clock.report(state, kBurst);
}

void decapsulate(benchmark::State& state, const Suite& suite, int64_t inner_bytes) {
  Rig rig(suite, static_cast<uint32_t>(inner_bytes));
  rig.keep_sealed();
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    rig.put_sealed_back();
    clock.start();
    rig.receive();
    clock.stop(state);
  }
  for (const DecapPacket& item : rig.decap) {
    if (item.drop != kKeep) state.SkipWithError("a packet was dropped");
  }
  clock.report(state, kBurst);
}

void encapsulate_ours(benchmark::State& state) {
  encapsulate(state, gcm_suite(static_cast<uint32_t>(state.range(0))), state.range(1));
}

void decapsulate_ours(benchmark::State& state) {
  decapsulate(state, gcm_suite(static_cast<uint32_t>(state.range(0))), state.range(1));
}

void encapsulate_other(benchmark::State& state, const Suite& suite) {
  encapsulate(state, suite, state.range(0));
}

void decapsulate_other(benchmark::State& state, const Suite& suite) {
  decapsulate(state, suite, state.range(0));
}

void fill_gcm(IMB_JOB* job, const Rig& rig, uint32_t aes_bits, uint8_t* text, const uint8_t* nonce,
              const uint8_t* aad) {
  job->enc_keys = job->dec_keys = rig.outbound->key.schedule();
  job->key_len_in_bytes = aes_bits / 8;
  job->src = job->dst = text;
  job->cipher_start_src_offset_in_bytes = job->hash_start_src_offset_in_bytes = 0;
  job->msg_len_to_cipher_in_bytes = job->msg_len_to_hash_in_bytes = rig.text_bytes();
  job->iv = nonce;
  job->iv_len_in_bytes = 12;
  job->auth_tag_output = text + rig.text_bytes();
  job->auth_tag_output_len_in_bytes = 16;
  job->u.GCM.aad = aad;
  job->u.GCM.aad_len_in_bytes = 12;
  job->cipher_mode = IMB_CIPHER_GCM;
  job->cipher_direction = IMB_DIR_ENCRYPT;
  job->hash_alg = IMB_AUTH_AES_GMAC;
  job->chain_order = IMB_ORDER_CIPHER_HASH;
}

void encrypt_raw(benchmark::State& state) {
  const auto aes_bits = static_cast<uint32_t>(state.range(0));
  Rig rig(gcm_suite(aes_bits), static_cast<uint32_t>(state.range(1)));
  IMB_MGR* library = rig.engine->library();
  alignas(16) std::array<uint8_t, 16> nonce{}, aad{};
  std::array<IMB_JOB*, kBurst> burst{};
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    rig.put_back();
    clock.start();
    IMB_GET_NEXT_BURST(library, kBurst, burst.data());
    for (uint32_t i = 0; i < kBurst; ++i) {
      fill_gcm(burst[i], rig, aes_bits, rte_pktmbuf_mtod(rig.packets[i], uint8_t*), nonce.data(), aad.data());
    }
    const uint32_t done = IMB_SUBMIT_BURST_NOCHECK(library, kBurst, burst.data());
    clock.stop(state);
    if (done != kBurst) state.SkipWithError("the library kept jobs back");
  }
  clock.report(state, kBurst);
}

void decrypt_raw(benchmark::State& state) {
  const auto aes_bits = static_cast<uint32_t>(state.range(0));
  Rig rig(gcm_suite(aes_bits), static_cast<uint32_t>(state.range(1)));
  rig.keep_sealed();
  IMB_MGR* library = rig.engine->library();
  const auto* schedule = static_cast<const gcm_key_data*>(rig.outbound->key.schedule());
  const auto decrypt = aes_bits == 128 ? library->gcm128_dec : library->gcm256_dec;
  gcm_context_data context;
  alignas(16) std::array<uint8_t, 16> nonce{}, aad{}, tag{};
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    rig.put_sealed_back();
    clock.start();
    for (rte_mbuf* packet : rig.packets) {
      uint8_t* text = rte_pktmbuf_mtod_offset(packet, uint8_t*, kHeadBytes);
      decrypt(schedule, &context, text, text, rig.text_bytes(), nonce.data(), aad.data(), 12, tag.data(), 16);
    }
    clock.stop(state);
    benchmark::DoNotOptimize(tag);
  }
  clock.report(state, kBurst);
}

// AES-CBC with HMAC-SHA2-256: the hash covers ESP header and IV, too.
void fill_cbc(IMB_JOB& job, const Rig& rig, uint8_t* text) {
  constexpr uint32_t kIvBytes = 16, kEspAndIvBytes = 8 + kIvBytes;
  const auto& schedule = *static_cast<const KeySchedule*>(rig.outbound->key.schedule());
  job.enc_keys = schedule.encrypt.data();
  job.dec_keys = schedule.decrypt.data();
  job.key_len_in_bytes = 16;
  job.src = text - kEspAndIvBytes;
  job.cipher_start_src_offset_in_bytes = kEspAndIvBytes;
  job.msg_len_to_hash_in_bytes = kEspAndIvBytes + rig.text_bytes();
  job.iv = text - kIvBytes;
  job.iv_len_in_bytes = kIvBytes;
  job.cipher_mode = IMB_CIPHER_CBC;
  job.hash_alg = IMB_AUTH_HMAC_SHA_256;
  job.u.HMAC._hashed_auth_key_xor_ipad = reinterpret_cast<const uint8_t*>(schedule.inner.data());
  job.u.HMAC._hashed_auth_key_xor_opad = reinterpret_cast<const uint8_t*>(schedule.outer.data());
}

void fill_chacha(IMB_JOB& job, const Rig& rig, uint8_t* text) {
  alignas(16) static constexpr std::array<uint8_t, 16> kNonce{}, kAad{};
  job.enc_keys = job.dec_keys = rig.outbound->key.schedule();
  job.key_len_in_bytes = 32;
  job.src = text;
  job.cipher_start_src_offset_in_bytes = 0;
  job.msg_len_to_hash_in_bytes = rig.text_bytes();
  job.iv = kNonce.data();
  job.iv_len_in_bytes = 12;
  job.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
  job.hash_alg = IMB_AUTH_CHACHA20_POLY1305;
  job.u.CHACHA20_POLY1305 = {kAad.data(), 12, nullptr};
}

void fill_other(IMB_JOB& job, const Rig& rig, const Suite& suite, uint8_t* text,
                IMB_CIPHER_DIRECTION direction) {
  if (suite.algorithm == api::Algorithm::kAes128Cbc)
    fill_cbc(job, rig, text);
  else
    fill_chacha(job, rig, text);
  job.dst = text;
  job.hash_start_src_offset_in_bytes = 0;
  job.msg_len_to_cipher_in_bytes = rig.text_bytes();
  job.auth_tag_output = text + rig.text_bytes();
  job.auth_tag_output_len_in_bytes = 16;
  job.cipher_direction = direction;
  job.chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}

// Burst and flush: nothing stays in the library's lanes. Decrypting, the ICV is computed and not compared.
void raw_other(benchmark::State& state, const Suite& suite, IMB_CIPHER_DIRECTION direction) {
  Rig rig(suite, static_cast<uint32_t>(state.range(0)));
  IMB_MGR* library = rig.engine->library();
  std::array<IMB_JOB*, kBurst> burst{};
  CycleClock clock;
  for ([[maybe_unused]] auto _ : state) {
    rig.put_back();
    clock.start();
    IMB_GET_NEXT_BURST(library, kBurst, burst.data());
    for (uint32_t i = 0; i < kBurst; ++i)
      fill_other(*burst[i], rig, suite, rte_pktmbuf_mtod(rig.packets[i], uint8_t*), direction);
    uint32_t done = IMB_SUBMIT_BURST_NOCHECK(library, kBurst, burst.data());
    if (done < kBurst) done += IMB_FLUSH_BURST(library, kBurst - done, burst.data());
    clock.stop(state);
    if (done != kBurst) state.SkipWithError("the library kept jobs back");
  }
  clock.report(state, kBurst);
}

const std::vector<int64_t> kInnerBytes = {64, 128, 256, 512, 1024, 1400};

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"aes", "bytes"})->ArgsProduct({{128, 256}, kInnerBytes})->UseManualTime();
}

void sizes_only(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"bytes"})->ArgsProduct({kInnerBytes})->UseManualTime();
}

constexpr Suite kCbc{api::Algorithm::kAes128Cbc, api::Integrity::kHmacSha256_128};
constexpr Suite kChaCha{api::Algorithm::kChaCha20Poly1305, api::Integrity::kNone};

BENCHMARK(encapsulate_ours)->Name("encapsulate/ours")->Apply(sizes);
BENCHMARK(encrypt_raw)->Name("encapsulate/raw")->Apply(sizes);
BENCHMARK(decapsulate_ours)->Name("decapsulate/ours")->Apply(sizes);
BENCHMARK(decrypt_raw)->Name("decapsulate/raw")->Apply(sizes);
BENCHMARK_CAPTURE(encapsulate_other, cbc, kCbc)->Name("encapsulate/ours/aes128cbc-sha256")->Apply(sizes_only);
BENCHMARK_CAPTURE(raw_other, cbc_encrypt, kCbc, IMB_DIR_ENCRYPT)
    ->Name("encapsulate/raw/aes128cbc-sha256")
    ->Apply(sizes_only);
BENCHMARK_CAPTURE(decapsulate_other, cbc, kCbc)->Name("decapsulate/ours/aes128cbc-sha256")->Apply(sizes_only);
BENCHMARK_CAPTURE(raw_other, cbc_decrypt, kCbc, IMB_DIR_DECRYPT)
    ->Name("decapsulate/raw/aes128cbc-sha256")
    ->Apply(sizes_only);
BENCHMARK_CAPTURE(encapsulate_other, chacha, kChaCha)
    ->Name("encapsulate/ours/chacha20poly1305")
    ->Apply(sizes_only);
BENCHMARK_CAPTURE(raw_other, chacha_encrypt, kChaCha, IMB_DIR_ENCRYPT)
    ->Name("encapsulate/raw/chacha20poly1305")
    ->Apply(sizes_only);
BENCHMARK_CAPTURE(decapsulate_other, chacha, kChaCha)
    ->Name("decapsulate/ours/chacha20poly1305")
    ->Apply(sizes_only);
BENCHMARK_CAPTURE(raw_other, chacha_decrypt, kChaCha, IMB_DIR_DECRYPT)
    ->Name("decapsulate/raw/chacha20poly1305")
    ->Apply(sizes_only);

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  return sallyport::bench::run_benchmarks(argc, argv);
}
