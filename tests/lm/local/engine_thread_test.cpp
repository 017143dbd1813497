#include "lm/local/engine_thread.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace hone::local {
namespace {

TEST(EngineThread, IsTheSameWhoeverAsks) {
  const auto engine = EngineThread::shared().value();
  EXPECT_EQ(engine, EngineThread::shared().value());
  std::set<std::thread::id> seen;  // only the engine's thread writes to it
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 8; ++i) {
      callers.emplace_back([&] {
        for (int k = 0; k < 50; ++k) engine->run([&] { seen.insert(std::this_thread::get_id()); });
      });
    }
  }
  EXPECT_EQ(seen.size(), 1U);
  EXPECT_FALSE(seen.contains(std::this_thread::get_id()));
}

TEST(EngineThread, ReturnsWhenTheJobIsDoneAndPassesOnWhatItThrows) {
  const auto engine = EngineThread::shared().value();
  int done = 0;
  for (int i = 0; i < 1000; ++i) {
    engine->run([&] { ++done; });
    ASSERT_EQ(done, i + 1);
  }
  EXPECT_THROW(engine->run([] { throw std::runtime_error("no"); }), std::runtime_error);
  engine->run([&] { engine->run([&] { done = -1; }); });
  EXPECT_EQ(done, -1);
}

}  // namespace
}  // namespace hone::local
