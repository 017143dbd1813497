#include "base/sqlite_file.hpp"

#include <chrono>
#include <system_error>

namespace hone::sqlite {
namespace {

constexpr int kApplicationId = 0x686F6E65;  // "hone"

// A path as SQLite's URIs want it.
std::string uri(const std::filesystem::path& path, std::string_view query) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out = "file:";
  for (const char byte : path.string()) {
    if (byte == '%' || byte == '?' || byte == '#') {
      const auto code = static_cast<unsigned char>(byte);
      out += {'%', kDigits[code >> 4U], kDigits[code & 15U]};
    } else {
      out += byte;
    }
  }
  return out + "?" + std::string(query);
}

bool can_be_read(sqlite3* database) {
  return number(database, "SELECT count(*) FROM sqlite_master").has_value();
}

Result<Database> open_as(const std::filesystem::path& path, std::string_view kind,
                         std::string_view query, int flags, int busy_milliseconds) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(uri(path, query).c_str(), &raw,
                                     flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw);
  if (opened != SQLITE_OK) return trouble(path, kind, raw);
  sqlite3_busy_timeout(raw, busy_milliseconds);
  return database;
}

Result<Database> open_to_read(const std::filesystem::path& path, std::string_view kind,
                              int busy_milliseconds) {
  // Only who may write takes the files beside it away when it is through. Where they are there
  // already, they are another's, or left by a kill, and stay.
  std::error_code ignored;
  const bool is_alone = !std::filesystem::exists(path.string() + "-wal", ignored);
  Result<Database> database =
      is_alone ? open_as(path, kind, "mode=rw", SQLITE_OPEN_READWRITE, busy_milliseconds)
               : open_as(path, kind, "mode=ro", SQLITE_OPEN_READONLY, busy_milliseconds);
  if (database) run(database->get(), "PRAGMA query_only = ON");
  if (!database || can_be_read(database->get())) return database;
  // The shared memory beside the file cannot be made in a folder that may not be written; nobody
  // else writes there either.
  const int code = sqlite3_errcode(database->get()) & 0xFF;
  if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) return database;
  return open_as(path, kind, "immutable=1", SQLITE_OPEN_READONLY, busy_milliseconds);
}

}  // namespace

Statement prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return Statement(statement);
}

bool run(sqlite3* database, const char* sql) {
  return sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::optional<std::int64_t> number(sqlite3* database, const char* sql) {
  const Statement statement = prepare(database, sql);
  if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
  return sqlite3_column_int64(statement.get(), 0);
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

Error trouble(const std::filesystem::path& path, std::string_view kind, sqlite3* database) {
  const int code = database ? sqlite3_errcode(database) & 0xFF : SQLITE_NOMEM;
  const std::string words = database ? sqlite3_errmsg(database) : "out of memory";
  const std::string name(kind);
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
    return bad_request(path.string(),
                       "is damaged or no " + name + " (" + words + "); name another file");
  }
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    return temporary(path.string(), "is locked by another process");
  return bad_request(path.string(), "cannot be used as a " + name + ": " + words);
}

Result<File> open(const std::filesystem::path& path, std::string_view kind, Access access,
                  int busy_milliseconds) {
  // SQLite would keep it in a private file that is gone at the end.
  if (path.empty()) return bad_request(std::string(kind), "names no file; give it a path");
  File file;
  std::error_code ignored;
  const bool exists = std::filesystem::exists(path, ignored);
  if (access == Access::read) {
    if (!exists) return bad_request(path.string(), "there is no such " + std::string(kind));
    file.read_only = true;
  } else {
    Result<Database> opened = open_as(
        path, kind, "mode=rwc", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busy_milliseconds);
    if (!opened) return opened.error();
    file.database = *std::move(opened);
    file.read_only = sqlite3_db_readonly(file.database.get(), "main") == 1;
  }
  if (file.read_only) {
    Result<Database> opened = open_to_read(path, kind, busy_milliseconds);
    if (!opened) return opened.error();
    file.database = *std::move(opened);
  }
  sqlite3* database = file.database.get();
  // In this order: who makes the file meanwhile writes tables and mark at once.
  const std::optional<std::int64_t> tables = number(database, "SELECT count(*) FROM sqlite_master");
  const std::optional<std::int64_t> id =
      tables ? number(database, "PRAGMA application_id") : std::nullopt;
  if (!id || !tables) return trouble(path, kind, database);
  const bool is_new = *tables == 0 && *id == 0;
  if (*id != kApplicationId && (!is_new || file.read_only)) {
    return bad_request(path.string(), "is a database, but no " + std::string(kind) +
                                          " of hone's; name another file");
  }
  return file;
}

bool use_write_ahead_log(sqlite3* database, int busy_milliseconds) {
  constexpr int kPauseMilliseconds = 5;
  // SQLite may wait itself, so that turns say nothing about time.
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(busy_milliseconds);
  for (;;) {
    if (run(database, "PRAGMA journal_mode = WAL")) return true;
    const int code = sqlite3_errcode(database) & 0xFF;
    if (code != SQLITE_BUSY && code != SQLITE_LOCKED) return false;
    if (std::chrono::steady_clock::now() >= end) return false;
    sqlite3_sleep(kPauseMilliseconds);
  }
}

std::string mark_sql() {
  return "PRAGMA application_id = " + std::to_string(kApplicationId) + ";";
}

}  // namespace hone::sqlite
