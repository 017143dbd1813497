#include <mutex>

#include "hone/store/study_log.hpp"

#include "base/sqlite_file.hpp"

namespace hone {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr int kBusyMilliseconds = 3000;
constexpr std::string_view kKind = "study log";

class SqliteStudyLog final : public StudyLog {
 public:
  SqliteStudyLog(std::filesystem::path path, sqlite::File file)
      : path_(std::move(path)), file_(std::move(file)) {}

  Result<bool> append(std::string_view kind, std::string_view key, const Value& body) override {
    const std::lock_guard lock(mutex_);
    if (file_.read_only) return bad_request(path_.string(), "may be read but not written");
    sqlite3* database = file_.database.get();
    const sqlite::Statement statement = sqlite::prepare(
        database, "INSERT OR IGNORE INTO study_record (kind, key, json) VALUES (?1, ?2, ?3)");
    if (!statement) return sqlite::trouble(path_, kKind, database);
    sqlite::bind_text(statement.get(), 1, kind);
    sqlite::bind_text(statement.get(), 2, key);
    sqlite::bind_text(statement.get(), 3, body.to_json());
    if (sqlite3_step(statement.get()) != SQLITE_DONE) {
      // Whoever holds the lock so long will hold it on: the next entries do not wait again.
      sqlite3_busy_timeout(database, 0);
      const Error error = sqlite::trouble(path_, kKind, database);
      return Error{error.kind, error.where, "an entry could not be saved: " + error.message};
    }
    sqlite3_busy_timeout(database, kBusyMilliseconds);
    return sqlite3_changes(database) > 0;
  }

  Result<std::vector<StudyRecord>> records(std::string_view kind) const override {
    const std::lock_guard lock(mutex_);
    sqlite3* database = file_.database.get();
    const sqlite::Statement statement =
        sqlite::prepare(database,
                        "SELECT number, kind, key, json FROM study_record "
                        "WHERE ?1 = '' OR kind = ?1 ORDER BY number");
    if (!statement) return sqlite::trouble(path_, kKind, database);
    sqlite::bind_text(statement.get(), 1, kind);
    std::vector<StudyRecord> out;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
      StudyRecord record;
      record.number = sqlite3_column_int64(statement.get(), 0);
      record.kind = sqlite::column_text(statement.get(), 1);
      record.key = sqlite::column_text(statement.get(), 2);
      Result<Value> body =
          Value::parse_json(sqlite::column_text(statement.get(), 3),
                            path_.string() + ", entry " + std::to_string(record.number));
      if (!body) return body.error();
      record.body = *std::move(body);
      out.push_back(std::move(record));
    }
    if (code != SQLITE_DONE) return sqlite::trouble(path_, kKind, database);
    return out;
  }

  std::optional<std::filesystem::path> file() const override { return path_; }
  bool is_read_only() const override { return file_.read_only; }

 private:
  std::filesystem::path path_;
  mutable std::mutex mutex_;
  sqlite::File file_;
};

Result<std::unique_ptr<StudyLog>> open_with(const std::filesystem::path& path,
                                            sqlite::Access access) {
  Result<sqlite::File> file = sqlite::open(path, kKind, access, kBusyMilliseconds);
  if (!file) return file.error();
  sqlite3* database = file->database.get();
  if (!file->read_only) {
    const std::string set_up =
        "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS study_version (version INTEGER NOT NULL);"
        "INSERT INTO study_version SELECT " +
        std::to_string(kVersion) +
        " WHERE NOT EXISTS (SELECT 1 FROM study_version);"
        "CREATE TABLE IF NOT EXISTS study_record (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, "
        "key TEXT NOT NULL, json TEXT NOT NULL, UNIQUE (kind, key));" +
        sqlite::mark_sql() + "COMMIT;";
    const bool is_set_up = sqlite::use_write_ahead_log(database, kBusyMilliseconds) &&
                           sqlite::run(database, set_up.c_str());
    if (!is_set_up) return sqlite::trouble(path, kKind, database);
  }
  const std::optional<std::int64_t> tables = sqlite::number(
      database,
      "SELECT count(*) FROM sqlite_master WHERE name IN ('study_version', 'study_record')");
  if (!tables) return sqlite::trouble(path, kKind, database);
  if (*tables < 2)
    return bad_request(path.string(), "is a response cache, not a study log; name another file");
  const std::optional<std::int64_t> version =
      sqlite::number(database, "SELECT max(version) FROM study_version");
  if (!version) return sqlite::trouble(path, kKind, database);
  if (*version > kVersion) {
    return bad_request(path.string(), "was made by a newer hone (study version " +
                                          std::to_string(*version) + ", this one knows " +
                                          std::to_string(kVersion) +
                                          "); update hone, or name another file");
  }
  return std::unique_ptr<StudyLog>(new SqliteStudyLog(path, *std::move(file)));
}

}  // namespace

Result<std::unique_ptr<StudyLog>> open_study_log(const std::filesystem::path& path) {
  return open_with(path, sqlite::Access::write);
}

Result<std::unique_ptr<StudyLog>> read_study_log(const std::filesystem::path& path) {
  return open_with(path, sqlite::Access::read);
}

}  // namespace hone
