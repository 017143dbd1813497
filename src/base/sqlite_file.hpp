// SQLite files of hone's: the one way they are opened, marked and told from others.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"

namespace hone::sqlite {

struct DatabaseDeleter {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, DatabaseDeleter>;
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

// Null when the statement does not fit the database.
Statement prepare(sqlite3* database, const char* sql);
bool run(sqlite3* database, const char* sql);
// The first column of the first row.
std::optional<std::int64_t> number(sqlite3* database, const char* sql);
void bind_text(sqlite3_stmt* statement, int at, std::string_view text);
std::string column_text(sqlite3_stmt* statement, int column);

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

struct File {
  Database database;
  bool read_only = false;
};

enum class Access { write, read };

// What went wrong with a file of `kind` ("study log") last: bad_request for one that is damaged or
// none, temporary for one that another process has locked.
Error trouble(const std::filesystem::path& path, std::string_view kind, sqlite3* database);

// A new file, or one with hone's mark; any other is a bad_request and left as it is. To write, a
// file is made when it is not there; one that may not be written is opened for reading. Waits as
// long as `busy_milliseconds` for other processes.
Result<File> open(const std::filesystem::path& path, std::string_view kind, Access access,
                  int busy_milliseconds);
// Switches a file to write-ahead logging; false when it cannot be, and then SQLite's own error says
// why. The switch asks for a lock that SQLite's busy timeout does not wait for, so that of two
// processes who make a file at once one would fail: waits as long as `busy_milliseconds`.
bool use_write_ahead_log(sqlite3* database, int busy_milliseconds);
// The mark on a file that is new.
std::string mark_sql();

}  // namespace hone::sqlite
