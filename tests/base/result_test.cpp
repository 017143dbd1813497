#include "hone/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace hone {
namespace {

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 3;
  const Result<int> bad = bad_request("file:2", "is wrong");
  EXPECT_EQ(good.value(), 3);
  EXPECT_EQ(good.value_or(1), 3);
  EXPECT_EQ(bad.value_or(1), 1);
  EXPECT_EQ(bad.error().text(), "file:2: is wrong");
  EXPECT_EQ(bad_request({}, "is wrong").text(), "is wrong");
}

TEST(Result, ValueThrowsTheError) {
  const Result<void> bad = temporary("server", "is away");
  try {
    bad.value();
    FAIL() << "no exception";
  } catch (const Exception& failure) {
    EXPECT_STREQ(failure.what(), "server: is away");
    EXPECT_EQ(failure.error().kind, ErrorKind::temporary);
    EXPECT_TRUE(failure.error().is_retryable());
  }
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> owner = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(owner).value();
  EXPECT_EQ(*taken, 7);
}

TEST(ErrorKind, HasWords) {
  EXPECT_EQ(to_string(ErrorKind::bad_reply), "bad reply");
  EXPECT_EQ(to_string(ErrorKind::stopped), "stopped");
}

}  // namespace
}  // namespace hone
