#include "hone/base/hash.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace hone {
namespace {

// Caches and saved files hold these: they may never change.
TEST(Hash, IsXxh3AndStable) {
  EXPECT_EQ(hash_of("").hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(hash_of("a"), hash_of("b"));
}

TEST(Hasher, KeepsPartsApart) {
  EXPECT_NE(Hasher().add("ab").add("c").finish(), Hasher().add("a").add("bc").finish());
  EXPECT_NE(Hasher().add("").finish(), Hasher().finish());
  EXPECT_EQ(Hasher().add(-0.0).finish(), Hasher().add(0.0).finish());
  EXPECT_NE(Hasher().add(1.0).finish(), Hasher().add(2.0).finish());
}

TEST(Sha256, OfAFile) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "hash_test";
  std::ofstream(path) << "abc";
  EXPECT_EQ(sha256_file(path).value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, NamesAFileThatIsMissing) {
  EXPECT_EQ(sha256_file("no/such").error().where, "no/such");
  EXPECT_FALSE(sha256_file(testing::TempDir()));
}

}  // namespace
}  // namespace hone
