#include "hone/lm/cached_lm.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "hone/lm/label_choice.hpp"

#include "any_stop.hpp"
#include "cache_file.hpp"
#include "reply_json.hpp"
#include "reply_memory.hpp"

namespace hone {
namespace {

// A request somebody is asking the model, and everybody who waits for the answer.
struct Flight {
  // Guarded by the cache's mutex.
  std::optional<Result<LmReply>> result;
  Hash asked_with;  // asked_with() of the request that was sent, where it was refused
};

// What request_key() may leave out, and a request may be refused for all the same.
Hash asked_with(const LmRequest& request) {
  Hasher hasher;
  hasher.add(request.settings.hash());
  for (const ReplyPart& part : request.reply->parts) {
    const auto* slot = std::get_if<LabelSlot>(&part);
    if (slot == nullptr) continue;
    hasher.add(std::uint64_t{slot->bias.size()});
    for (const double bias : slot->bias) hasher.add(bias);
  }
  return hasher.finish();
}

bool is_refusal(const Result<LmReply>& result) {
  return !result && result.error().kind == ErrorKind::bad_request;
}

bool is_stop(const Result<LmReply>& result) {
  return !result && result.error().kind == ErrorKind::stopped;
}

}  // namespace

struct ResponseCache {
  explicit ResponseCache(std::size_t max_bytes) : memory(max_bytes) {}

  std::unique_ptr<CacheFile> file;

  std::mutex mutex;
  std::condition_variable_any landed;
  ReplyMemory memory;
  std::unordered_map<Hash, std::shared_ptr<Flight>> flights;
  CacheStats stats;
};

namespace {

// One complete(): every request is answered from memory, led by this call, or follows somebody's
// flight.
class CachedBatch {
 public:
  CachedBatch(ResponseCache& cache, const Lm& inner, std::span<const LmRequest> requests,
              const std::stop_token& stop)
      : cache_(cache), inner_(inner), requests_(requests), stop_(stop), results_(requests.size()) {}
  ~CachedBatch();
  CachedBatch(const CachedBatch&) = delete;
  CachedBatch& operator=(const CachedBatch&) = delete;

  std::vector<Result<LmReply>> run();

 private:
  struct Leader {
    std::size_t index = 0;
    Hash key;
    std::shared_ptr<Flight> flight;  // null once it has landed
  };
  struct Follower {
    std::size_t index = 0;
    std::shared_ptr<Flight> flight;
  };

  void board(std::span<const std::size_t> indices);
  void ask_file();
  void ask_model();
  std::size_t save(std::vector<Result<LmReply>>& answers) const;
  std::vector<std::size_t> follow();
  void land(Leader& leader, const Result<LmReply>& result);
  void take(std::size_t index, const LmReply& reply);

  ResponseCache& cache_;
  const Lm& inner_;
  std::span<const LmRequest> requests_;
  const std::stop_token& stop_;
  std::vector<std::optional<Result<LmReply>>> results_;
  std::vector<Leader> leaders_;  // in the order of the batch; those not answered yet
  std::vector<Follower> followers_;
};

std::vector<Result<LmReply>> CachedBatch::run() {
  std::vector<std::size_t> open(requests_.size());
  for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;
  while (!open.empty()) {
    board(open);
    ask_file();
    ask_model();
    open = follow();
  }
  std::vector<Result<LmReply>> results;
  results.reserve(results_.size());
  for (std::optional<Result<LmReply>>& result : results_) results.push_back(*std::move(result));
  return results;
}

// An exception out of the inner model must not leave others waiting for ever.
CachedBatch::~CachedBatch() {
  for (Leader& leader : leaders_) {
    if (leader.flight != nullptr)
      land(leader, stopped("response cache", "the call that was to answer failed"));
  }
}

void CachedBatch::board(std::span<const std::size_t> indices) {
  std::vector<Hash> keys;
  keys.reserve(indices.size());
  for (const std::size_t index : indices)
    keys.push_back(request_key(inner_.info(), requests_[index]));
  const std::lock_guard lock(cache_.mutex);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (const LmReply* kept = cache_.memory.find(keys[i])) {
      ++cache_.stats.memory_hits;
      take(indices[i], *kept);
      continue;
    }
    std::shared_ptr<Flight>& flight = cache_.flights[keys[i]];
    if (flight != nullptr) {
      followers_.push_back({.index = indices[i], .flight = flight});
      continue;
    }
    flight = std::make_shared<Flight>();
    leaders_.push_back({.index = indices[i], .key = keys[i], .flight = flight});
  }
}

void CachedBatch::ask_file() {
  if (cache_.file == nullptr || leaders_.empty()) return;
  std::vector<Hash> keys;
  for (const Leader& leader : leaders_) keys.push_back(leader.key);
  std::size_t failures = 0;
  const std::vector<std::optional<LmReply>> found = cache_.file->find(keys, failures);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) continue;
    land(leaders_[i], *found[i]);
    take(leaders_[i].index, *found[i]);
  }
  const std::size_t hits =
      std::erase_if(leaders_, [](const Leader& leader) { return leader.flight == nullptr; });
  const std::lock_guard lock(cache_.mutex);
  cache_.stats.file_hits += hits;
  cache_.stats.file_failures += failures;
}

void CachedBatch::ask_model() {
  if (leaders_.empty()) return;
  std::vector<LmRequest> misses;
  misses.reserve(leaders_.size());
  for (const Leader& leader : leaders_) misses.push_back(requests_[leader.index]);
  const auto begun = std::chrono::steady_clock::now();
  std::vector<Result<LmReply>> answers = inner_.complete(misses, stop_);
  const double waited =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  for (Result<LmReply>& answer : answers) {
    // Kept with the reply, so that it can be told what it took when it comes out of the cache.
    if (answer && answer->usage.seconds <= 0) answer->usage.seconds = waited;
  }

  const std::size_t failures = save(answers);
  for (std::size_t i = 0; i < leaders_.size(); ++i) {
    land(leaders_[i], answers[i]);
    // Where another process saved first, the answer is that one's, of a request with biases or
    // settings of its own.
    if (answers[i]) choose_label_anew(*answers[i], requests_[leaders_[i].index]);
    results_[leaders_[i].index] = std::move(answers[i]);
  }
  leaders_.clear();
  const std::lock_guard lock(cache_.mutex);
  cache_.stats.misses += misses.size();
  cache_.stats.file_failures += failures;
}

// The number of answers that could not be saved.
std::size_t CachedBatch::save(std::vector<Result<LmReply>>& answers) const {
  if (cache_.file == nullptr) return 0;
  const bool was_stopped = std::any_of(answers.begin(), answers.end(), is_stop);
  // What a model that computes requests together says may depend, in the last bits, on their
  // company. Half a batch would leave the next run the other half alone.
  if (was_stopped && inner_.info().likes_batches) return 0;
  std::vector<std::pair<Hash, LmReply>> worth_saving;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < leaders_.size(); ++i) {
    if (!answers[i] || !fits_json(*answers[i])) continue;
    worth_saving.emplace_back(leaders_[i].key, *answers[i]);
    places.push_back(i);
  }
  if (worth_saving.empty()) return 0;
  const std::size_t failures = cache_.file->save(worth_saving);
  if (failures == 0) {
    for (std::size_t k = 0; k < places.size(); ++k)
      answers[places[k]] = std::move(worth_saving[k].second);
  }
  return failures;
}

// Gives back the requests whose flight ended by what is its own caller's alone: a stop, or other
// settings and biases, with which it was refused.
std::vector<std::size_t> CachedBatch::follow() {
  std::vector<std::size_t> again;
  std::unique_lock lock(cache_.mutex);
  for (const Follower& follower : std::exchange(followers_, {})) {
    const std::optional<Result<LmReply>>& result = follower.flight->result;
    const LmRequest& request = requests_[follower.index];
    AnyStop either;
    either.add(stop_);
    either.add(request.stop);
    cache_.landed.wait(lock, either.token(), [&] { return result.has_value(); });
    const Hash& refused = follower.flight->asked_with;
    const bool is_others =
        !result || is_stop(*result) || (is_refusal(*result) && refused != asked_with(request));
    if (!is_others) {
      if (result->ok()) {
        take(follower.index, **result);
      } else {
        results_[follower.index] = *result;
      }
    } else if (stop_.stop_requested() || request.stop.stop_requested()) {
      results_[follower.index] = Result<LmReply>(stopped("response cache", "the call was stopped"));
    } else {
      again.push_back(follower.index);
      continue;
    }
    ++cache_.stats.joined;
  }
  return again;
}

void CachedBatch::land(Leader& leader, const Result<LmReply>& result) {
  {
    const std::lock_guard lock(cache_.mutex);
    if (result) cache_.memory.insert(leader.key, *result);
    leader.flight->result = result;
    if (is_refusal(result)) leader.flight->asked_with = asked_with(requests_[leader.index]);
    leader.flight = nullptr;
    cache_.flights.erase(leader.key);
  }
  cache_.landed.notify_all();
}

void CachedBatch::take(std::size_t index, const LmReply& reply) {
  results_[index] = Result<LmReply>(served_from_cache(reply, requests_[index]));
}

}  // namespace

CachedLm::CachedLm(std::shared_ptr<const Lm> inner, std::shared_ptr<ResponseCache> cache)
    : inner_(std::move(inner)), cache_(std::move(cache)) {}
CachedLm::~CachedLm() = default;

Result<std::unique_ptr<CachedLm>> CachedLm::open(std::shared_ptr<const Lm> inner,
                                                 CacheOptions options) {
  auto cache = std::make_shared<ResponseCache>(options.max_bytes);
  if (options.file) {
    Result<std::unique_ptr<CacheFile>> file = CacheFile::open(*options.file, options.file_kind);
    if (!file) return file.error();
    cache->file = *std::move(file);
  }
  return std::unique_ptr<CachedLm>(new CachedLm(std::move(inner), std::move(cache)));
}

std::unique_ptr<CachedLm> CachedLm::beside(std::shared_ptr<const Lm> inner) const {
  return std::unique_ptr<CachedLm>(new CachedLm(std::move(inner), cache_));
}

const LmInfo& CachedLm::info() const {
  return inner_->info();
}

std::vector<Result<LmReply>> CachedLm::complete(std::span<const LmRequest> requests,
                                                std::stop_token stop) const {
  return CachedBatch(*cache_, *inner_, requests, stop).run();
}

CacheStats CachedLm::stats() const {
  const std::lock_guard lock(cache_->mutex);
  return cache_->stats;
}

}  // namespace hone
