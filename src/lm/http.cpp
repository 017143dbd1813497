#include "http.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>
#include <new>
#include <utility>

namespace hone::http {
namespace {

std::string taken(char* text) {
  std::string copy = text == nullptr ? "" : text;
  curl_free(text);
  return copy;
}

// A peer that closes a TLS connection raises SIGPIPE in whoever writes to it, and a library must
// neither die of that nor change the process's handlers: blocked here for this thread, and
// swallowed if one came meanwhile.
class PipeSignalGuard {
 public:
  PipeSignalGuard() {
    sigset_t pending;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalGuard() {
    if (!was_pending_) {
      const timespec now{};
      while (sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalGuard(const PipeSignalGuard&) = delete;
  PipeSignalGuard& operator=(const PipeSignalGuard&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One reusable handle with the buffers its callbacks write to.
struct Transfer {
  std::unique_ptr<CURL, EasyDeleter> easy;
  std::size_t tag = 0;
  const std::string* url = nullptr;
  std::string body;
  std::size_t limit = 0;
  bool over_limit = false;
  std::array<char, CURL_ERROR_SIZE> fault{};
};

std::size_t collect(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t got = size * count;
  if (transfer.body.size() + got > transfer.limit) {
    transfer.over_limit = true;
    return 0;
  }
  transfer.body.append(bytes, got);
  return got;
}

bool is_hopeless(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_WRITE_ERROR:
      return true;
    default:
      return false;
  }
}

Answer answer_of(Transfer& transfer, CURLcode code) {
  Answer answer;
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.outcome = Outcome::answered;
    answer.status = static_cast<int>(status);
    if (status >= 300) {
      curl_off_t wait = 0;
      curl_easy_getinfo(transfer.easy.get(), CURLINFO_RETRY_AFTER, &wait);
      // A date may be over, and a number may be beyond what any clock counts.
      constexpr curl_off_t kLongest = 1'000'000'000;
      answer.retry_after = std::chrono::seconds(std::clamp<curl_off_t>(wait, 0, kLongest));
    }
    answer.body = std::move(transfer.body);
    return answer;
  }
  answer.outcome = is_hopeless(code) ? Outcome::refused : Outcome::no_answer;
  if (transfer.over_limit) {
    answer.fault = "the answer is longer than " + std::to_string(transfer.limit) + " bytes";
  } else {
    answer.fault = transfer.fault[0] != '\0' ? transfer.fault.data() : curl_easy_strerror(code);
  }
  return answer;
}

// Only an address may begin with 127: of a name, such as 127.0.0.1.example.org, somebody else says
// where it leads.
bool is_loopback_host(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  std::array<unsigned char, 4> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 && address.front() == 127;
}

}  // namespace

// Declared in this order so that handles go before the list they use and the multi handle that
// holds connections.
struct Session::State {
  Config config;
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::vector<std::unique_ptr<Transfer>> all;
  std::vector<Transfer*> idle;
  std::size_t running = 0;

  // Plain sockets are written to without raising the signal, so only TLS pays for the system calls.
  std::optional<PipeSignalGuard> guard() const {
    if (!config.is_https) return std::nullopt;
    return std::optional<PipeSignalGuard>(std::in_place);
  }

  void add_header(const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    // Appending to a list that is not empty keeps its head.
    if (headers == nullptr) headers.reset(longer);
  }

  Transfer& new_transfer() {
    auto transfer = std::make_unique<Transfer>();
    transfer->easy.reset(curl_easy_init());
    if (transfer->easy == nullptr) throw std::bad_alloc();
    transfer->limit = config.max_reply_bytes;
    CURL* easy = transfer->easy.get();
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer.get());
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->fault.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &collect);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(config.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(config.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hone");
    if (config.bypass_proxy) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    // Room for all of them, so that retiring one cannot fail.
    idle.reserve(all.size() + 1);
    all.push_back(std::move(transfer));
    return *all.back();
  }

  bool is_idle(const Transfer& transfer) const {
    return std::find(idle.begin(), idle.end(), &transfer) != idle.end();
  }

  void retire(Transfer& transfer) {
    curl_multi_remove_handle(multi.get(), transfer.easy.get());
    idle.push_back(&transfer);
    --running;
  }
};

Session::Session(const Config& config) : state_(std::make_unique<State>()) {
  state_->config = config;
  state_->add_header("Content-Type: application/json");
  state_->add_header("Expect:");
  if (!config.bearer.empty()) state_->add_header("Authorization: Bearer " + config.bearer);
  state_->multi.reset(curl_multi_init());
  if (state_->multi == nullptr) throw std::bad_alloc();
  curl_multi_setopt(state_->multi.get(), CURLMOPT_MAXCONNECTS,
                    static_cast<long>(config.keep_connections));
}

Session::~Session() {
  const std::optional<PipeSignalGuard> guard = state_->guard();
  drop_all();
  state_->all.clear();
  state_.reset();
}

void Session::start(std::size_t tag, const std::string& url, std::string_view body) {
  State& state = *state_;
  if (state.idle.empty()) state.idle.push_back(&state.new_transfer());
  Transfer& transfer = *state.idle.back();
  state.idle.pop_back();
  transfer.tag = tag;
  transfer.body.clear();
  transfer.over_limit = false;
  transfer.fault[0] = '\0';
  CURL* easy = transfer.easy.get();
  if (transfer.url != &url) {
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    transfer.url = &url;
  }
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
  curl_multi_add_handle(state.multi.get(), easy);
  ++state.running;
}

std::size_t Session::in_flight() const {
  return state_->running;
}

void Session::pump(std::chrono::milliseconds wait,
                   const std::function<void(std::size_t, const Answer&)>& done) {
  State& state = *state_;
  CURLM* multi = state.multi.get();
  const std::optional<PipeSignalGuard> guard = state.guard();
  int running = 0;
  curl_multi_perform(multi, &running);
  if (static_cast<std::size_t>(running) == state.running && wait.count() > 0) {
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
    curl_multi_perform(multi, &running);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    const Answer answer = answer_of(*transfer, code);
    state.retire(*transfer);
    done(transfer->tag, answer);
  }
}

void Session::wake() {
  curl_multi_wakeup(state_->multi.get());
}

void Session::drop(std::size_t tag) {
  for (const auto& transfer : state_->all) {
    if (transfer->tag == tag && !state_->is_idle(*transfer)) return state_->retire(*transfer);
  }
}

void Session::drop_all() {
  if (state_->running == 0) return;
  for (const auto& transfer : state_->all) {
    if (!state_->is_idle(*transfer)) state_->retire(*transfer);
  }
}

SessionPool::SessionPool(Config config) : config_(std::move(config)) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

SessionPool::~SessionPool() {
  idle_.clear();
  curl_global_cleanup();
}

SessionPool::Lease SessionPool::lease() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Session> session = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(session));
    }
  }
  return Lease(*this, std::make_unique<Session>(config_));
}

void SessionPool::give_back(std::unique_ptr<Session> session) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(session));
}

Result<Url> parse_url(std::string_view text) {
  const std::string copy(text);
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  const auto part = [&](CURLUPart which) {
    char* out = nullptr;
    return curl_url_get(url.get(), which, &out, 0) == CURLUE_OK ? taken(out) : std::string();
  };
  // The scheme is looked for by hand since curl would take "localhost:8080" for a scheme it does
  // not know.
  if (copy.find("://") == std::string::npos ||
      curl_url_set(url.get(), CURLUPART_URL, copy.c_str(), 0) != CURLUE_OK) {
    return bad_request(
        "server URL", "'" + copy + "' is no URL; expected something like http://127.0.0.1:8080/v1");
  }
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return bad_request("server URL", "'" + copy + "' is neither http nor https");
  }
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()) {
    return bad_request("server URL",
                       "holds a user name or password, which would end up in logs and caches; "
                       "put the key into OPENAI_API_KEY instead");
  }
  if (!part(CURLUPART_QUERY).empty()) {
    return bad_request("server URL",
                       "'" + copy + "' has a query; only a base path such as /v1 is possible");
  }
  Url parsed;
  parsed.is_https = scheme == "https";
  const std::string host = part(CURLUPART_HOST);
  parsed.is_loopback = is_loopback_host(host);
  std::string path = part(CURLUPART_PATH);
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (path.empty()) path = "/v1";
  const std::string port = part(CURLUPART_PORT);
  parsed.base = scheme + "://" + host + (port.empty() ? "" : ":" + port) + path;
  return parsed;
}

}  // namespace hone::http
