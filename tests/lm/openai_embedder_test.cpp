#include "hone/lm/openai_embedder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "hone/testing/fake_clock.hpp"

#include "http_test_server.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;
using tests::error_answer;
using tests::HttpRequest;
using tests::HttpResponse;
using tests::HttpTestServer;

// The point of "n" is (n, 1), answered in reverse order.
HttpResponse points_answer(const HttpRequest& request) {
  const Value input = request.json().get("input");
  Value::List data;
  for (std::size_t i = input.size(); i-- > 0;) {
    const double number = std::stod(input.as_list()[i].as_string());
    data.push_back(Value::object({{"index", i}, {"embedding", Value::numbers({number, 1})}}));
  }
  return {.body = Value::object({{"data", Value(std::move(data))}}).to_json()};
}

class OpenAiEmbedding : public ::testing::Test {
 protected:
  OpenAiEmbedding() { ::unsetenv("OPENAI_API_KEY"); }
  std::unique_ptr<OpenAiEmbedder> open(const std::string& url) const {
    OpenAiOptions options;
    options.base_url = url;
    options.model = "points";
    options.retries = 2;
    options.clock = clock_;
    return OpenAiEmbedder::open(options).value();
  }
  std::shared_ptr<FakeClock> clock_ = std::make_shared<FakeClock>();
};

std::vector<std::string> numbers(std::size_t count) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back(std::to_string(i));
  return texts;
}

TEST_F(OpenAiEmbedding, GivesUnitPointsInTheOrderOfTheTexts) {
  HttpTestServer server(points_answer);
  const auto embedder = open(server.url());
  EXPECT_EQ(embedder->identity(), "openai:" + server.url() + "/v1#points:embedding");
  const std::vector<std::string> texts = {"0", "3", "0.75"};
  const std::vector<Embedding> points = embedder->embed(texts, {}).value();
  ASSERT_EQ(points.size(), 3U);
  EXPECT_NEAR(points[0][0], 0, 1e-6);
  EXPECT_NEAR(points[1][0], 0.948683, 1e-5);
  EXPECT_NEAR(points[2][1], 0.8, 1e-6);
  const HttpRequest sent = server.requests().at(0);
  EXPECT_EQ(sent.path, "/v1/embeddings");
  EXPECT_EQ(sent.json().get("model").as_string(), "points");
}

TEST_F(OpenAiEmbedding, CutsManyTextsIntoSeveralPosts) {
  HttpTestServer server(points_answer);
  const std::vector<Embedding> points = open(server.url())->embed(numbers(150), {}).value();
  ASSERT_EQ(points.size(), 150U);
  EXPECT_EQ(server.request_count(), 3U);
  for (std::size_t i = 1; i < points.size(); ++i) EXPECT_GT(points[i][0], points[i - 1][0]);
  EXPECT_TRUE(open(server.url())->embed({}, {}).value().empty());
}

TEST_F(OpenAiEmbedding, TriesAgainAndGivesUp) {
  HttpTestServer once([](const HttpRequest& request) {
    return request.number == 0 ? error_answer(503, "warming up") : points_answer(request);
  });
  EXPECT_TRUE(open(once.url())->embed(numbers(1), {}));
  HttpTestServer never([](const HttpRequest&) { return error_answer(503, "warming up"); });
  const auto failed = open(never.url())->embed(numbers(1), {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::temporary);
  EXPECT_EQ(never.request_count(), 3U);
}

TEST_F(OpenAiEmbedding, RefusalsAndOddAnswersAreErrors) {
  const std::vector<std::string> odd = {"no json",
                                        "{}",
                                        R"({"data":[]})",
                                        R"({"data":[{"index":4,"embedding":[1]}]})",
                                        R"({"data":[{"index":0,"embedding":["x"]}]})",
                                        R"({"data":[{"index":0,"embedding":[]}]})"};
  for (const std::string& body : odd) {
    HttpTestServer server([&](const HttpRequest&) { return HttpResponse{.body = body}; });
    const auto failed = open(server.url())->embed(numbers(1), {});
    ASSERT_FALSE(failed) << body;
    EXPECT_EQ(failed.error().kind, ErrorKind::temporary);
    EXPECT_THAT(failed.error().text(), HasSubstr("embedding"));
  }
  HttpTestServer server([](const HttpRequest&) { return error_answer(404, "no such model"); });
  const auto refused = open(server.url())->embed(numbers(1), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_request);
  EXPECT_THAT(refused.error().text(), HasSubstr("no such model"));
}

TEST_F(OpenAiEmbedding, PointsWithoutADirectionAreBadReplies) {
  for (const char* numbers : {"[0, 0]", "[1e300, 1]", "[null, 1]"}) {
    HttpTestServer server([&](const HttpRequest&) {
      return HttpResponse{.body = R"({"data":[{"index":1,"embedding":)" + std::string(numbers) +
                                  R"(},{"index":0,"embedding":[1, 0]}]})"};
    });
    const std::vector<std::string> texts = {"good", "My invoice is wrong"};
    const auto failed = open(server.url())->embed(texts, {});
    ASSERT_FALSE(failed) << numbers;
    EXPECT_EQ(failed.error().kind, ErrorKind::bad_reply) << numbers;
    EXPECT_THAT(failed.error().text(), HasSubstr("\"My invoice is wrong\""));
  }
}

TEST_F(OpenAiEmbedding, StopsWhenAsked) {
  HttpTestServer server(points_answer);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = open(server.url())->embed(numbers(1), stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::stopped);
}

}  // namespace
}  // namespace hone
