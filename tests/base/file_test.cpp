#include "hone/base/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace hone {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string name = (fs::path(testing::TempDir()) / "hone_file_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { fs::remove_all(folder_); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

// Lets no file grow past `bytes` while it lives, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit old_{};
};

TEST_F(FileTest, ReadsBackWhatItWrote) {
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(write_file(folder_ / "x", bytes));
  EXPECT_EQ(read_file(folder_ / "x").value(), bytes);
  ASSERT_TRUE(write_file(folder_ / "x", ""));
  EXPECT_EQ(read_file(folder_ / "x").value(), "");
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileTest, ReadNamesWhatCannotBeRead) {
  EXPECT_EQ(read_file(folder_ / "none").error().kind, ErrorKind::bad_request);
  EXPECT_EQ(read_file(folder_ / "none").error().where, (folder_ / "none").string());
  EXPECT_EQ(read_file(folder_).error().kind, ErrorKind::bad_request);
}

TEST_F(FileTest, AFullDiskLeavesTheOldFile) {
  ASSERT_TRUE(write_file(folder_ / "x", "old"));
  Result<void> written;
  {
    const FileSizeLimit full(4096);
    written = write_file(folder_ / "x", std::string(100000, 'n'));
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::internal);
  EXPECT_NE(written.error().message.find("the old file is unchanged"), std::string::npos);
  EXPECT_EQ(read_file(folder_ / "x").value(), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileTest, AMissingFolderIsABadRequest) {
  const Result<void> written = write_file(folder_ / "no" / "x", "new");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::bad_request);
}

TEST_F(FileTest, ADirectoryIsNotReplaced) {
  fs::create_directories(folder_ / "d" / "inner");
  EXPECT_FALSE(write_file(folder_ / "d", "new"));
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileTest, ReplacesOnlyRegularFilesAndKeepsWhoMayReadThem) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(write_file(folder_ / "pipe", "new"));
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe"));
  ASSERT_TRUE(write_file(folder_ / "x", "old"));
  fs::permissions(folder_ / "x", fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(write_file(folder_ / "x", "new"));
  EXPECT_EQ(fs::status(folder_ / "x").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(FileTest, RemovesWhatKilledWritesOfTheSameFileLeftLongAgo) {
  const auto leave = [&](const std::string& name, std::chrono::minutes age) {
    ASSERT_TRUE(write_file(folder_ / name, "half")) << name;
    fs::last_write_time(folder_ / name, fs::file_time_type::clock::now() - age);
  };
  leave("x.saving-a1B2c3", std::chrono::minutes(61));
  const std::vector<std::string> kept = {"y.saving-a1B2c3", "x.saving-a1B2c",    "x.saving-a1B2c34",
                                         "x.saving-a1B2c.", "x.saving-a1B2c3.b", "x.backup"};
  for (const std::string& name : kept) leave(name, std::chrono::hours(100));
  leave("x.saving-d4E5f6", std::chrono::minutes(59));
  fs::create_symlink(folder_ / "y", folder_ / "x.saving-abcdef");
  ASSERT_TRUE(write_file(folder_ / "x", "new"));
  EXPECT_FALSE(fs::exists(folder_ / "x.saving-a1B2c3"));
  EXPECT_TRUE(fs::exists(folder_ / "x.saving-d4E5f6")) << "somebody may be writing it";
  EXPECT_TRUE(fs::is_symlink(folder_ / "x.saving-abcdef"));
  for (const std::string& name : kept) EXPECT_TRUE(fs::exists(folder_ / name)) << name;
}

TEST_F(FileTest, WritesThroughALink) {
  ASSERT_TRUE(write_file(folder_ / "x", "old"));
  fs::create_symlink(folder_ / "x", folder_ / "link");
  ASSERT_TRUE(write_file(folder_ / "link", "new"));
  EXPECT_EQ(read_file(folder_ / "x").value(), "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
}

}  // namespace
}  // namespace hone
