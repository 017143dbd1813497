// Moments of a process that can be seen from outside: what it does to the files of a folder.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

namespace hone::tests {

// Tells, on a thread of its own, every time a file in a folder is made, written or renamed.
class FolderWatch {
 public:
  FolderWatch(const std::filesystem::path& folder, std::function<void(const std::string&)> tell)
      : tell_(std::move(tell)),
        events_(::inotify_init1(IN_CLOEXEC)),
        wake_(::eventfd(0, EFD_CLOEXEC)) {
    ::inotify_add_watch(events_, folder.c_str(), IN_CREATE | IN_MODIFY | IN_MOVED_TO);
    thread_ = std::jthread([this] { watch(); });
  }
  ~FolderWatch() {
    ::eventfd_write(wake_, 1);
    thread_.join();
    ::close(events_);
    ::close(wake_);
  }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

 private:
  void watch() {
    while (true) {
      std::array<pollfd, 2> watched = {pollfd{events_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
      if (::poll(watched.data(), watched.size(), -1) < 0) continue;
      if ((watched[1].revents & POLLIN) != 0) return;
      alignas(inotify_event) std::array<char, 16384> bytes{};
      const ssize_t got = ::read(events_, bytes.data(), bytes.size());
      for (ssize_t at = 0; at < got;) {
        const auto* event = reinterpret_cast<const inotify_event*>(bytes.data() + at);
        tell_(event->len > 0 ? event->name : "");
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
  }

  std::function<void(const std::string&)> tell_;
  int events_ = -1;
  int wake_ = -1;
  std::jthread thread_;
};

}  // namespace hone::tests
