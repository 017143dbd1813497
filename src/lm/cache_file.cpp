#include "cache_file.hpp"

#include <sqlite3.h>

#include <mutex>
#include <optional>

#include "reply_json.hpp"

namespace hone {
namespace {

constexpr int kApplicationId = 0x686F6E65;  // "hone"
constexpr int kVersion = 1;
constexpr int kBusyMilliseconds = 5000;

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
  sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return Statement(statement);
}

bool run(sqlite3* database, const char* sql) {
  return sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::optional<int> number(sqlite3* database, const char* sql) {
  const Statement statement = prepare(database, sql);
  if (statement == nullptr || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
  return sqlite3_column_int(statement.get(), 0);
}

void bind_text(sqlite3_stmt* statement, int at, const std::string& text) {
  sqlite3_bind_text64(statement, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

// Leaves the statement ready for the next use, whatever happened.
class Resetter {
 public:
  explicit Resetter(sqlite3_stmt* statement) : statement_(statement) {}
  ~Resetter() { sqlite3_reset(statement_); }
  Resetter(const Resetter&) = delete;
  Resetter& operator=(const Resetter&) = delete;

 private:
  sqlite3_stmt* statement_;
};

Error cannot_use(const std::filesystem::path& path, sqlite3* database) {
  const int code = database == nullptr ? SQLITE_NOMEM : sqlite3_errcode(database) & 0xFF;
  const std::string words = database == nullptr ? "out of memory" : sqlite3_errmsg(database);
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
    return bad_request(path.string(), "is damaged or no cache file (" + words +
                                          "); delete it or name another one");
  }
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    return temporary(path.string(), "is locked by another process");
  return bad_request(path.string(), "cannot be used as a cache: " + words);
}

}  // namespace

struct CacheFile::State {
  std::mutex mutex;
  Database database;
  Statement find;
  Statement save;
};

CacheFile::CacheFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
CacheFile::~CacheFile() = default;

Result<std::unique_ptr<CacheFile>> CacheFile::open(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  state->database.reset(raw);
  if (opened != SQLITE_OK) return cannot_use(path, raw);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);

  const std::optional<int> id = number(raw, "PRAGMA application_id");
  const std::optional<int> tables = number(raw, "SELECT count(*) FROM sqlite_master");
  const std::optional<int> version = number(raw, "PRAGMA user_version");
  if (!id || !tables || !version) return cannot_use(path, raw);
  const bool is_new = *tables == 0 && *id == 0;
  if (!is_new && *id != kApplicationId) {
    return bad_request(path.string(), "is a database, but no cache of hone's; name another file");
  }
  if (*version > kVersion) {
    return bad_request(path.string(), "was made by a newer hone (cache version " +
                                          std::to_string(*version) + ", this one knows " +
                                          std::to_string(kVersion) +
                                          "); update hone, or name another file");
  }
  const std::string marks = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                            "; PRAGMA user_version = " + std::to_string(kVersion);
  const char* table =
      "CREATE TABLE IF NOT EXISTS reply (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID";
  if (!run(raw, "PRAGMA journal_mode = WAL") || !run(raw, "PRAGMA synchronous = NORMAL") ||
      !run(raw, "BEGIN IMMEDIATE") || !run(raw, table) || !run(raw, marks.c_str()) ||
      !run(raw, "COMMIT")) {
    return cannot_use(path, raw);
  }
  state->find = prepare(raw, "SELECT json FROM reply WHERE key = ?1");
  state->save = prepare(raw, "INSERT OR REPLACE INTO reply (key, json) VALUES (?1, ?2)");
  if (state->find == nullptr || state->save == nullptr) return cannot_use(path, raw);
  return std::unique_ptr<CacheFile>(new CacheFile(std::move(state)));
}

std::vector<std::optional<LmReply>> CacheFile::find(std::span<const Hash> keys,
                                                    std::size_t& failures) const {
  std::vector<std::optional<LmReply>> found(keys.size());
  const std::lock_guard lock(state_->mutex);
  sqlite3_stmt* statement = state_->find.get();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string key = keys[i].hex();
    const Resetter resetter(statement);
    bind_text(statement, 1, key);
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) continue;
    const unsigned char* text = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : nullptr;
    if (text != nullptr) {
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, 0));
      Result<LmReply> reply = reply_from_json({reinterpret_cast<const char*>(text), size});
      if (reply) {
        found[i] = *std::move(reply);
        continue;
      }
    }
    ++failures;
  }
  return found;
}

std::size_t CacheFile::save(std::span<const std::pair<Hash, LmReply>> replies) const {
  const std::lock_guard lock(state_->mutex);
  sqlite3* database = state_->database.get();
  if (!run(database, "BEGIN IMMEDIATE")) return replies.size();
  sqlite3_stmt* statement = state_->save.get();
  bool all_well = true;
  for (const auto& [hash, reply] : replies) {
    const std::string key = hash.hex();
    const std::string json = reply_to_json(reply);
    const Resetter resetter(statement);
    bind_text(statement, 1, key);
    bind_text(statement, 2, json);
    all_well = sqlite3_step(statement) == SQLITE_DONE;
    if (!all_well) break;
  }
  if (all_well && run(database, "COMMIT")) return 0;
  // SQLite may have rolled back by itself already; then this is refused, which is what is wanted.
  run(database, "ROLLBACK");
  return replies.size();
}

}  // namespace hone
