#include "lm/local/engine_thread.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <thread>

namespace hone::local {
namespace {

TEST(EngineThread, IsTheSameWhoeverAsks) {
  EngineThread engine;
  std::set<std::thread::id> seen;
  for (int i = 0; i < 8; ++i) {
    std::jthread([&] {
      engine.run([&] { seen.insert(std::this_thread::get_id()); });
    }).join();
  }
  EXPECT_EQ(seen.size(), 1U);
  EXPECT_FALSE(seen.contains(std::this_thread::get_id()));
}

TEST(EngineThread, ReturnsWhenTheJobIsDoneAndPassesOnWhatItThrows) {
  EngineThread engine;
  int done = 0;
  for (int i = 0; i < 1000; ++i) {
    engine.run([&] { ++done; });
    ASSERT_EQ(done, i + 1);
  }
  EXPECT_THROW(engine.run([] { throw std::runtime_error("no"); }), std::runtime_error);
  engine.run([&] { done = -1; });
  EXPECT_EQ(done, -1);
}

}  // namespace
}  // namespace hone::local
