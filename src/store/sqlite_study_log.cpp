#include <sqlite3.h>

#include <mutex>
#include <system_error>

#include "hone/store/study_log.hpp"

namespace hone {
namespace {

constexpr int kApplicationId =
    0x686F6E65;  // "hone": the reply cache puts the same mark on its files
constexpr std::int64_t kVersion = 1;
constexpr int kBusyMilliseconds = 10000;

struct DatabaseDeleter {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, DatabaseDeleter>;
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

Statement prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, sql, -1, &statement, nullptr);
  return Statement(statement);
}

void bind_text(sqlite3_stmt* statement, int at, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = text.empty() ? "" : text.data();
  sqlite3_bind_text64(statement, at, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

std::string column_text(sqlite3_stmt* statement, int column) {
  const unsigned char* text = sqlite3_column_text(statement, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
  return text ? std::string(reinterpret_cast<const char*>(text), size) : std::string();
}

std::optional<std::int64_t> number(sqlite3* database, const char* sql) {
  const Statement statement = prepare(database, sql);
  if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
  return sqlite3_column_int64(statement.get(), 0);
}

Error cannot_use(const std::filesystem::path& path, sqlite3* database) {
  const int code = database ? sqlite3_errcode(database) & 0xFF : SQLITE_NOMEM;
  const std::string words = database ? sqlite3_errmsg(database) : "out of memory";
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
    return bad_request(path.string(),
                       "is damaged or no study log (" + words + "); name another file");
  }
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    return temporary(path.string(), "is locked by another process");
  return bad_request(path.string(), "cannot be used as a study log: " + words);
}

class SqliteStudyLog final : public StudyLog {
 public:
  SqliteStudyLog(std::filesystem::path path, Database database)
      : path_(std::move(path)), database_(std::move(database)) {}

  Result<bool> append(std::string_view kind, std::string_view key, const Value& body) override {
    const std::lock_guard lock(mutex_);
    const Statement statement =
        prepare(database_.get(),
                "INSERT OR IGNORE INTO study_record (kind, key, json) VALUES (?1, ?2, ?3)");
    if (!statement) return cannot_use(path_, database_.get());
    const std::string json = body.to_json();
    bind_text(statement.get(), 1, kind);
    bind_text(statement.get(), 2, key);
    bind_text(statement.get(), 3, json);
    if (sqlite3_step(statement.get()) != SQLITE_DONE) {
      return internal_error(path_.string(), std::string("an entry could not be saved: ") +
                                                sqlite3_errmsg(database_.get()));
    }
    return sqlite3_changes(database_.get()) > 0;
  }

  Result<std::vector<StudyRecord>> records(std::string_view kind) const override {
    const std::lock_guard lock(mutex_);
    const Statement statement = prepare(database_.get(),
                                        "SELECT number, kind, key, json FROM study_record WHERE ?1 "
                                        "= '' OR kind = ?1 ORDER BY number");
    if (!statement) return cannot_use(path_, database_.get());
    bind_text(statement.get(), 1, kind);
    std::vector<StudyRecord> out;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
      StudyRecord record;
      record.number = sqlite3_column_int64(statement.get(), 0);
      record.kind = column_text(statement.get(), 1);
      record.key = column_text(statement.get(), 2);
      Result<Value> body =
          Value::parse_json(column_text(statement.get(), 3),
                            path_.string() + ", entry " + std::to_string(record.number));
      if (!body) return body.error();
      record.body = *std::move(body);
      out.push_back(std::move(record));
    }
    if (code != SQLITE_DONE) return cannot_use(path_, database_.get());
    return out;
  }

  std::optional<std::filesystem::path> file() const override { return path_; }

 private:
  std::filesystem::path path_;
  mutable std::mutex mutex_;
  Database database_;
};

}  // namespace

Result<std::unique_ptr<StudyLog>> open_study_log(const std::filesystem::path& path,
                                                 bool must_exist) {
  std::error_code ignored;
  if (must_exist && !std::filesystem::exists(path, ignored)) {
    return bad_request(path.string(), "there is no such study log");
  }
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw);
  if (opened != SQLITE_OK) return cannot_use(path, raw);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  const std::optional<std::int64_t> id = number(raw, "PRAGMA application_id");
  const std::optional<std::int64_t> tables = number(raw, "SELECT count(*) FROM sqlite_master");
  if (!id || !tables) return cannot_use(path, raw);
  if ((*tables != 0 || *id != 0) && *id != kApplicationId) {
    return bad_request(path.string(),
                       "is a database, but no study log of hone's; name another file");
  }
  const std::string set_up =
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS study_version (version INTEGER NOT NULL);"
      "INSERT INTO study_version SELECT " +
      std::to_string(kVersion) +
      " WHERE NOT EXISTS (SELECT 1 FROM study_version);"
      "CREATE TABLE IF NOT EXISTS study_record (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, "
      "key TEXT NOT NULL,"
      " json TEXT NOT NULL, UNIQUE (kind, key));"
      "PRAGMA application_id = " +
      std::to_string(kApplicationId) + "; COMMIT;";
  if (sqlite3_exec(raw, set_up.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return cannot_use(path, raw);
  const std::optional<std::int64_t> version = number(raw, "SELECT max(version) FROM study_version");
  if (!version) return cannot_use(path, raw);
  if (*version > kVersion) {
    return bad_request(path.string(), "was made by a newer hone (study version " +
                                          std::to_string(*version) + ", this one knows " +
                                          std::to_string(kVersion) + ")");
  }
  return std::unique_ptr<StudyLog>(new SqliteStudyLog(path, std::move(database)));
}

}  // namespace hone
