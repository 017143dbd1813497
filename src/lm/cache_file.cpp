#include "cache_file.hpp"

#include <mutex>
#include <optional>

#include "hone/lm/cached_lm.hpp"

#include "base/sqlite_file.hpp"
#include "reply_json.hpp"

namespace hone {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr int kBusyMilliseconds = 3000;

}  // namespace

struct CacheFile::State {
  std::mutex mutex;
  sqlite::File file;
  sqlite::Statement find;
  sqlite::Statement save;  // null when the file may not be written
  sqlite::Statement replace;

  // False when the database refuses.
  bool save_one(const Hash& hash, LmReply& reply) const;
  bool write(sqlite3_stmt* statement, const std::string& key, const LmReply& reply) const {
    const sqlite::Resetter resetter(statement);
    sqlite::bind_text(statement, 1, key);
    sqlite::bind_text(statement, 2, reply_to_json(reply));
    return sqlite3_step(statement) == SQLITE_DONE;
  }
  // The stored reply; `is_there` also for a row that cannot be read.
  std::optional<LmReply> read(const std::string& key, bool& is_there) const {
    const sqlite::Resetter resetter(find.get());
    sqlite::bind_text(find.get(), 1, key);
    const int code = sqlite3_step(find.get());
    is_there = code != SQLITE_DONE;
    if (code != SQLITE_ROW) return std::nullopt;
    Result<LmReply> reply = reply_from_json(sqlite::column_text(find.get(), 0));
    return reply ? std::optional<LmReply>(*std::move(reply)) : std::nullopt;
  }
};

bool CacheFile::State::save_one(const Hash& hash, LmReply& reply) const {
  const std::string key = hash.hex();
  if (!write(save.get(), key, reply)) return false;
  if (sqlite3_changes(file.database.get()) > 0) return true;
  bool is_there = false;
  std::optional<LmReply> stored = read(key, is_there);
  if (!stored) return write(replace.get(), key, reply);
  stored->usage = reply.usage;
  reply = *std::move(stored);
  return true;
}

CacheFile::CacheFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
CacheFile::~CacheFile() = default;

Result<std::unique_ptr<CacheFile>> CacheFile::open(const std::filesystem::path& path,
                                                   std::string_view kind) {
  Result<sqlite::File> file = sqlite::open(path, kind, sqlite::Access::write, kBusyMilliseconds);
  if (!file) return file.error();
  auto state = std::make_unique<State>();
  state->file = *std::move(file);
  sqlite3* database = state->file.database.get();
  const std::optional<std::int64_t> version = sqlite::number(database, "PRAGMA user_version");
  if (!version) return sqlite::trouble(path, kind, database);
  if (*version > kVersion) {
    return bad_request(path.string(),
                       "was made by a newer hone (version " + std::to_string(*version) +
                           " of its replies, this one knows " + std::to_string(kVersion) +
                           "); update hone, or name another file");
  }
  if (!state->file.read_only) {
    const std::string set_up =
        "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS reply (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT "
        "ROWID;" +
        sqlite::mark_sql() + "PRAGMA user_version = " + std::to_string(kVersion) + "; COMMIT;";
    const bool is_set_up = sqlite::use_write_ahead_log(database, kBusyMilliseconds) &&
                           sqlite::run(database, set_up.c_str());
    if (!is_set_up) return sqlite::trouble(path, kind, database);
    state->save =
        sqlite::prepare(database, "INSERT OR IGNORE INTO reply (key, json) VALUES (?1, ?2)");
    state->replace =
        sqlite::prepare(database, "INSERT OR REPLACE INTO reply (key, json) VALUES (?1, ?2)");
    if (!state->save || !state->replace) return sqlite::trouble(path, kind, database);
  }
  state->find = sqlite::prepare(database, "SELECT json FROM reply WHERE key = ?1");
  if (!state->find) return sqlite::trouble(path, kind, database);
  return std::unique_ptr<CacheFile>(new CacheFile(std::move(state)));
}

std::vector<std::optional<LmReply>> CacheFile::find(std::span<const Hash> keys,
                                                    std::size_t& failures) const {
  std::vector<std::optional<LmReply>> found(keys.size());
  const std::lock_guard lock(state_->mutex);
  sqlite3* database = state_->file.database.get();
  // One snapshot: another process may be saving the same batch, and half of it would leave this
  // one's model another batch to compute.
  sqlite::run(database, "BEGIN");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    bool is_there = false;
    found[i] = state_->read(keys[i].hex(), is_there);
    if (!found[i] && is_there) ++failures;
  }
  sqlite::run(database, "COMMIT");
  return found;
}

std::size_t CacheFile::save(std::span<std::pair<Hash, LmReply>> replies) const {
  const std::lock_guard lock(state_->mutex);
  sqlite3* database = state_->file.database.get();
  if (state_->file.read_only) return replies.size();
  if (!sqlite::run(database, "BEGIN IMMEDIATE")) {
    // Whoever holds the lock so long will hold it on: later batches do not wait again.
    sqlite3_busy_timeout(database, 0);
    return replies.size();
  }
  sqlite3_busy_timeout(database, kBusyMilliseconds);
  bool all_well = true;
  for (auto& [hash, reply] : replies) {
    all_well = state_->save_one(hash, reply);
    if (!all_well) break;
  }
  if (all_well && sqlite::run(database, "COMMIT")) return 0;
  // SQLite may have rolled back by itself already; then this is refused, which is what is wanted.
  sqlite::run(database, "ROLLBACK");
  return replies.size();
}

Result<std::size_t> count_kept_replies(const std::filesystem::path& file,
                                       std::string_view file_kind) {
  const Result<sqlite::File> opened =
      sqlite::open(file, file_kind, sqlite::Access::read, kBusyMilliseconds);
  if (!opened) return opened.error();
  // Without the table none was kept yet.
  const auto count =
      sqlite::number(opened->database.get(), "SELECT count(*) FROM reply").value_or(0);
  return static_cast<std::size_t>(count);
}

}  // namespace hone
