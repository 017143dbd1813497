#include "hone/core/example.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace hone {
namespace {

LoadOptions typed(const char* signature) {
  return {.signature = Signature::parse(signature).value(), .limit = {}};
}

Error fault_of(const char* text, DataFormat format, const LoadOptions& options = {}) {
  const Result<Examples> examples = parse_examples(text, format, "data", options);
  EXPECT_FALSE(examples) << text;
  return examples ? Error{} : examples.error();
}

TEST(ExampleJsonl, ReadsObjectsAndSkipsBlankLines) {
  const Examples examples =
      parse_examples("\xEF\xBB\xBF{\"a\": 1}\r\n\n  {\"a\": 2}", DataFormat::jsonl, "data").value();
  ASSERT_EQ(examples.size(), 2U);
  EXPECT_EQ(examples[1].get("a"), Value(2));
}

TEST(ExampleJsonl, FaultsNameTheLine) {
  EXPECT_EQ(fault_of("{\"a\": 1}\n\n{\"a\":", DataFormat::jsonl).where, "data:3");
  EXPECT_EQ(fault_of("{\"a\": 1}\n[1]", DataFormat::jsonl).text(),
            "data:2: expected an object, got [1]");
  EXPECT_EQ(fault_of("\n \n", DataFormat::jsonl).text(), "data: holds no examples");
}

TEST(ExampleJsonl, EveryFieldOfTheSignatureMustBeThere) {
  const Error fault = fault_of("{\"text\": \"x\", \"lable\": \"good\"}", DataFormat::jsonl,
                               typed("text -> label: enum(good, bad)"));
  EXPECT_EQ(fault.text(), "data:1: field 'label' is missing (there: text, lable)");
}

TEST(ExampleJsonl, LabelsOutsideTheEnumAreNamed) {
  const Error fault =
      fault_of("{\"text\": \"x\", \"label\": \"good\"}\n{\"text\": \"y\", \"label\": \"baad\"}",
               DataFormat::jsonl, typed("text -> label: enum(good, bad)"));
  EXPECT_EQ(fault.text(), "data:2: label: 'baad' is not one of good, bad; did you mean bad?");
}

TEST(ExampleJsonl, ReadsTextAsTheSignaturesTypes) {
  const Examples examples =
      parse_examples(R"({"n": "12", "x": "0.5", "b": "Yes", "l": "[1, 2]", "e": 7, "o": ""})",
                     DataFormat::jsonl, "data",
                     typed("n: int, x: float, b: bool, l: list[int], o: int? -> e: enum(7, 8)"))
          .value();
  EXPECT_EQ(examples[0].fields().to_json(),
            R"({"n": 12, "x": 0.5, "b": true, "l": [1, 2], "e": "7", "o": null})");
}

TEST(ExampleCsv, WordsForNoNumberAreAFault) {
  for (const char* word : {"nan", "inf", "-infinity"}) {
    const Error fault = fault_of(("text,share\nx," + std::string(word) + "\n").c_str(),
                                 DataFormat::csv, typed("text -> share: float"));
    EXPECT_NE(fault.text().find("expected float"), std::string::npos) << fault.text();
  }
}

TEST(ExampleJsonl, LimitStopsBeforeLaterFaults) {
  LoadOptions options;
  options.limit = 1;
  EXPECT_EQ(
      parse_examples("{\"a\": 1}\nnot json", DataFormat::jsonl, "data", options).value().size(),
      1U);
}

TEST(ExampleCsv, ReadsQuotesAndLineBreaks) {
  const Examples examples = parse_examples("text, label\n\"a, \"\"b\"\"\nc\",good\r\nplain,bad\n",
                                           DataFormat::csv, "data")
                                .value();
  ASSERT_EQ(examples.size(), 2U);
  EXPECT_EQ(examples[0].get("text"), Value("a, \"b\"\nc"));
  EXPECT_EQ(examples[1].get("label"), Value("bad"));
}

TEST(ExampleCsv, FaultsNameTheLine) {
  EXPECT_EQ(fault_of("a,b\n1,2\n1\n", DataFormat::csv).text(),
            "data:3: has 1 cells, the header has 2");
  EXPECT_EQ(fault_of("a\n\"x\ny\"\n1,2\n", DataFormat::csv).where, "data:4");
  EXPECT_EQ(fault_of("a\n\"open", DataFormat::csv).text(), "data:2: a quote is never closed");
  EXPECT_EQ(fault_of("a,b\n", DataFormat::csv).message, "holds no examples");
}

TEST(ExampleCsv, TextAfterAClosingQuoteIsAFault) {
  EXPECT_EQ(fault_of("a,b\nx,y\nx,\"two\nlines\"b\n", DataFormat::csv).text(),
            "data:4: column 2: text stands after a closing quote; a quote inside of quotes is "
            "written twice (\"\")");
  EXPECT_EQ(fault_of("a\n\"x\" \"y\"\n", DataFormat::csv).where, "data:2");
  EXPECT_EQ(fault_of("\"a\"b\nx\n", DataFormat::csv).where, "data:1");
  const Examples empty = parse_examples("a,b\r\n\"\",\"x\"\r\n", DataFormat::csv, "data").value();
  EXPECT_EQ(empty[0].fields().to_json(), R"({"a": "", "b": "x"})");
  EXPECT_EQ(fault_of("a\n\"\"x\n", DataFormat::csv).where, "data:2") << "after empty quotes too";
}

TEST(ExampleCsv, ColumnsOfOneNameAreAFault) {
  EXPECT_EQ(fault_of("text,label, text\na,b,c\n", DataFormat::csv).text(),
            "data:1: columns 1 and 3 are both called \"text\"; rename one");
}

TEST(ExampleJsonl, AKeyGivenTwiceIsAFault) {
  EXPECT_EQ(fault_of("{\"a\": 1}\n{\"a\": 1, \"b\": 2, \"a\": 3}", DataFormat::jsonl).text(),
            "data:2: the key \"a\" is given twice");
  EXPECT_EQ(fault_of(R"({"a": [{"b": 1, "b": 1}]})", DataFormat::jsonl).text(),
            "data:1: the key \"b\" is given twice");
  EXPECT_EQ(
      parse_examples(R"({"a": {"a": 1}, "b": {"a": 2}})", DataFormat::jsonl, "data").value().size(),
      1U)
      << "once in each object";
}

TEST(ExampleJson, AKeyGivenTwiceNamesTheItem) {
  EXPECT_EQ(fault_of(R"([{"a": 1}, {"b": {"c": 1, "c": 2}}])", DataFormat::json).text(),
            "data[1]: the key \"c\" is given twice");
}

TEST(ExampleJson, ReadsAnArrayAndNamesTheItem) {
  EXPECT_EQ(parse_examples("[{\"a\": 1}, {\"a\": 2}]", DataFormat::json, "data").value().size(),
            2U);
  EXPECT_EQ(fault_of("[{\"a\": 1}, 2]", DataFormat::json).where, "data[1]");
  EXPECT_EQ(fault_of("{}", DataFormat::json).message, "expected an array of objects");
}

TEST(ExampleLoad, NamesTheFileThatIsMissing) {
  EXPECT_EQ(load_examples("no/such.jsonl").error().kind, ErrorKind::bad_request);
  EXPECT_EQ(load_examples("no/such.jsonl").error().where, "no/such.jsonl");
  EXPECT_NE(load_examples("train.txt").error().message.find(".jsonl, .json or .csv"),
            std::string::npos);
}

TEST(ExampleLoad, RefusesADirectory) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "folder.jsonl";
  std::filesystem::create_directories(folder);
  EXPECT_EQ(load_examples(folder).error().kind, ErrorKind::bad_request);
}

TEST(ExampleLoad, ChoosesTheFormatByExtension) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "example_test.csv";
  std::ofstream(path) << "a\n1\n";
  EXPECT_EQ(load_examples(path).value()[0].get("a"), Value("1"));
}

TEST(ExampleSplit, CutsShuffledPartsThatDoNotOverlap) {
  Examples all;
  for (int i = 0; i < 10; ++i) all.emplace_back(Value::object({{"i", i}}));
  const std::array<double, 2> fractions = {0.3, 0.7};
  const auto parts = split_examples(all, fractions, 7).value();
  ASSERT_EQ(parts[0].size(), 3U);
  ASSERT_EQ(parts[1].size(), 7U);
  std::vector<bool> seen(10);
  for (const Examples& part : parts) {
    for (const Example& example : part)
      seen[static_cast<std::size_t>(example.get("i").as_int())] = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 10);
  EXPECT_EQ(split_examples(all, fractions, 7).value()[0][0].id(), parts[0][0].id());
}

TEST(ExampleSplit, RefusesEmptyPartsAndBadFractions) {
  const Examples one = {Example(Value::object({{"i", 1}}))};
  EXPECT_FALSE(split_examples(one, std::array{0.5, 0.5}, 1));
  EXPECT_FALSE(split_examples(one, std::array{0.9, 0.9}, 1));
  EXPECT_FALSE(split_examples(one, std::array{0.0, 1.0}, 1));
}

TEST(Example, IsIdentifiedByItsContent) {
  EXPECT_EQ(Example(Value::object({{"a", 1}})).id(), Example(Value::object({{"a", 1}})).id());
  EXPECT_NE(Example(Value::object({{"a", 1}})).id(), Example(Value::object({{"a", 2}})).id());
}

TEST(Example, PicksInputsAndOutputs) {
  const Example example(Value::object({{"b", 2}, {"a", 1}, {"c", 3}}));
  const Signature signature = Signature::parse("a: int -> b: int").value();
  EXPECT_EQ(example.inputs(signature).to_json(), R"({"a": 1})");
  EXPECT_EQ(example.outputs(signature).to_json(), R"({"b": 2})");
}

}  // namespace
}  // namespace hone
