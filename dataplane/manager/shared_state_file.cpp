// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/shared_state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace sallyport::dataplane {
namespace {

api::SharedStateHeader layout(uint32_t workers, uint32_t slots) {
  api::SharedStateHeader header{};
  header.magic = api::kSharedStateMagic;
  header.version = api::kSharedStateVersion;
  header.workers = workers + 1;
  header.slots = slots;
  header.ports = api::kMaxPorts;
  header.worker_offset = sizeof header;
  header.port_offset = header.worker_offset + sizeof(api::WorkerCounters) * header.workers;
  header.inbound_offset = header.port_offset + sizeof(api::PortCounters) * header.ports * header.workers;
  header.outbound_offset = header.inbound_offset + sizeof(api::InboundRow) * slots;
  header.size_bytes = header.outbound_offset + sizeof(api::OutboundRow) * slots;
  return header;
}

Failure failed(const std::filesystem::path& path, const char* what) {
  return {api::Error::kDeviceFailed, "shared state " + path.string() + ": " + what + ": " +
                                         std::strerror(errno) +
                                         "; name a writable place on a tmpfs with --state"};
}

bool same_layout(int fd, const api::SharedStateHeader& wanted) {
  struct stat status {};
  api::SharedStateHeader found{};
  return fstat(fd, &status) == 0 && static_cast<uint64_t>(status.st_size) == wanted.size_bytes &&
         pread(fd, &found, sizeof found, 0) == sizeof found &&
         std::memcmp(&found, &wanted, sizeof found) == 0;
}

// A new file grows under another name and takes its place whole, so that no reader maps a half-made one.
int create(const std::filesystem::path& path, const api::SharedStateHeader& header) {
  const std::string temporary = path.string() + ".new";
  unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  if (ftruncate(fd, static_cast<off_t>(header.size_bytes)) == 0 &&
      pwrite(fd, &header, sizeof header, 0) == sizeof header && rename(temporary.c_str(), path.c_str()) == 0)
    return fd;
  const int error = errno;
  unlink(temporary.c_str());
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

Result<SharedStateFile> SharedStateFile::open(const std::filesystem::path& path, uint32_t workers,
                                              uint32_t slots) {
  const auto header = layout(workers, slots);
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno != ENOENT) return failed(path, "cannot be opened");
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return Failure{api::Error::kInUse, "shared state " + path.string() +
                                           " is in use by another sallyport-dataplane; stop that one first"};
  }
  const bool reopened = fd >= 0 && same_layout(fd, header);
  if (!reopened) {
    if (fd >= 0) close(fd);
    fd = create(path, header);
    if (fd < 0) return failed(path, "cannot be created");
    flock(fd, LOCK_EX | LOCK_NB);
  }
  fchmod(fd, 0600);
  void* base = mmap(nullptr, header.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    close(fd);
    return failed(path, "cannot be mapped");
  }
  // The descriptor stays open for the life of the process: it holds the lock.
  return SharedStateFile(path, base, header.size_bytes, reopened);
}

SharedStateFile::SharedStateFile(SharedStateFile&& other) noexcept
    : path_(std::move(other.path_)),
      base_(std::exchange(other.base_, nullptr)),
      size_bytes_(other.size_bytes_),
      reopened_(other.reopened_) {}

SharedStateFile::~SharedStateFile() {
  if (base_ != nullptr) munmap(base_, size_bytes_);
}

}  // namespace sallyport::dataplane
