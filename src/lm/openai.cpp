#include "hone/lm/openai.hpp"

#include <atomic>
#include <utility>

#include "hone/base/clock.hpp"

#include "exchange.hpp"
#include "http.hpp"
#include "openai_connection.hpp"
#include "openai_wire.hpp"

namespace hone {

// The server as one client sees it.
struct OpenAiServer {
  explicit OpenAiServer(std::unique_ptr<const OpenAiConnection> opened)
      : connection(std::move(opened)),
        chat_url(connection->where + "/chat/completions"),
        text_url(connection->where + "/completions") {
    info.identity = connection->identity;
  }

  std::unique_ptr<const OpenAiConnection> connection;
  std::string chat_url;
  std::string text_url;
  LmInfo info;
  // What the server turned out not to know; learned from its first refusal so that later calls save
  // the round trip.
  mutable std::atomic<bool> lacks_completions{false};
  mutable std::atomic<bool> lacks_json_schema{false};
  mutable std::atomic<bool> wants_max_completion_tokens{false};
};

namespace {

// One complete(): each request in the dialect its server turned out to speak.
class OpenAiBatch final : public http::Poster {
 public:
  OpenAiBatch(const OpenAiServer& lm, std::span<const LmRequest> requests);
  std::vector<Result<LmReply>> run(const std::stop_token& stop);

  Post post(std::size_t index, std::size_t tries) override;
  Hash identity(std::size_t index) const override {
    return request_key(lm_.info, requests_[index]);
  }
  std::stop_token withdrawal(std::size_t index) const override { return requests_[index].stop; }
  void take(std::size_t index, const std::string& body) override;
  bool has_other_form(std::size_t index, const http::Answer& answer) override;
  void fail(std::size_t index, Error error) override {
    results_[index] = Result<LmReply>(std::move(error));
  }

 private:
  struct Job {
    wire::Dialect dialect;
    std::string body;
  };

  void learn(const LmRequest& request, const wire::Dialect& dialect) const;

  const OpenAiServer& lm_;
  std::span<const LmRequest> requests_;
  Clock::TimePoint begun_;
  std::vector<Job> jobs_;
  std::vector<std::optional<Result<LmReply>>> results_;
};

OpenAiBatch::OpenAiBatch(const OpenAiServer& lm, std::span<const LmRequest> requests)
    : lm_(lm),
      requests_(requests),
      begun_(lm.connection->options.clock->now()),
      jobs_(requests.size()),
      results_(requests.size()) {}

std::vector<Result<LmReply>> OpenAiBatch::run(const std::stop_token& stop) {
  http::Exchange(lm_.connection->pool, lm_.connection->retries, *lm_.connection->options.clock,
                 lm_.connection->where, *this, requests_.size())
      .run(stop);
  std::vector<Result<LmReply>> results;
  results.reserve(results_.size());
  for (std::optional<Result<LmReply>>& result : results_) {
    if (result) {
      results.push_back(*std::move(result));
    } else {
      results.emplace_back(stopped(lm_.connection->where, "the call was stopped"));
    }
  }
  return results;
}

http::Poster::Post OpenAiBatch::post(std::size_t index, std::size_t tries) {
  const LmRequest& request = requests_[index];
  Job& job = jobs_[index];
  if (job.body.empty()) {
    job.dialect.completions = job.dialect.completions || (tries == 0 && request.prompt.is_text());
    if (lm_.lacks_completions.load(std::memory_order_relaxed)) job.dialect.completions = false;
    if (lm_.lacks_json_schema.load(std::memory_order_relaxed)) job.dialect.json_schema = false;
    if (lm_.wants_max_completion_tokens.load(std::memory_order_relaxed))
      job.dialect.max_completion_tokens = true;
    job.body = wire::request_body(request, lm_.connection->options.model, job.dialect);
  }
  return {job.dialect.completions ? lm_.text_url : lm_.chat_url, job.body};
}

void OpenAiBatch::take(std::size_t index, const std::string& body) {
  const LmRequest& request = requests_[index];
  Job& job = jobs_[index];
  Result<LmReply> reply = wire::parse_reply(body, request, job.dialect, lm_.connection->where);
  if (reply) {
    learn(request, job.dialect);
    reply->usage.seconds =
        std::chrono::duration<double>(lm_.connection->options.clock->now() - begun_).count();
  }
  results_[index] = std::move(reply);
  job.body = {};
}

// A server that does not know a part of the interface says so with a 4xx; the request goes out
// again without it.
bool OpenAiBatch::has_other_form(std::size_t index, const http::Answer& answer) {
  const LmRequest& request = requests_[index];
  Job& job = jobs_[index];
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
  return true;
}

// Only a success without a part proves that the part was what the server minded.
void OpenAiBatch::learn(const LmRequest& request, const wire::Dialect& dialect) const {
  if (request.prompt.is_text() && !dialect.completions)
    lm_.lacks_completions.store(true, std::memory_order_relaxed);
  if (!dialect.json_schema) lm_.lacks_json_schema.store(true, std::memory_order_relaxed);
  if (dialect.max_completion_tokens)
    lm_.wants_max_completion_tokens.store(true, std::memory_order_relaxed);
}

}  // namespace

OpenAiLm::OpenAiLm(std::unique_ptr<const OpenAiServer> server) : server_(std::move(server)) {}
OpenAiLm::~OpenAiLm() = default;

Result<std::unique_ptr<OpenAiLm>> OpenAiLm::open(OpenAiOptions options) {
  Result<std::unique_ptr<const OpenAiConnection>> connection =
      OpenAiConnection::open(std::move(options));
  if (!connection) return connection.error();
  return std::unique_ptr<OpenAiLm>(
      new OpenAiLm(std::make_unique<const OpenAiServer>(*std::move(connection))));
}

const LmInfo& OpenAiLm::info() const {
  return server_->info;
}

std::vector<Result<LmReply>> OpenAiLm::complete(std::span<const LmRequest> requests,
                                                std::stop_token stop) const {
  if (requests.empty()) return {};
  return OpenAiBatch(*server_, requests).run(stop);
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
