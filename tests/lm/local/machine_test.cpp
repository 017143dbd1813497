#include "lm/local/machine.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

using tests::TemporaryFolder;

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Machine, HasAtLeastOneThread) {
  EXPECT_GE(usable_threads(), 1U);
  EXPECT_FALSE(machine_name().empty());
}

TEST(Machine, NamesWhatIsNotAModelFile) {
  const TemporaryFolder folder;
  EXPECT_NE(check_gguf(folder.path() / "none.gguf").error().message.find("no such"),
            std::string::npos);
  EXPECT_NE(check_gguf(folder.path()).error().message.find("not a file"), std::string::npos);
  write(folder.path() / "text.gguf", "hello");
  EXPECT_NE(check_gguf(folder.path() / "text.gguf").error().message.find("not a GGUF"),
            std::string::npos);
  write(folder.path() / "empty.gguf", "");
  EXPECT_FALSE(check_gguf(folder.path() / "empty.gguf"));
}

TEST(Machine, ContentIdFollowsTheContent) {
  const TemporaryFolder folder;
  std::string bytes(5'000'000, 'x');
  write(folder.path() / "a", bytes);
  write(folder.path() / "b", bytes);
  EXPECT_EQ(content_id(folder.path() / "a").value(), content_id(folder.path() / "b").value());
  for (const std::size_t place : {std::size_t{0}, std::size_t{2'345'678}, bytes.size() - 1}) {
    std::string changed = bytes;
    changed[place] = 'y';
    write(folder.path() / "b", changed);
    EXPECT_NE(content_id(folder.path() / "a").value(), content_id(folder.path() / "b").value())
        << place;
  }
  write(folder.path() / "b", bytes + "x");
  EXPECT_NE(content_id(folder.path() / "a").value(), content_id(folder.path() / "b").value());
  write(folder.path() / "c", "tiny");
  EXPECT_EQ(content_id(folder.path() / "c").value().size(), 32U);
  EXPECT_FALSE(content_id(folder.path() / "none"));
}

TEST(Machine, TuningComesBack) {
  const TemporaryFolder folder;
  EXPECT_FALSE(load_tuning(folder.path(), "model"));
  const LocalTuning tuning{false, 32, 256};
  ASSERT_TRUE(save_tuning(folder.path() / "new", "model", tuning));
  EXPECT_EQ(load_tuning(folder.path() / "new", "model"), tuning);
  EXPECT_FALSE(load_tuning(folder.path() / "new", "other model"));
}

TEST(Machine, ADamagedTuningCountsAsNone) {
  const TemporaryFolder folder;
  ASSERT_TRUE(save_tuning(folder.path(), "model", LocalTuning{}));
  const std::string others = ", \"step_tokens\": 256, \"flash_attention\": true}";
  for (const std::string& text :
       {std::string("{\"width\": "), std::string("[64]"), std::string("{\"width\": 64}"),
        "{\"width\": \"64\"" + others, "{\"width\": -1" + others, "{\"width\": 1e99" + others,
        "{\"width\": null" + others,
        std::string("{\"width\": 64, \"step_tokens\": 256, \"flash_attention\": 1}"),
        std::string("{\"width\": 64, \"step_tokens\": {}, \"flash_attention\": true}")}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      write(entry.path(), text);
    EXPECT_FALSE(load_tuning(folder.path(), "model")) << text;
  }
}

}  // namespace
}  // namespace hone::local
