// SPDX-License-Identifier: BSD-3-Clause
// The files that auth refers to. Their contents are looked at only as far as needed to say that they are of
// the wrong kind; nothing of them is kept.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "control/config/sections.h"

namespace sallyport::control {

namespace {

enum class Readers { kOwnerOnly, kAnyone };

// The beginning of a file that may hold a secret; wiped.
class Beginning {
 public:
  explicit Beginning(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    size_ = static_cast<size_t>(std::max<ssize_t>(::read(fd, bytes_.data(), bytes_.size()), 0));
    ::close(fd);
  }
  ~Beginning() { explicit_bzero(bytes_.data(), bytes_.size()); }
  Beginning(const Beginning&) = delete;
  Beginning& operator=(const Beginning&) = delete;

  [[nodiscard]] std::string_view text() const { return {bytes_.data(), size_}; }
  [[nodiscard]] bool has(std::string_view words) const {
    return text().find(words) != std::string_view::npos;
  }
  [[nodiscard]] bool is_der() const { return size_ > 0 && bytes_[0] == 0x30; }  // an ASN.1 SEQUENCE

 private:
  std::array<char, 16384> bytes_;
  size_t size_ = 0;
};

// Absolute path of a file that is there and not empty.
std::string read_path(Reader& reader, const Value& value, Readers readers) {
  const auto text = read_text(reader, value);
  if (!text) return "";
  const auto path = (std::filesystem::path(reader.base_dir()) / *text).lexically_normal().string();
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    const int error = errno;
    reader.error(value, "file " + path + ": " + std::strerror(error),
                 error == ENOENT ? "relative names start at the directory of the configuration" : "");
    return "";
  }
  if (!S_ISREG(status.st_mode)) {
    reader.error(value, path + " is not a regular file");
    return "";
  }
  if (status.st_size == 0) {
    reader.error(value, "file " + path + " is empty");
    return "";
  }
  if (readers == Readers::kOwnerOnly && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    reader.error(value, "secret " + path + " can be read by others than its owner", "chmod 600 " + path);
    return "";
  }
  return path;
}

std::string_view without_line_ends(std::string_view text) {
  return text.substr(0, text.find_last_not_of("\r\n") + 1);
}

}  // namespace

std::string read_psk_path(Reader& reader, const Value& value) {
  std::string path = read_path(reader, value, Readers::kOwnerOnly);
  if (path.empty()) return "";
  if (Beginning(path).text().find_first_not_of("\r\n") != std::string_view::npos) return path;
  reader.error(value, "file " + path + " is empty but for its line ends");
  return "";
}

bool hold_same_secret(const std::string& one, const std::string& other) {
  if (one == other) return true;
  const Beginning first(one), second(other);
  return without_line_ends(first.text()) == without_line_ends(second.text());
}

std::string read_key_path(Reader& reader, const Value& value) {
  std::string path = read_path(reader, value, Readers::kOwnerOnly);
  if (path.empty()) return "";
  const Beginning file(path);
  if (file.has("ENCRYPTED")) {
    reader.error(value, "the private key in " + path + " is encrypted, and there is nobody to ask",
                 "openssl pkey -in FILE -out FILE.plain, and chmod 600");
    return "";
  }
  if (file.is_der() || file.has("PRIVATE KEY-----")) return path;
  reader.error(value, "file " + path + " holds no private key", "PEM or DER is expected");
  return "";
}

std::string read_certificate_path(Reader& reader, const Value& value) {
  std::string path = read_path(reader, value, Readers::kAnyone);
  if (path.empty()) return "";
  const Beginning file(path);
  if (file.is_der() || file.has("-----BEGIN CERTIFICATE-----")) return path;
  reader.error(value, "file " + path + " holds no certificate", "PEM or DER is expected");
  return "";
}

}  // namespace sallyport::control
