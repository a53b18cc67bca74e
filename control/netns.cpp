// SPDX-License-Identifier: BSD-3-Clause
#include "control/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>
#include <thread>

namespace sallyport::control {
namespace {

constexpr const char* kNetnsFolder = "/run/netns";

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string path_of(const NetnsName& name) {
  return std::string(kNetnsFolder) + "/" + name;
}

// The folder becomes a shared mount of its own, as `ip netns` does it, so that later mounts reach every mount
// namespace and unmounting here frees the name everywhere.
void prepare_folder() {
  ::mkdir(kNetnsFolder, 0755);
  if (::mount("", kNetnsFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) return;
  if (errno != EINVAL) fail("cannot share /run/netns");
  if (::mount(kNetnsFolder, kNetnsFolder, "none", MS_BIND | MS_REC, nullptr) != 0)
    fail("cannot bind /run/netns");
  if (::mount("", kNetnsFolder, "none", MS_SHARED | MS_REC, nullptr) != 0) fail("cannot share /run/netns");
}

void run_on_own_thread(const std::function<void()>& work) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

void enter(const NetnsName& name) {
  const int fd = ::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot open network namespace " + name);
  const int result = ::setns(fd, CLONE_NEWNET);
  ::close(fd);
  if (result != 0) fail("cannot enter network namespace " + name);
}

}  // namespace

bool netns_exists(const NetnsName& name) {
  const int fd = ::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  // A leftover file without a namespace mounted on it is refused here.
  bool is_namespace = false;
  std::thread([&] { is_namespace = ::setns(fd, CLONE_NEWNET) == 0; }).join();
  ::close(fd);
  return is_namespace;
}

void create_netns(const NetnsName& name) {
  if (netns_exists(name)) return;
  prepare_folder();
  const int fd = ::open(path_of(name).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0);
  if (fd < 0) fail("cannot create network namespace " + name);
  ::close(fd);
  run_on_own_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) fail("cannot create network namespace " + name);
    const std::string self = "/proc/self/task/" + std::to_string(::gettid()) + "/ns/net";
    if (::mount(self.c_str(), path_of(name).c_str(), "none", MS_BIND, nullptr) != 0) {
      fail("cannot name network namespace " + name);
    }
  });
}

void delete_netns(const NetnsName& name) {
  ::umount2(path_of(name).c_str(), MNT_DETACH);
  if (::unlink(path_of(name).c_str()) != 0 && errno != ENOENT)
    fail("cannot delete network namespace " + name);
}

std::vector<NetnsName> list_netns(const std::string& prefix) {
  std::vector<NetnsName> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(kNetnsFolder, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(prefix)) names.push_back(name);
  }
  return names;
}

void run_in_netns(const NetnsName& name, const std::function<void()>& work) {
  if (name.empty()) {
    work();
    return;
  }
  run_on_own_thread([&] {
    enter(name);
    work();
  });
}

void write_sysctl(const std::string& path, const std::string& value) {
  // /proc/sys/net shows the namespace of the thread that opens it (/proc/thread-self, not the process's).
  const std::string file = "/proc/sys/" + path;
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot open " + file);
  const ssize_t written = ::write(fd, value.data(), value.size());
  const int error = errno;
  ::close(fd);
  errno = error;
  if (written != static_cast<ssize_t>(value.size())) fail("cannot write " + value + " to " + file);
}

}  // namespace sallyport::control
