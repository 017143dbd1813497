#include "hone/lm/openai_embedder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "hone/core/value.hpp"

#include "exchange.hpp"
#include "openai_connection.hpp"

namespace hone {

struct OpenAiEmbedder::Server {
  explicit Server(std::unique_ptr<const OpenAiConnection> opened)
      : connection(std::move(opened)),
        url(connection->where + "/embeddings"),
        identity(connection->identity + ":embedding") {}

  std::unique_ptr<const OpenAiConnection> connection;
  std::string url;
  std::string identity;
};

namespace {

constexpr std::size_t kTextsOfAPost = 64;

// JSON has no word for a number that is none: some servers write null.
float float_of(const Value& number) {
  const double x = number.is_null() ? std::numeric_limits<double>::quiet_NaN() : number.as_double();
  const bool fits = std::abs(x) <= static_cast<double>(std::numeric_limits<float>::max());
  return fits ? static_cast<float>(x) : std::numeric_limits<float>::quiet_NaN();
}

Result<std::vector<Embedding>> parse_points(const std::string& body,
                                            std::span<const std::string> asked,
                                            const std::string& where) {
  const std::size_t texts = asked.size();
  const Error fault = temporary(where, "answered with no list of " + std::to_string(texts) +
                                           (texts == 1 ? " embedding" : " embeddings"));
  const Result<Value> json = Value::parse_json(body, where);
  if (!json) return fault;
  const Value data = json->get("data");
  if (!data.is_list() || data.size() != texts) return fault;
  std::vector<Embedding> points(texts);
  for (std::size_t i = 0; i < texts; ++i) {
    const Value& entry = data.as_list()[i];
    const Value place = entry.get("index");
    const Value numbers = entry.get("embedding");
    const std::int64_t at = place.is_int() ? place.as_int() : static_cast<std::int64_t>(i);
    if (!numbers.is_list() || numbers.size() == 0 || at < 0 ||
        static_cast<std::size_t>(at) >= texts)
      return fault;
    Embedding& point = points[static_cast<std::size_t>(at)];
    for (const Value& number : numbers.as_list()) {
      if (!number.is_number() && !number.is_null()) return fault;
      point.push_back(float_of(number));
    }
    const std::string& text = asked[static_cast<std::size_t>(at)];
    if (Result<void> sound = normalize(point, text, where); !sound) return sound.error();
  }
  const bool is_even = std::ranges::all_of(points, [&](const Embedding& point) {
    return !point.empty() && point.size() == points.front().size();
  });
  if (!is_even) return fault;
  return points;
}

class EmbeddingBatch final : public http::Poster {
 public:
  EmbeddingBatch(const OpenAiConnection& connection, const std::string& url,
                 std::span<const std::string> texts)
      : connection_(connection), url_(url) {
    for (std::size_t start = 0; start < texts.size(); start += kTextsOfAPost) {
      const auto part = texts.subspan(start, std::min(kTextsOfAPost, texts.size() - start));
      const Value body =
          Value::object({{"model", connection.options.model},
                         {"input", Value::list(Value::List(part.begin(), part.end()))}});
      bodies_.push_back(body.to_json());
      texts_.push_back(part);
    }
    parts_.resize(bodies_.size());
  }

  Result<std::vector<Embedding>> run(const std::stop_token& stop) {
    http::Exchange(connection_.pool, connection_.retries, *connection_.options.clock,
                   connection_.where, *this, bodies_.size())
        .run(stop);
    std::vector<Embedding> points;
    for (std::optional<Result<std::vector<Embedding>>>& part : parts_) {
      if (!part) return stopped(connection_.where, "the call was stopped");
      if (!*part) return part->error();
      std::move((*part)->begin(), (*part)->end(), std::back_inserter(points));
    }
    const auto odd = std::ranges::find_if(
        points, [&](const Embedding& point) { return point.size() != points.front().size(); });
    if (odd != points.end())
      return temporary(connection_.where, "answered with embeddings of different dimensions");
    return points;
  }

  Post post(std::size_t index, std::size_t) override { return {url_, bodies_[index]}; }
  Hash identity(std::size_t index) const override { return hash_of(bodies_[index]); }
  void take(std::size_t index, const std::string& body) override {
    parts_[index] = parse_points(body, texts_[index], connection_.where);
  }
  bool has_other_form(std::size_t, const http::Answer&) override { return false; }
  void fail(std::size_t index, Error error) override {
    parts_[index] = Result<std::vector<Embedding>>(std::move(error));
  }

 private:
  const OpenAiConnection& connection_;
  const std::string& url_;
  std::vector<std::string> bodies_;
  std::vector<std::span<const std::string>> texts_;  // of each post
  std::vector<std::optional<Result<std::vector<Embedding>>>> parts_;
};

}  // namespace

OpenAiEmbedder::OpenAiEmbedder(std::unique_ptr<const Server> server) : server_(std::move(server)) {}
OpenAiEmbedder::~OpenAiEmbedder() = default;

Result<std::unique_ptr<OpenAiEmbedder>> OpenAiEmbedder::open(OpenAiOptions options) {
  Result<std::unique_ptr<const OpenAiConnection>> connection =
      OpenAiConnection::open(std::move(options));
  if (!connection) return connection.error();
  return std::unique_ptr<OpenAiEmbedder>(
      new OpenAiEmbedder(std::make_unique<const Server>(*std::move(connection))));
}

const std::string& OpenAiEmbedder::identity() const {
  return server_->identity;
}

Result<std::vector<Embedding>> OpenAiEmbedder::embed(std::span<const std::string> texts,
                                                     std::stop_token stop) const {
  if (texts.empty()) return std::vector<Embedding>();
  return EmbeddingBatch(*server_->connection, server_->url, texts).run(stop);
}

}  // namespace hone
