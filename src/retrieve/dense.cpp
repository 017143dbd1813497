#include "hone/retrieve/dense.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "retrieve/ranked.hpp"

namespace hone {
namespace {

constexpr float kSteps = 127;
// The mean of fewer points is mostly those points themselves.
constexpr std::size_t kFewestToCentre = 8;
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::string out;
  for (std::size_t i = 0; i < size; i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8U | (i + j < size ? std::uint32_t{bytes[i + j]} : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      out += i + j > size ? '=' : kDigits[group >> (18 - 6 * j) & 63U];
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t group = 0;
  std::size_t bits = 0;
  for (const char digit : text) {
    if (digit == '=') break;
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6U | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> bits & 255U);
  }
  return out;
}

bool is_finite(const std::vector<float>& point) {
  return std::ranges::all_of(point, [](float x) { return std::isfinite(x); });
}

}  // namespace

Result<DenseRetriever> DenseRetriever::make(std::span<const std::vector<float>> points,
                                            std::string embedder) {
  if (points.empty() || points.front().empty())
    return bad_request("dense retriever", "needs points of at least one dimension");
  DenseRetriever index;
  index.embedder_ = std::move(embedder);
  index.mean_.resize(points.front().size());
  for (const std::vector<float>& point : points) {
    if (point.size() != index.mean_.size())
      return bad_request("dense retriever", "the points have different dimensions");
    if (!is_finite(point)) {
      const std::ptrdiff_t number = &point - points.data();
      return bad_request("dense retriever", "point " + std::to_string(number) +
                                                " (from 0) has a number that is not finite");
    }
    if (points.size() < kFewestToCentre) continue;
    for (std::size_t d = 0; d < point.size(); ++d)
      index.mean_[d] += point[d] / static_cast<float>(points.size());
  }
  for (const std::vector<float>& point : points) {
    float largest = 0;
    for (std::size_t d = 0; d < point.size(); ++d)
      largest = std::max(largest, std::abs(point[d] - index.mean_[d]));
    for (std::size_t d = 0; d < point.size(); ++d) {
      const float share = largest > 0 ? (point[d] - index.mean_[d]) / largest : 0;
      index.points_.push_back(static_cast<std::int8_t>(std::lround(share * kSteps)));
    }
  }
  index.measure();
  return index;
}

void DenseRetriever::measure() {
  const std::size_t dimension = mean_.size();
  lengths_.clear();
  for (std::size_t start = 0; start < points_.size(); start += dimension) {
    double squares = 0;
    for (std::size_t d = 0; d < dimension; ++d) {
      const double x = points_[start + d];
      squares += x * x;
    }
    lengths_.push_back(std::sqrt(squares));
  }
}

Result<std::vector<Hit>> DenseRetriever::search(const std::string& query, std::size_t k,
                                                const EmbedText& embed) const {
  if (!embed)
    return bad_request("dense retriever", "needs the embedder '" + embedder_ + "' to search");
  Result<std::vector<float>> point = embed(query);
  if (!point) return point.error();
  if (point->size() != mean_.size()) {
    return bad_request("dense retriever", "the query has " + std::to_string(point->size()) +
                                              " dimensions, the texts " +
                                              std::to_string(mean_.size()));
  }
  if (!is_finite(*point))
    return bad_request("dense retriever", "the query has a number that is not finite");
  double squares = 0;
  for (std::size_t d = 0; d < mean_.size(); ++d) {
    float& x = (*point)[d];
    x -= mean_[d];
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  const double length = std::sqrt(squares);
  std::vector<double> cosines;
  cosines.reserve(lengths_.size());
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    const std::int8_t* text = points_.data() + i * mean_.size();
    float product = 0;
    for (std::size_t d = 0; d < mean_.size(); ++d)
      product += (*point)[d] * static_cast<float>(text[d]);
    const double scale = length * lengths_[i];
    cosines.push_back(scale > 0 ? static_cast<double>(product) / scale : 0);
  }
  return best_hits(cosines, k);
}

Value DenseRetriever::to_json() const {
  Value::List points;
  for (std::size_t i = 0; i < lengths_.size(); ++i)
    points.emplace_back(to_base64(points_.data() + i * mean_.size(), mean_.size()));
  return Value::object({{"embedder", embedder_},
                        {"mean", to_base64(mean_.data(), mean_.size() * sizeof(float))},
                        {"points", Value(std::move(points))}});
}

Result<DenseRetriever> DenseRetriever::from_json(const Value& json, std::string_view where) {
  const Error fault = bad_request(
      std::string(where),
      "needs \"embedder\", \"mean\" and \"points\" as hone saved them: the index is damaged");
  const Value embedder = json.get("embedder");
  const Value mean = json.get("mean");
  const Value points = json.get("points");
  if (!embedder.is_string() || !mean.is_string() || !points.is_list()) return fault;
  DenseRetriever index;
  index.embedder_ = embedder.as_string();
  const std::optional<std::string> bytes = from_base64(mean.as_string());
  if (!bytes || bytes->empty() || bytes->size() % sizeof(float) != 0) return fault;
  index.mean_.resize(bytes->size() / sizeof(float));
  std::memcpy(index.mean_.data(), bytes->data(), bytes->size());
  if (!is_finite(index.mean_)) return fault;
  for (const Value& point : points.as_list()) {
    const std::optional<std::string> row =
        point.is_string() ? from_base64(point.as_string()) : std::nullopt;
    if (!row || row->size() != index.mean_.size()) return fault;
    for (const char byte : *row) index.points_.push_back(static_cast<std::int8_t>(byte));
  }
  if (index.points_.empty()) return fault;
  index.measure();
  return index;
}

}  // namespace hone
