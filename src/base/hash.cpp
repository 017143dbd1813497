#include "hone/base/hash.hpp"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace hone {
namespace {

void append_hex(std::string& out, std::uint64_t number, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    out.push_back(kDigits[(number >> shift) & 0xF]);
  }
}

}  // namespace

std::string Hash::hex() const {
  std::string out;
  out.reserve(32);
  append_hex(out, high, 16);
  append_hex(out, low, 16);
  return out;
}

Hash hash_of(std::string_view bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return Hash{h.high64, h.low64};
}

Hasher& Hasher::add(std::string_view bytes) {
  add(static_cast<std::uint64_t>(bytes.size()));
  buffer_.append(bytes);
  return *this;
}

Hasher& Hasher::add(std::uint64_t number) {
  std::array<char, sizeof number> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<char>(number >> (8 * i));
  buffer_.append(raw.data(), raw.size());
  return *this;
}

Hasher& Hasher::add(double number) {
  if (number == 0.0) number = 0.0;
  std::uint64_t bits = 0;
  static_assert(sizeof bits == sizeof number);
  std::memcpy(&bits, &number, sizeof bits);
  return add(bits);
}

Hasher& Hasher::add(const Hash& hash) {
  return add(hash.high).add(hash.low);
}

Hash Hasher::finish() const {
  return hash_of(buffer_);
}

Result<std::string> sha256_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return bad_request(path.string(), std::string("cannot be read: ") + std::strerror(errno));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return internal_error(path.string(), "SHA-256 is not available");
  }
  std::vector<char> piece(std::size_t{1} << 20);
  while (in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) return internal_error(path.string(), "reading failed");
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) append_hex(out, digest[i], 2);
  return out;
}

}  // namespace hone
