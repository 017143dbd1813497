#include "hone/lm/openai.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <mutex>

#include "hone/testing/fake_clock.hpp"

#include "faulty_clock.hpp"
#include "http_test_server.hpp"
#include "requests.hpp"

namespace hone {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::SizeIs;
using tests::chat_answer;
using tests::chat_request;
using tests::error_answer;
using tests::HttpRequest;
using tests::HttpResponse;
using tests::HttpTestServer;
using tests::label_request;
using tests::text_answer;

Value json(std::string_view text) {
  return Value::parse_json(text).value();
}

class OpenAi : public ::testing::Test {
 protected:
  OpenAi() { ::unsetenv("OPENAI_API_KEY"); }
  ~OpenAi() override { ::unsetenv("OPENAI_API_KEY"); }

  OpenAiOptions options(const std::string& url) const {
    OpenAiOptions options;
    options.base_url = url;
    options.model = "tiny";
    options.retries = 3;
    options.clock = clock_;
    return options;
  }
  std::unique_ptr<OpenAiLm> open(const std::string& url) const {
    return OpenAiLm::open(options(url)).value();
  }

  std::shared_ptr<FakeClock> clock_ = std::make_shared<FakeClock>();
};

TEST_F(OpenAi, SendsMessagesAndSettingsAndCountsUsage) {
  HttpTestServer server([](const HttpRequest&) { return chat_answer(" Paris"); });
  auto given = options(server.url());
  given.api_key = "secret";
  const auto lm = OpenAiLm::open(given).value();
  LmRequest request = chat_request("Capital of \"France\"\n?");
  request.settings.temperature = 0.5;
  request.settings.top_p = 0.9;
  request.settings.presence_penalty = 0.25;
  request.settings.logit_bias = {{"7", 2}, {"word", 1}};
  request.settings.token_bias = {{42, -5}, {43, 1.5}};
  request.seed = 7;
  ReplyPlan plan = *request.reply;
  plan.stop = {"\n", "###"};
  request.reply = std::make_shared<const ReplyPlan>(plan);

  const LmReply reply = lm->complete_one(request).value();
  EXPECT_EQ(reply.text, " Paris");
  EXPECT_FALSE(reply.truncated);
  EXPECT_EQ(reply.usage.lm_calls, 1);
  EXPECT_EQ(reply.usage.prompt_tokens, 100);
  EXPECT_EQ(reply.usage.generated_tokens, 10);
  EXPECT_EQ(reply.usage.computed_tokens, 50);

  const HttpRequest sent = server.requests().at(0);
  EXPECT_EQ(sent.path, "/v1/chat/completions");
  EXPECT_EQ(sent.headers.at("authorization"), "Bearer secret");
  const Value body = sent.json();
  EXPECT_EQ(body.get("model").as_string(), "tiny");
  EXPECT_EQ(
      body.get("messages"),
      json(
          R"([{"role":"system","content":"Answer."},{"role":"user","content":"Capital of \"France\"\n?"}])"));
  EXPECT_EQ(body.get("temperature").as_double(), 0.5);
  EXPECT_EQ(body.get("top_p").as_double(), 0.9);
  EXPECT_EQ(body.get("presence_penalty").as_double(), 0.25);
  EXPECT_EQ(body.get("seed").as_int(), 7);
  EXPECT_EQ(body.get("logit_bias"), json(R"({"42":-5,"43":1.5})"));
  EXPECT_EQ(body.find("logprobs"), nullptr);
  EXPECT_EQ(body.get("stop"), json(R"(["\n","###"])"));
  EXPECT_GE(body.get("max_tokens").as_int(), 20);
  EXPECT_EQ(lm->info().identity, "openai:" + server.url() + "/v1#tiny");
}

TEST_F(OpenAi, AnotherSampleOfARequestGetsAnotherSeed) {
  HttpTestServer server([](const HttpRequest&) { return chat_answer("x"); });
  const auto lm = open(server.url());
  LmRequest request = chat_request("q");
  request.settings.temperature = 1;
  LmRequest again = request;
  again.sample = 1;
  (void)lm->complete_one(request).value();
  (void)lm->complete_one(again).value();
  EXPECT_NE(server.requests()[0].json().get("seed"), server.requests()[1].json().get("seed"));
}

TEST_F(OpenAi, AsksForLogProbabilitiesAndReadsBothForms) {
  HttpTestServer server([](const HttpRequest& request) {
    HttpResponse answer = request.path == "/v1/completions" ? text_answer(" pos itive\nText: more")
                                                            : chat_answer("Paris");
    const std::string scores =
        request.path == "/v1/completions"
            ? R"("logprobs":{"tokens":[" pos"," itive","\nText",": more"],"token_logprobs":[-0.5,-0.25,-1,-2]},)"
            : R"("logprobs":{"content":[{"token":"Par","logprob":-1.5},{"token":"is","logprob":-0.125}]},)";
    answer.body.insert(answer.body.find("\"finish_reason\""), scores);
    return answer;
  });
  const auto lm = open(server.url());
  LmRequest chat = chat_request("q");
  chat.settings.log_probs = true;
  const LmReply reply = lm->complete_one(chat).value();
  EXPECT_THAT(reply.tokens, ElementsAre(TokenScore{"Par", -1.5}, TokenScore{"is", -0.125}));
  EXPECT_EQ(reply.log_prob(), -1.625);
  EXPECT_EQ(server.requests().at(0).json().get("logprobs"), Value(true));

  // What a stop string cuts off has no score.
  LmRequest text = label_request("good");
  text.settings.log_probs = true;
  EXPECT_THAT(lm->complete_one(text).value().tokens,
              ElementsAre(TokenScore{" pos", -0.5}, TokenScore{" itive", -0.25}));
  EXPECT_EQ(server.requests().at(1).json().get("logprobs"), Value(1));
}

TEST_F(OpenAi, KeepsItsConnection) {
  HttpTestServer server([](const HttpRequest&) { return chat_answer("x"); });
  const auto lm = open(server.url());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(lm->complete_one(chat_request("q")).ok());
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(OpenAi, RunningTextContinuesAfterTheForcedPrefix) {
  HttpTestServer server([](const HttpRequest&) { return text_answer(" positive\nText: more"); });
  const auto lm = open(server.url());
  const LmReply reply = lm->complete_one(label_request("good")).value();
  const HttpRequest sent = server.requests().at(0);
  EXPECT_EQ(sent.path, "/v1/completions");
  EXPECT_EQ(sent.json().get("prompt").as_string(), "Say the label.\n\nText: good\nLabel:");
  EXPECT_EQ(reply.text, "\nLabel: positive");
  EXPECT_EQ(reply.usage.computed_tokens, 9);
}

TEST_F(OpenAi, FallsBackToChatWhereThereAreNoCompletionsAndRemembers) {
  HttpTestServer server([](const HttpRequest& request) {
    if (request.path == "/v1/completions") return error_answer(404, "no such path");
    return chat_answer(request.number < 2 ? "positive" : "Label: negative");
  });
  const auto lm = open(server.url());
  EXPECT_EQ(lm->complete_one(label_request("good")).value().text, "\nLabel:positive");
  EXPECT_EQ(lm->complete_one(label_request("bad")).value().text, "\nLabel: negative");
  const auto sent = server.requests();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[1].json().get("messages"),
            json(R"([{"role":"user","content":"Say the label.\n\nText: good\nLabel:"}])"));
  EXPECT_EQ(sent[2].path, "/v1/chat/completions");
}

TEST_F(OpenAi, AServerThatSaysNotImplementedIsNotAskedTwice) {
  HttpTestServer server([](const HttpRequest& request) {
    if (request.path == "/v1/completions") return error_answer(501, "not implemented");
    return chat_answer("positive");
  });
  const auto lm = open(server.url());
  EXPECT_EQ(lm->complete_one(label_request("good")).value().text, "\nLabel:positive");
  ASSERT_EQ(server.requests().size(), 2U);
  EXPECT_EQ(server.requests()[1].path, "/v1/chat/completions");
}

TEST_F(OpenAi, SendsTheSchemaUntilTheServerRefusesIt) {
  HttpTestServer server([](const HttpRequest& request) {
    if (request.json().find("response_format") != nullptr)
      return error_answer(400, "what is a schema?");
    return chat_answer("{}");
  });
  const auto lm = open(server.url());
  LmRequest request = chat_request("q");
  ReplyPlan plan = *request.reply;
  plan.json_schema = Value::object({{"type", "object"}});
  request.reply = std::make_shared<const ReplyPlan>(plan);
  EXPECT_TRUE(lm->complete_one(request).ok());
  EXPECT_TRUE(lm->complete_one(request).ok());
  const auto sent = server.requests();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(
      sent[0].json().get("response_format"),
      json(R"({"type":"json_schema","json_schema":{"name":"reply","schema":{"type":"object"}}})"));
  EXPECT_TRUE(clock_->sleeps().empty());
}

TEST_F(OpenAi, LearnsTheNewerNameOfTheTokenLimit) {
  HttpTestServer server([](const HttpRequest& request) {
    if (request.json().find("max_tokens") != nullptr) {
      return error_answer(400, "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens'");
    }
    return chat_answer("x");
  });
  const auto lm = open(server.url());
  EXPECT_TRUE(lm->complete_one(chat_request("a")).ok());
  EXPECT_TRUE(lm->complete_one(chat_request("b")).ok());
  EXPECT_EQ(server.request_count(), 3U);
}

TEST_F(OpenAi, RetriesABurstOf503WithJitteredBackoff) {
  HttpTestServer server([](const HttpRequest& request) {
    return request.number < 3 ? error_answer(503, "busy") : chat_answer("x");
  });
  const auto lm = open(server.url());
  EXPECT_TRUE(lm->complete_one(chat_request("q")).ok());
  EXPECT_EQ(server.request_count(), 4U);
  // The request says how long each wait is; one may be none at all.
  EXPECT_THAT(clock_->sleeps(), SizeIs(AllOf(Ge(1U), Le(3U))));
  EXPECT_LE(clock_->slept(), milliseconds(500 + 1000 + 2000));
}

TEST_F(OpenAi, GivesUpAfterItsRetriesWithTheServersWords) {
  HttpTestServer server(
      [](const HttpRequest&) { return error_answer(503, "all slots are taken"); });
  const Error error = open(server.url())->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::temporary);
  EXPECT_THAT(error.text(), AllOf(HasSubstr(server.url()), HasSubstr("all slots are taken"),
                                  HasSubstr("4 tries")));
  EXPECT_EQ(server.request_count(), 4U);
}

TEST_F(OpenAi, WaitsAsLongAsRetryAfterSaysInSeconds) {
  HttpTestServer server([](const HttpRequest& request) {
    return request.number == 0 ? error_answer(429, "slow down", {"Retry-After: 17"})
                               : chat_answer("x");
  });
  EXPECT_TRUE(open(server.url())->complete_one(chat_request("q")).ok());
  EXPECT_THAT(clock_->slept(), AllOf(Ge(seconds(17)), Le(milliseconds(17'500))));
}

TEST_F(OpenAi, WaitsUntilTheDateInRetryAfter) {
  HttpTestServer server([](const HttpRequest& request) {
    if (request.number > 0) return chat_answer("x");
    const std::time_t later = std::time(nullptr) + 60;
    std::tm parts{};
    ::gmtime_r(&later, &parts);
    char date[64];
    std::strftime(date, sizeof date, "Retry-After: %a, %d %b %Y %H:%M:%S GMT", &parts);
    return error_answer(503, "maintenance", {date});
  });
  EXPECT_TRUE(open(server.url())->complete_one(chat_request("q")).ok());
  EXPECT_THAT(clock_->slept(), AllOf(Ge(seconds(45)), Le(seconds(61))));
}

TEST_F(OpenAi, ADateInRetryAfterThatIsOverLeavesTheBackoffAlone) {
  HttpTestServer server([](const HttpRequest&) {
    return error_answer(503, "busy", {"Retry-After: Fri, 01 Jan 2021 00:00:00 GMT"});
  });
  EXPECT_FALSE(open(server.url())->complete_one(chat_request("q")).ok());
  EXPECT_EQ(server.request_count(), 4U);
  // The jitter, which depends on the port, may make one of the waits nothing.
  EXPECT_GT(clock_->slept(), Clock::Duration::zero());
}

TEST_F(OpenAi, ARetryAfterBeyondAnyClockIsLong) {
  HttpTestServer server([](const HttpRequest&) {
    return error_answer(429, "quota", {"Retry-After: 9223372036854775807"});
  });
  const Error error = open(server.url())->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::temporary);
  EXPECT_THAT(error.text(), HasSubstr("it asks to wait "));
  EXPECT_EQ(server.request_count(), 1U);
}

TEST_F(OpenAi, DoesNotWaitForHours) {
  HttpTestServer server(
      [](const HttpRequest&) { return error_answer(429, "quota", {"Retry-After: 7200"}); });
  const Error error = open(server.url())->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::temporary);
  EXPECT_THAT(error.text(), HasSubstr("7200 s"));
  EXPECT_EQ(server.request_count(), 1U);
}

TEST_F(OpenAi, RetriesAConnectionCutInTheMiddleOfAnAnswer) {
  HttpTestServer server([](const HttpRequest& request) {
    HttpResponse response = chat_answer("whole");
    response.cut = request.number == 0;
    response.hang_up = request.number == 1;
    return response;
  });
  EXPECT_EQ(open(server.url())->complete_one(chat_request("q")).value().text, "whole");
  EXPECT_GE(server.request_count(), 3U);
}

TEST_F(OpenAi, NamesTheServerThatRefusesConnections) {
  const std::string url = tests::refused_url();
  const Error error = open(url)->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::temporary);
  EXPECT_THAT(error.text(),
              AllOf(HasSubstr(url), HasSubstr("no answer from the server"), HasSubstr("4 tries")));
  // At most one wait before each further try; the jitter, which depends on the port, may make one
  // of them nothing.
  EXPECT_LE(clock_->sleeps().size(), 3U);
  EXPECT_GT(clock_->slept(), Clock::Duration::zero());
}

TEST_F(OpenAi, SaysThatTheKeyIsRefusedWithoutShowingIt) {
  HttpTestServer server([](const HttpRequest&) { return error_answer(401, "invalid api key"); });
  auto given = options(server.url());
  given.api_key = "sk-very-secret";
  const Error error = OpenAiLm::open(given).value()->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::bad_request);
  EXPECT_THAT(error.text(),
              AllOf(HasSubstr("key"), HasSubstr("invalid api key"), Not(HasSubstr("secret"))));
  EXPECT_EQ(server.request_count(), 1U);
}

TEST_F(OpenAi, PassesOnWhyARequestIsRefused) {
  HttpTestServer server(
      [](const HttpRequest&) { return error_answer(404, "model 'tiny' not found"); });
  const Error error = open(server.url())->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::bad_request);
  EXPECT_THAT(error.text(), HasSubstr("model 'tiny' not found"));
}

// They say something about the server, and nothing about the program that asked.
TEST_F(OpenAi, AnswersThatAreNoCompletionAreTheServersFault) {
  const std::vector<std::string> bodies = {"<html>", "{}", R"({"choices":[]})",
                                           R"({"error":{"message":"out of memory"}})"};
  HttpTestServer server(
      [&](const HttpRequest& request) { return HttpResponse{.body = bodies[request.number]}; });
  const auto lm = open(server.url());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const Result<LmReply> reply = lm->complete_one(chat_request("q"));
    ASSERT_FALSE(reply.ok()) << bodies[i];
    EXPECT_EQ(reply.error().kind, ErrorKind::temporary) << bodies[i];
    EXPECT_THAT(reply.error().text(), HasSubstr("OpenAI-compatible"));
  }
}

TEST_F(OpenAi, ACompletionWithoutTextIsABadReply) {
  HttpTestServer server([](const HttpRequest&) {
    return HttpResponse{.body = R"({"choices":[{"message":{"content":null}}]})"};
  });
  EXPECT_EQ(open(server.url())->complete_one(chat_request("q")).error().kind, ErrorKind::bad_reply);
}

TEST_F(OpenAi, CountsThatMakeNoSenseAreLeftOut) {
  HttpTestServer server([](const HttpRequest&) {
    return HttpResponse{.body = R"({"choices":[{"message":{"content":"x"}}],)"
                                R"("usage":{"prompt_tokens":-5,"completion_tokens":1e300}})"};
  });
  const Result<LmReply> reply = open(server.url())->complete_one(chat_request("q"));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->usage.prompt_tokens, 0);
  EXPECT_EQ(reply->usage.generated_tokens, 0);
}

TEST_F(OpenAi, BoundsTheSizeOfAnAnswer) {
  HttpTestServer server([](const HttpRequest&) { return chat_answer(std::string(100'000, 'x')); });
  auto given = options(server.url());
  given.max_reply_bytes = 10'000;
  const Error error = OpenAiLm::open(given).value()->complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::bad_reply);
  EXPECT_THAT(error.text(), HasSubstr("10000 bytes"));
}

TEST_F(OpenAi, MarksAReplyThatHitItsLimit) {
  HttpTestServer server([](const HttpRequest&) { return chat_answer("long", "length"); });
  EXPECT_TRUE(open(server.url())->complete_one(chat_request("q")).value().truncated);
}

TEST_F(OpenAi, ABatchRunsInParallelUpToItsLimitAndKeepsItsOrder) {
  tests::Gate gate;
  HttpTestServer server([&](const HttpRequest& request) {
    if (request.number == 3) gate.open();
    gate.wait();
    return chat_answer(request.json().get("messages").as_list()[1].get("content").as_string());
  });
  auto given = options(server.url());
  given.max_parallel = 4;
  const auto lm = OpenAiLm::open(given).value();
  std::vector<LmRequest> batch;
  for (int i = 0; i < 20; ++i) batch.push_back(chat_request(std::to_string(i)));
  const auto replies = lm->complete(batch, {});
  ASSERT_EQ(replies.size(), 20U);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(replies[i].value().text, std::to_string(i));
  EXPECT_EQ(server.most_at_once(), 4U);
  EXPECT_EQ(server.connections(), 4U);
}

TEST_F(OpenAi, OneFailureOfABatchLeavesTheOthersAlone) {
  HttpTestServer server([](const HttpRequest& request) {
    return request.body.find("poison") != std::string::npos ? error_answer(400, "no")
                                                            : chat_answer("x");
  });
  const std::vector<LmRequest> batch = {chat_request("a"), chat_request("poison"),
                                        chat_request("b")};
  const auto replies = open(server.url())->complete(batch, {});
  EXPECT_TRUE(replies[0].ok());
  EXPECT_EQ(replies[1].error().kind, ErrorKind::bad_request);
  EXPECT_TRUE(replies[2].ok());
}

TEST_F(OpenAi, AStopCutsTransfersShort) {
  tests::Gate gate;
  HttpTestServer server([&](const HttpRequest&) {
    gate.wait();
    return chat_answer("x");
  });
  const auto lm = open(server.url());
  std::stop_source source;
  std::vector<Result<LmReply>> replies;
  std::jthread caller([&] {
    const std::vector<LmRequest> batch = {chat_request("a"), chat_request("b")};
    replies = lm->complete(batch, source.get_token());
  });
  EXPECT_TRUE(server.wait_for_requests(1));
  source.request_stop();
  caller.join();
  gate.open();
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[0].error().kind, ErrorKind::stopped);
  EXPECT_EQ(replies[1].error().kind, ErrorKind::stopped);
}

TEST_F(OpenAi, AWithdrawnRequestIsCutAloneInFlightAndWaiting) {
  tests::Gate gate;
  HttpTestServer server([&](const HttpRequest& request) {
    if (request.body.find("slow") == std::string::npos) return chat_answer("x");
    gate.wait();
    return chat_answer("y");
  });
  auto given = options(server.url());
  given.max_parallel = 2;
  const auto lm = OpenAiLm::open(given).value();
  std::stop_source source;
  std::vector<LmRequest> batch = {chat_request("slow"), chat_request("a"), chat_request("b"),
                                  chat_request("slow too")};
  batch[0].stop = batch[3].stop = source.get_token();
  std::jthread withdrawing([&] {
    EXPECT_TRUE(server.wait_for_requests(3));
    source.request_stop();
  });
  const auto replies = lm->complete(batch, {});
  withdrawing.join();
  gate.open();
  EXPECT_EQ(replies[0].error().kind, ErrorKind::stopped);
  EXPECT_TRUE(replies[1].ok());
  EXPECT_TRUE(replies[2].ok());
  EXPECT_EQ(replies[3].error().kind, ErrorKind::stopped);
}

TEST_F(OpenAi, ACallThatThrowsCutsItsTransfers) {
  tests::Gate begun;
  tests::Gate gate;
  HttpTestServer server([&](const HttpRequest& request) {
    const std::string text = request.json().get("messages").as_list()[1].get("content").as_string();
    if (text == "slow") {
      begun.open();
      gate.wait();
    } else {
      begun.wait();
    }
    return chat_answer(text);
  });
  const auto clock = std::make_shared<tests::FaultyClock>();
  auto given = options(server.url());
  given.clock = clock;
  const auto lm = OpenAiLm::open(given).value();
  {
    const std::vector<LmRequest> batch = {chat_request("fast"), chat_request("slow")};
    // It looks at the time when it begins, and when the first answer comes.
    clock->fail_at(2);
    EXPECT_THROW((void)lm->complete(batch, {}), std::bad_alloc);
  }
  gate.open();
  const std::vector<LmRequest> batch = {chat_request("a"), chat_request("b")};
  const auto replies = lm->complete(batch, {});
  EXPECT_EQ(replies[0].value().text, "a");
  EXPECT_EQ(replies[1].value().text, "b");
}

TEST_F(OpenAi, AStopEndsTheWaitBetweenTries) {
  HttpTestServer server(
      [](const HttpRequest&) { return error_answer(503, "busy", {"Retry-After: 100"}); });
  auto given = options(server.url());
  given.clock = nullptr;
  const auto lm = OpenAiLm::open(given).value();
  std::stop_source source;
  std::jthread stopper([&] {
    EXPECT_TRUE(server.wait_for_requests(1));
    source.request_stop();
  });
  EXPECT_EQ(lm->complete_one(chat_request("q"), source.get_token()).error().kind,
            ErrorKind::stopped);
}

TEST_F(OpenAi, ManyThreadsShareAClientConcurrently) {
  HttpTestServer server([](const HttpRequest& request) {
    return chat_answer(request.json().get("messages").as_list()[1].get("content").as_string());
  });
  const auto lm = open(server.url());
  std::vector<std::jthread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string text = std::to_string(t * 100 + i);
        if (lm->complete_one(chat_request(text)).value().text == text) ++right;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 160);
  EXPECT_LE(server.connections(), 8U);
}

TEST_F(OpenAi, AnHttpsServerElsewhereNeedsAKey) {
  const auto refused = OpenAiLm::open(options("https://models.invalid/v1"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_request);
  EXPECT_THAT(refused.error().text(), AllOf(HasSubstr("key missing"), HasSubstr("OPENAI_API_KEY")));
  ::setenv("OPENAI_API_KEY", "from-environment", 1);
  EXPECT_TRUE(OpenAiLm::open(options("https://models.invalid/v1")).ok());
}

TEST_F(OpenAi, OnlyAnAddressOfThisMachineNeedsNoKey) {
  for (const char* url : {"https://127.0.0.1:8080", "https://127.8.9.10/v1", "https://localhost",
                          "https://[::1]:8080/v1"})
    EXPECT_TRUE(OpenAiLm::open(options(url)).ok()) << url;
  for (const char* url : {"https://127.evil.example/v1", "https://127.0.0.1.nip.io",
                          "https://localhost.example", "https://128.0.0.1"})
    EXPECT_FALSE(OpenAiLm::open(options(url)).ok()) << url;
}

TEST_F(OpenAi, TheKeyOfTheEnvironmentGoesToThisMachine) {
  ::setenv("OPENAI_API_KEY", "from-environment", 1);
  HttpTestServer server([](const HttpRequest&) { return chat_answer("x"); });
  EXPECT_TRUE(open(server.url())->complete_one(chat_request("q")).ok());
  EXPECT_EQ(server.requests()[0].headers.at("authorization"), "Bearer from-environment");
}

TEST_F(OpenAi, PlainBytesOnATlsPortAreNoAnswer) {
  HttpTestServer server([](const HttpRequest&) { return chat_answer("x"); });
  std::string url = server.url();
  url.replace(0, 4, "https");
  auto given = options(url);
  given.retries = 0;
  EXPECT_FALSE(OpenAiLm::open(given).value()->complete_one(chat_request("q")).ok());
}

TEST_F(OpenAi, ReadsItsTextForm) {
  const OpenAiOptions options =
      parse_openai_spec("openai:http://127.0.0.1:8080/v1#org/model:tag#2").value();
  EXPECT_EQ(options.base_url, "http://127.0.0.1:8080/v1");
  EXPECT_EQ(options.model, "org/model:tag#2");
  for (const char* spec :
       {"openai:", "openai:http://h", "openai:http://h#", "openai:#m", "openai:ftp://h#m",
        "openai:localhost:80#m", "smollm2", "openai:http://user:pass@h#m"}) {
    const auto parsed = parse_openai_spec(spec);
    ASSERT_FALSE(parsed.ok()) << spec;
    EXPECT_EQ(parsed.error().kind, ErrorKind::bad_request) << spec;
    EXPECT_THAT(parsed.error().text(), HasSubstr("openai:URL#MODEL")) << spec;
  }
}

}  // namespace
}  // namespace hone
