#include "hone/lm/openai.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <list>
#include <utility>

#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"

#include "any_stop.hpp"
#include "http.hpp"
#include "openai_wire.hpp"

namespace hone {
namespace {

using std::chrono::milliseconds;

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x21 || c == 0x7F; });
}

Result<std::string> choose_key(const OpenAiOptions& options, const http::Url& url) {
  std::string key;
  if (options.api_key) {
    key = *options.api_key;
  } else if (url.is_https || url.is_loopback) {
    if (const char* given = std::getenv("OPENAI_API_KEY")) key = given;
  }
  key = std::string(trim(key));
  if (has_control_character(key))
    return bad_request(url.base, "the key has a space or control character inside");
  if (key.empty() && url.is_https && !url.is_loopback) {
    return bad_request(url.base, "key missing; set OPENAI_API_KEY to the server's key");
  }
  return key;
}

bool is_retryable(int status) {
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

}  // namespace

// The server as one client sees it.
struct OpenAiServer {
  OpenAiServer(OpenAiOptions given, const http::Url& url, http::Config config)
      : options(std::move(given)),
        where(url.base),
        chat_url(url.base + "/chat/completions"),
        text_url(url.base + "/completions"),
        pool(std::move(config)) {
    info.identity = "openai:" + url.base + "#" + options.model;
    if (options.clock == nullptr) options.clock = std::make_shared<const SystemClock>();
  }

  OpenAiOptions options;
  std::string where;
  std::string chat_url;
  std::string text_url;
  LmInfo info;
  http::SessionPool pool;
  // What the server turned out not to know; learned from its first refusal so that later calls save
  // the round trip.
  mutable std::atomic<bool> lacks_completions{false};
  mutable std::atomic<bool> lacks_json_schema{false};
  mutable std::atomic<bool> wants_max_completion_tokens{false};
};

namespace {

// One request on its way through tries and dialects.
struct Job {
  std::size_t index = 0;
  wire::Dialect dialect;
  std::string body;
  std::size_t tries = 0;
  Clock::TimePoint begun;
  Clock::TimePoint due;
};

// One complete(): jobs wait in `ready` or, between tries, in `delayed`, or are in flight.
class OpenAiBatch {
 public:
  OpenAiBatch(const OpenAiServer& lm, std::span<const LmRequest> requests,
              const std::stop_token& stop);
  std::vector<Result<LmReply>> run();

 private:
  void start(Job& job);
  void start_due();
  void drop_withdrawn();
  void sleep_until_due();
  void finish(Job& job, const http::Answer& answer);
  bool try_other_dialect(Job& job, const http::Answer& answer);
  void learn(const Job& job);
  void retry_or_fail(Job& job, milliseconds asked, const std::string& fault);
  milliseconds backoff(const Job& job);
  milliseconds until_due() const;
  void fail(const Job& job, Error error);
  Error http_error(const http::Answer& answer) const;

  const OpenAiServer& lm_;
  std::span<const LmRequest> requests_;
  const std::stop_token& stop_;
  const Clock& clock_;
  http::SessionPool::Lease session_;
  std::vector<Job> jobs_;
  std::deque<std::size_t> ready_;
  std::vector<std::size_t> delayed_;
  std::vector<std::optional<Result<LmReply>>> results_;
  std::size_t unfinished_ = 0;
  bool may_be_withdrawn_ = false;  // some request has a stop of its own
};

OpenAiBatch::OpenAiBatch(const OpenAiServer& lm, std::span<const LmRequest> requests,
                         const std::stop_token& stop)
    : lm_(lm),
      requests_(requests),
      stop_(stop),
      clock_(*lm.options.clock),
      session_(lm.pool.lease()),
      jobs_(requests.size()),
      results_(requests.size()),
      unfinished_(requests.size()) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    jobs_[i].index = i;
    jobs_[i].begun = clock_.now();
    ready_.push_back(i);
    may_be_withdrawn_ = may_be_withdrawn_ || requests[i].stop.stop_possible();
  }
}

std::vector<Result<LmReply>> OpenAiBatch::run() {
  const auto wake = [this] { session_->wake(); };
  const std::stop_callback wake_on_stop(stop_, wake);
  std::list<std::stop_callback<decltype(wake)>> wake_on_withdrawal;
  if (may_be_withdrawn_) {
    for (const LmRequest& request : requests_) {
      if (request.stop.stop_possible()) wake_on_withdrawal.emplace_back(request.stop, wake);
    }
  }
  // Long enough to cost nothing: whatever matters wakes the wait.
  constexpr milliseconds kIdle{1000};
  while (unfinished_ > 0 && !stop_.stop_requested()) {
    if (may_be_withdrawn_) drop_withdrawn();
    if (unfinished_ == 0) break;
    start_due();
    if (session_->in_flight() == 0) {
      sleep_until_due();
      continue;
    }
    const milliseconds wait = delayed_.empty() ? kIdle : std::min(kIdle, until_due());
    session_->pump(wait, [this](std::size_t index, const http::Answer& answer) {
      finish(jobs_[index], answer);
    });
  }
  session_->drop_all();
  std::vector<Result<LmReply>> results;
  results.reserve(results_.size());
  for (std::optional<Result<LmReply>>& result : results_) {
    if (result) {
      results.push_back(*std::move(result));
    } else {
      results.emplace_back(stopped(lm_.where, "the call was stopped"));
    }
  }
  return results;
}

void OpenAiBatch::drop_withdrawn() {
  for (const Job& job : jobs_) {
    if (results_[job.index] || !requests_[job.index].stop.stop_requested()) continue;
    session_->drop(job.index);
    std::erase(ready_, job.index);
    std::erase(delayed_, job.index);
    fail(job, stopped(lm_.where, "the request was withdrawn"));
  }
}

void OpenAiBatch::sleep_until_due() {
  AnyStop any;
  any.add(stop_);
  for (const std::size_t index : delayed_) any.add(requests_[index].stop);
  clock_.sleep_for(until_due(), any.token());
}

void OpenAiBatch::start_due() {
  const Clock::TimePoint now = delayed_.empty() ? Clock::TimePoint{} : clock_.now();
  std::erase_if(delayed_, [&](std::size_t index) {
    if (jobs_[index].due > now) return false;
    ready_.push_back(index);
    return true;
  });
  const std::size_t limit = std::max<std::size_t>(1, lm_.options.max_parallel);
  while (!ready_.empty() && session_->in_flight() < limit) {
    Job& job = jobs_[ready_.front()];
    ready_.pop_front();
    start(job);
  }
}

void OpenAiBatch::start(Job& job) {
  const LmRequest& request = requests_[job.index];
  if (job.body.empty()) {
    job.dialect.completions =
        job.dialect.completions || (job.tries == 0 && request.prompt.is_text());
    if (lm_.lacks_completions.load(std::memory_order_relaxed)) job.dialect.completions = false;
    if (lm_.lacks_json_schema.load(std::memory_order_relaxed)) job.dialect.json_schema = false;
    if (lm_.wants_max_completion_tokens.load(std::memory_order_relaxed))
      job.dialect.max_completion_tokens = true;
    job.body = wire::request_body(request, lm_.options.model, job.dialect);
  }
  ++job.tries;
  session_->start(job.index, job.dialect.completions ? lm_.text_url : lm_.chat_url, job.body);
}

void OpenAiBatch::finish(Job& job, const http::Answer& answer) {
  const LmRequest& request = requests_[job.index];
  if (answer.outcome == http::Outcome::refused) {
    const bool is_answer = answer.fault.starts_with("the answer");
    fail(job,
         is_answer ? bad_reply(lm_.where, answer.fault) : bad_request(lm_.where, answer.fault));
  } else if (answer.outcome == http::Outcome::no_answer) {
    retry_or_fail(job, milliseconds{0}, "no answer from the server: " + answer.fault);
  } else if (answer.status >= 200 && answer.status < 300) {
    Result<LmReply> reply = wire::parse_reply(answer.body, request, job.dialect, lm_.where);
    if (reply) {
      learn(job);
      reply->usage.seconds = std::chrono::duration<double>(clock_.now() - job.begun).count();
    }
    results_[job.index] = std::move(reply);
    job.body = {};
    --unfinished_;
  } else if (is_retryable(answer.status)) {
    retry_or_fail(job, answer.retry_after, http_error(answer).message);
  } else if (!try_other_dialect(job, answer)) {
    fail(job, http_error(answer));
  }
}

// A server that does not know a part of the interface says so with a 4xx; the request goes out
// again without it.
bool OpenAiBatch::try_other_dialect(Job& job, const http::Answer& answer) {
  const LmRequest& request = requests_[job.index];
  const bool sent_schema =
      job.dialect.json_schema && !job.dialect.completions && !request.reply->json_schema.is_null();
  const bool is_no_such_path = answer.status == 404 || answer.status == 405 || answer.status == 501;
  const bool is_bad_body = answer.status == 400 || answer.status == 422;
  if (job.dialect.completions && is_no_such_path) {
    job.dialect.completions = false;
  } else if (is_bad_body && !job.dialect.max_completion_tokens &&
             answer.body.find("max_completion_tokens") != std::string::npos) {
    job.dialect.max_completion_tokens = true;
  } else if (is_bad_body && sent_schema) {
    job.dialect.json_schema = false;
  } else {
    return false;
  }
  job.body.clear();
  ready_.push_back(job.index);
  return true;
}

// Only a success without a part proves that the part was what the server minded.
void OpenAiBatch::learn(const Job& job) {
  const LmRequest& request = requests_[job.index];
  if (request.prompt.is_text() && !job.dialect.completions)
    lm_.lacks_completions.store(true, std::memory_order_relaxed);
  if (!job.dialect.json_schema) lm_.lacks_json_schema.store(true, std::memory_order_relaxed);
  if (job.dialect.max_completion_tokens)
    lm_.wants_max_completion_tokens.store(true, std::memory_order_relaxed);
}

void OpenAiBatch::retry_or_fail(Job& job, milliseconds asked, const std::string& fault) {
  if (asked > lm_.options.retry_after_limit) {
    fail(job, temporary(lm_.where,
                        fault + "; it asks to wait " +
                            std::to_string(
                                std::chrono::duration_cast<std::chrono::seconds>(asked).count()) +
                            " s"));
    return;
  }
  if (job.tries > lm_.options.retries) {
    fail(job, temporary(lm_.where, fault + " (after " + std::to_string(job.tries) +
                                       (job.tries == 1 ? " try)" : " tries)")));
    return;
  }
  job.due = clock_.now() + asked + backoff(job);
  delayed_.push_back(job.index);
}

milliseconds OpenAiBatch::backoff(const Job& job) {
  const LmRequest& request = requests_[job.index];
  Rng rng(lm_.options.seed,
          Hasher().add(request_key(lm_.info, request)).add(std::uint64_t{job.tries}).finish());
  const double limit = static_cast<double>(lm_.options.backoff_limit.count());
  double longest = static_cast<double>(lm_.options.backoff.count());
  for (std::size_t i = 1; i < job.tries && longest < limit; ++i) longest *= 2;
  return milliseconds(static_cast<milliseconds::rep>(rng.uniform() * std::min(longest, limit)));
}

milliseconds OpenAiBatch::until_due() const {
  Clock::TimePoint first = Clock::TimePoint::max();
  for (const std::size_t index : delayed_) first = std::min(first, jobs_[index].due);
  // Rounded up, or the last part of a millisecond would be spent spinning.
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(first - clock_.now()));
}

void OpenAiBatch::fail(const Job& job, Error error) {
  results_[job.index] = Result<LmReply>(std::move(error));
  --unfinished_;
}

Error OpenAiBatch::http_error(const http::Answer& answer) const {
  const std::string words = wire::error_message(answer.body);
  const std::string tail = words.empty() ? "" : ": " + words;
  const std::string status = "status " + std::to_string(answer.status);
  if (answer.status == 401 || answer.status == 403) {
    return bad_request(
        lm_.where, "the server refused the key (" + status + ")" + tail + "; check OPENAI_API_KEY");
  }
  if (is_retryable(answer.status))
    return temporary(lm_.where, "the server is unavailable (" + status + ")" + tail);
  return bad_request(lm_.where, "the server refused the request (" + status + ")" + tail);
}

}  // namespace

OpenAiLm::OpenAiLm(std::unique_ptr<const OpenAiServer> server) : server_(std::move(server)) {}
OpenAiLm::~OpenAiLm() = default;

Result<std::unique_ptr<OpenAiLm>> OpenAiLm::open(OpenAiOptions options) {
  const Result<http::Url> url = http::parse_url(options.base_url);
  if (!url) return url.error();
  if (options.model.empty()) return bad_request(url->base, "no model name given");
  Result<std::string> key = choose_key(options, *url);
  if (!key) return key.error();
  options.api_key.reset();
  http::Config config{.connect_timeout = options.connect_timeout,
                      .timeout = options.timeout,
                      .max_reply_bytes = options.max_reply_bytes,
                      .keep_connections = std::max<std::size_t>(1, options.max_parallel),
                      .bearer = *std::move(key),
                      .is_https = url->is_https,
                      .bypass_proxy = url->is_loopback};
  return std::unique_ptr<OpenAiLm>(new OpenAiLm(
      std::make_unique<const OpenAiServer>(std::move(options), *url, std::move(config))));
}

const LmInfo& OpenAiLm::info() const {
  return server_->info;
}

std::vector<Result<LmReply>> OpenAiLm::complete(std::span<const LmRequest> requests,
                                                std::stop_token stop) const {
  if (requests.empty()) return {};
  return OpenAiBatch(*server_, requests, stop).run();
}

Result<OpenAiOptions> parse_openai_spec(std::string_view spec) {
  constexpr std::string_view kScheme = "openai:";
  const std::string example =
      "; expected openai:URL#MODEL, such as openai:http://127.0.0.1:8080/v1#smollm2";
  const std::string place = "model '" + std::string(spec) + "'";
  if (!spec.starts_with(kScheme))
    return bad_request(place, "is no OpenAI-compatible server" + example);
  spec.remove_prefix(kScheme.size());
  const std::size_t hash = spec.find('#');
  if (hash == std::string_view::npos || hash + 1 == spec.size())
    return bad_request(place, "names no model" + example);
  OpenAiOptions options;
  options.base_url = std::string(spec.substr(0, hash));
  options.model = std::string(spec.substr(hash + 1));
  const Result<http::Url> url = http::parse_url(options.base_url);
  if (!url) return bad_request(place, url.error().message + example);
  return options;
}

}  // namespace hone
